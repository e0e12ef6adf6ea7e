"""Human3.6M (Ionescu et al., 2014), which you bring, in two layouts.

S4's (pickles converted by `sweep/convert.py`; `test` is needed for the final score only):

    annot/train.npz, annot/val.npz, annot/test.npz
    images/<image>                          or <image> itself, or its folder named as its recording

That of mmpose's `annotation_body3d`, widely used for monocular and lifting work:

    annotation_body3d/fps10/h36m_train.npz, h36m_test.npz      (or fps50; subjects 1, 5-8; 9, 11)
    annotation_body3d/cameras.npz                              (its cameras.pkl, converted)
    images/S1/S1_Directions_1.54138969/S1_Directions_1.54138969_000001.jpg

Cameras have a lens: its distortion moves joints by up to some pixels in a picture of 1000. Pictures
are undistorted when they are read, so that K alone projects the joints onto them; `lens: ignore`
leaves the pictures as they are, as S4 does, whose keypoints are projections by K too.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from pydantic import Field, model_validator

from hpe.config import Config, operational
from hpe.data.bodies import BodyData, BodySample
from hpe.data.folder import Progress, as_names, folder_data, num_ids, official_split
from hpe.data.h36m_files import (
    HOME_PAGE,
    LAYOUTS,
    Layout,
    Part,
    layout_of,
    moment_of,
    parse_part,
    part_source,
)
from hpe.data.h36m_protocol import protocol_words
from hpe.data.index import Arrays, Index, read_index, whole_rows, write_index
from hpe.data.pictures import read_rgb

FOLDER_NAMES = ("h36m", "Human3.6M", "human36m")
"""What the data set's folder is called inside a folder of data sets."""

Lens = Literal["undistort", "ignore"]

VAL_IS_TEST = {
    "caveat": "no subject is held out, so that val is the test part: what is chosen by val, an "
    "epoch or settings, is chosen on the subjects that are scored"
}


class H36mConfig(Config):
    """How to use Human3.6M.

    Attributes:
        val_subjects: Training subjects to validate on, in mmpose's layout; S4's has its own `val`.
            None of them is trained on. None at all is for the published splits, once choices are
            made: all are trained on, and `val` is the `test` of `final`.
        every: Keep every n-th picture of each part.
        lens: Undistort the pictures, or leave them as S4 does.
        final: Test on the official part, once choices are made: subjects 9 and 11, or S4's `test`.
            Until then `test` is `val`.
        max_bad_share: Share of a part's pictures that may be missing or broken: so many are left
            out; with more the data set is refused.
    """

    name: Literal["h36m"] = "h36m"
    val_subjects: tuple[str, ...] = ("S8",)
    every: int = Field(1, ge=1)
    lens: Lens = "undistort"
    final: bool = False
    max_bad_share: float = operational(0.001, ge=0, le=1)

    @model_validator(mode="after")
    def _validates_on_something(self) -> "H36mConfig":
        if not self.val_subjects and not self.final:
            raise ValueError(
                "val_subjects must name a subject unless final is true: nothing else is left to "
                "validate on; give val_subjects: [S8], or final: true (evaluate.py: --final)."
            )
        return self


def prepare_h36m(config: H36mConfig, root: Path, *, processes: int, progress: Progress) -> None:
    """Check the files once and keep an index of them beside them, so that opening is quick.

    Raises:
        ValueError: If annotations are missing, or more pictures than the settings allow.
    """
    del processes  # a look at each file
    for part in _parts(config, layout_of(root)):
        index = _read(root, part, progress=progress)
        write_index(index)
        whole_rows(index, np.arange(len(index)), max_bad_share=config.max_bad_share)


def open_h36m(config: H36mConfig, root: Path) -> BodyData:
    """Open the splits; reads no picture.

    Raises:
        ValueError: As `prepare_h36m` does, or if a split would be empty, or something is scored on
            that is trained on.
    """
    layout = layout_of(root)
    indices = {part: _read(root, part) for part in _parts(config, layout)}
    _require_apart(root, indices)
    everything = {part: np.arange(0, len(index), config.every) for part, index in indices.items()}
    if layout == "s4":
        sources: dict[str, tuple[Part, Int[np.ndarray, " rows"]]] = {
            "train": ("train", everything["train"]),
            "val": ("val", everything["val"]),
        }
    else:
        rows = everything["train"]
        subjects = indices["train"].arrays["subject"][rows]
        held_out = np.isin(subjects, as_names(list(config.val_subjects)))
        sources = {"train": ("train", rows[~held_out]), "val": ("train", rows[held_out])}
    if config.final:
        sources["test"] = ("test", everything["test"])
    if layout == "mmpose" and not config.val_subjects:
        sources["val"] = sources["test"]
    sources.setdefault("test", sources["val"])
    sources["unlabelled"] = sources["train"]
    for split, (_, chosen) in sources.items():
        if len(chosen) == 0:
            raise ValueError(
                f"{root}: nothing is left for {split}; val_subjects are "
                f"{', '.join(config.val_subjects) or 'none'}."
            )
    first_ids = _first_ids(indices)
    splits = {
        split: official_split(
            indices[part],
            rows,
            partial(read_body, lens=config.lens),
            first_id=first_ids[part],
            max_bad_share=config.max_bad_share,
        )
        for split, (part, rows) in sources.items()
    }
    people = {split: _subjects(indices[part], rows) for split, (part, rows) in sources.items()}
    return folder_data(
        config,
        {part: (index, everything[part]) for part, index in indices.items()},
        splits,
        layout=LAYOUTS[layout],
        lens=config.lens,
        has_depth=True,
        subjects=people,
        test_is_official_test_part=config.final,
        protocol={
            split: protocol_words(people["train"], people[split], every=config.every)
            for split in ("val", "test")
        },
        **(VAL_IS_TEST if config.final and sources["val"] is sources["test"] else {}),
        source=HOME_PAGE,
        licence="academic use only; see the source",
    )


