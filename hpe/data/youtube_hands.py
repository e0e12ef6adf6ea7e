"""YouTube 3D Hands (Kulon et al., CVPR 2020): meshes fitted to hands in videos.

    data/youtube_train.json, youtube_val.json, youtube_test.json
    data/<name of each image>          .jpg, also where the name ends in .png

A JSON file has `images` (name, width, height, id) and `annotations` (vertices 778 x 3, is_left,
image_id). Vertices are in pixels under a scaled orthographic camera: (u, v) of a vertex are pixels
of the image, and its third coordinate is no depth. So samples have none (`HandSample.has_depth`).

Frames may have been downloaded at another size than they were annotated at; keypoints are scaled.
`val` is the official one. `test` is a held-out share of the training images, unless `final`.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from hpe.config import Config, operational
from hpe.data.folder import (
    Progress,
    as_names,
    folder_data,
    held_out_splits,
    num_ids,
    official_split,
)
from hpe.data.hands import HandData, HandSample, flat_sample, mirrored
from hpe.data.index import Arrays, Index, Source, read_index, whole_rows, write_index
from hpe.data.mesh_joints import NUM_VERTICES, TIPS, joints_of_mesh, read_regressor
from hpe.data.pictures import read_rgb

FOLDER_NAMES = ("youtube_hands", "youtube_3d_hands")
"""What the data set's folder is called inside a folder of data sets."""

HOME_PAGE = "https://github.com/arielai/youtube_3d_hands"
FORMAT = 1
"""To be raised when `_parse` gives something else for the same files."""

Part = Literal["train", "val", "test"]


class YoutubeHandsConfig(Config):
    """How to get joints from meshes, and what to test on.

    Attributes:
        regressor: File with MANO's 16 x 778 joint regressor, relative to the data set's folder.
            What it holds, not where it lies, identifies the data.
        tips: Vertices at the tips of thumb, index, middle, ring and little finger. The data set's
            authors name 554 and 671 for the last two.
        test_share: Share of the training images to test on.
        split_seed: Decides which images these are.
        final: Test on the official test part instead, once choices are made.
        max_bad_share: Share of a part's pictures that may be missing or broken: so many are left
            out; with more the data set is refused. Videos disappear: expect to raise it.
    """

    name: Literal["youtube_hands"] = "youtube_hands"
    regressor: str = operational("mano_joint_regressor.npz", min_length=1)
    tips: tuple[int, int, int, int, int] = TIPS
    test_share: float = Field(0.05, gt=0, lt=1)
    split_seed: int = Field(0, ge=0)
    final: bool = False
    max_bad_share: float = operational(0.001, ge=0, le=1)

    @field_validator("tips")
    @classmethod
    def _are_different_vertices(
        cls, tips: tuple[int, int, int, int, int]
    ) -> tuple[int, int, int, int, int]:
        if len(set(tips)) < len(tips) or not all(0 <= tip < NUM_VERTICES for tip in tips):
            raise ValueError(f"tips must be five different vertices in 0 ... {NUM_VERTICES - 1}")
        return tips


def prepare_youtube_hands(
    config: YoutubeHandsConfig, root: Path, *, processes: int, progress: Progress
) -> None:
    """Check the files once and keep an index of them beside them, so that opening is quick.

    Raises:
        ValueError: If annotations or the regressor are missing, or more pictures than the settings
            allow.
    """
    del processes  # one pass over the files
    for part in _parts(config):
        index = _read(config, root, part, progress=progress)
        write_index(index)
        whole_rows(index, np.arange(len(index)), max_bad_share=config.max_bad_share)


def open_youtube_hands(config: YoutubeHandsConfig, root: Path) -> HandData:
    """Open the splits; reads no picture.

    Raises:
        ValueError: As `prepare_youtube_hands` does.
    """
    indices: dict[str, Index] = {part: _read(config, root, part) for part in _parts(config)}
    chosen = {part: (index, np.arange(len(index))) for part, index in indices.items()}
    splits = held_out_splits(
        *chosen["train"],
        read_hand,
        val_share=0.0,
        test_share=config.test_share,
        seed=config.split_seed,
        max_bad_share=config.max_bad_share,
    )
    first_id = num_ids(indices["train"])
    for part in _parts(config)[1:]:
        splits[part] = official_split(
            *chosen[part], read_hand, first_id=first_id, max_bad_share=config.max_bad_share
        )
        first_id += num_ids(indices[part])
    return folder_data(
        config,
        chosen,
        splits,
        has_depth=False,
        tips=list(config.tips),
        test_is_official_test_part=config.final,
        source=HOME_PAGE,
        licence="see the source; videos belong to their authors",
    )


def read_hand(index: Index, row: int) -> HandSample:
    """Read one sample of an index, mirrored if it shows a left hand."""
    image = read_rgb(index.picture_path(row))
    height, width = image.shape[:2]
    keypoints_px = index.arrays["keypoints_px"][row] * (
        np.array([width, height]) / index.arrays["size_px"][row]
    )
    sample = flat_sample(
        image,
        keypoints_px,
        visible=np.ones(len(keypoints_px), dtype=bool),
        unique_id=int(index.arrays["unique_id"][row]),
    )
    return mirrored(sample) if index.arrays["is_left"][row] else sample


def _parts(config: YoutubeHandsConfig) -> tuple[Part, ...]:
    return ("train", "val", "test") if config.final else ("train", "val")


def _read(
    config: YoutubeHandsConfig,
    root: Path,
    part: Part,
    *,
    progress: Progress = lambda _done, _total: None,
) -> Index:
    regressor = read_regressor(root / config.regressor)
    source = Source(
        data_set=f"YouTube 3D Hands' {part} part",
        root=root,
        name=f"youtube_hands_{part}",
        annotations=[root / "data" / f"youtube_{part}.json"],
        home_page=HOME_PAGE,
        made_as={
            "format": FORMAT,
            "regressor": hashlib.sha256(regressor.tobytes()).hexdigest(),
            "tips": list(config.tips),
        },
    )
    return read_index(source, lambda: _parse(source, regressor), progress=progress)


def _parse(source: Source, regressor: np.ndarray) -> Arrays:
    """Return a row per hand: `picture`, `unique_id`, `size_px`, `keypoints_px` and `is_left`.

    Raises:
        ValueError: If the file does not have the form it should.
    """
    (path,) = source.annotations
    content = json.loads(path.read_bytes())
    try:
        numbers = {image["id"]: number for number, image in enumerate(content["images"])}
        names = [_picture(source.root, image["name"]) for image in content["images"]]
        sizes_px = [(image["width"], image["height"]) for image in content["images"]]
        notes: list[dict[str, Any]] = content["annotations"]
        ids = np.array([numbers[note["image_id"]] for note in notes], dtype=np.int64)
        keypoints_px = [_keypoints_px(note["vertices"], regressor, source) for note in notes]
        is_left = np.array([bool(note["is_left"]) for note in notes], dtype=bool)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} must hold images (name, width, height, id) and annotations (vertices "
            f"{NUM_VERTICES} x 3, is_left, image_id): {error!r}."
        ) from error
    return {
        "picture": as_names(names)[ids],
        "unique_id": ids,
        "size_px": np.array(sizes_px, dtype=np.float64).reshape(-1, 2)[ids],
        "keypoints_px": np.array(keypoints_px).reshape(-1, 21, 2),
        "is_left": is_left,
    }


def _keypoints_px(vertices: list[list[float]], regressor: np.ndarray, source: Source) -> np.ndarray:
    mesh = np.array(vertices, dtype=np.float64).reshape(1, NUM_VERTICES, 3)
    joints = joints_of_mesh(mesh[:, :, :2], regressor, tips=source.made_as["tips"])
    keypoints_px: np.ndarray = joints[0]
    return keypoints_px


def _picture(root: Path, name: str) -> str:
    """Return an image's path: names end in .png, downloaded frames mostly in .jpg."""
    as_jpg = Path("data", name).with_suffix(".jpg")
    as_named = Path("data", name)
    found = as_named if (root / as_named).is_file() and not (root / as_jpg).is_file() else as_jpg
    return found.as_posix()