def read_body(index: Index, row: int, *, lens: Lens) -> BodySample:
    """Read one sample of an index."""
    values = {name: column[row] for name, column in index.arrays.items() if column.ndim > 0}
    intrinsics = np.array(values["intrinsics"])
    image = read_rgb(index.picture_path(row))
    if lens == "undistort" and values["distortion"].any():
        image = undistorted(image, intrinsics, values["distortion"])
    return BodySample(
        image=image,
        keypoints_px=np.array(values["keypoints_px"]),
        depth_mm=np.array(values["depth_mm"]),
        visible=np.array(values["visible"]),
        has_depth=True,
        intrinsics=intrinsics,
        pelvis_mm=np.array(values["pelvis_mm"]),
        box_px=np.array(values["box_px"]),
        unique_id=int(values["unique_id"]),
        subject=values["subject"].decode() or None,
        action=values["action"].decode() or None,
    )


def undistorted(
    image: UInt8[np.ndarray, "height width 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    distortion: Float[np.ndarray, " 5"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Return the picture that a camera without distortion and with the same K would have taken.

    Args:
        image: RGB.
        intrinsics: K.
        distortion: OpenCV's coefficients k1, k2, p1, p2, k3.
    """
    height, width = image.shape[:2]
    maps = _undistortion(tuple(intrinsics.ravel()), tuple(distortion), (width, height))
    return np.asarray(cv2.remap(image, *maps, cv2.INTER_LINEAR))


@lru_cache(maxsize=64)
def _undistortion(
    intrinsics: tuple[float, ...], distortion: tuple[float, ...], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel comes from.

    OpenCV puts pixel centres at integers, ours lie at integer + 0.5: the half pixel moves where the
    distortion is looked up, which changes by far less than a hundredth of a pixel over it.
    """
    K = np.array(intrinsics).reshape(3, 3)
    first, second = cv2.initUndistortRectifyMap(
        K, np.array(distortion), None, K, size, cv2.CV_16SC2
    )
    return first, second


def _parts(config: H36mConfig, layout: Layout) -> Sequence[Part]:
    parts: tuple[Part, ...] = ("train", "val") if layout == "s4" else ("train",)
    return (*parts, "test") if config.final else parts


def _read(root: Path, part: Part, *, progress: Progress = lambda _done, _total: None) -> Index:
    source = part_source(root, part)
    return read_index(source, lambda: parse_part(source), progress=progress)


def _require_apart(root: Path, indices: Mapping[Part, Index]) -> None:
    """Refuse parts that were taken from one another: a person in a pose is trained on or scored on.

    Raises:
        ValueError: Which moments are in both.
    """
    trained = indices["train"].arrays
    for part, index in indices.items():
        if part == "train":
            continue
        scored = index.arrays
        subjects = np.intersect1d(trained["subject"], scored["subject"])
        shared = sorted(_moments(trained, subjects) & _moments(scored, subjects))
        if shared:
            raise ValueError(
                f"{root}: {len(shared)} moments of the {part} part are in the train part too "
                f"({', '.join(shared[:3])}), and what is scored on may not be trained on; take "
                f"both parts as they were published."
            )


def _moments(arrays: Arrays, subjects: np.ndarray) -> set[str]:
    """Return the moments of some subjects, whom two parts can share only if they share these."""
    names = arrays["picture"][np.isin(arrays["subject"], subjects)]
    return {moment_of(name.decode()) for name in names}


def _first_ids(indices: dict[Part, Index]) -> dict[Part, int]:
    """Return what to add to each part's unique ids so that no two parts share one."""
    first_ids, first = {}, 0
    for part, index in indices.items():
        first_ids[part] = first
        first += num_ids(index)
    return first_ids


def _subjects(index: Index, rows: Int[np.ndarray, " rows"]) -> list[str]:
    return [name.decode() for name in np.unique(index.arrays["subject"][rows])]
