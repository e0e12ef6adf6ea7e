"""InterHand2.6M (Moon et al., ECCV 2020) at 5 frames/s, read from its original files.

The splits come from the train part, by moment: the pictures that all cameras took at one time stay
together. `test` is a held-out share of it too; only `final` puts the official test part there.

The data set's own tools flip pictures with W - 1 - u, that is, they count pixel centres at
integers; ours lie at integer + 0.5, so half a pixel is added to the principal point.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator

from hpe.config import Config, operational
from hpe.data.folder import Progress, folder_data
from hpe.data.hands import HandData, HandSample, mirrored
from hpe.data.index import Index, read_index, whole_rows, write_index
from hpe.data.interhand_files import (
    HOME_PAGE,
    SAMPLES,
    Annotations,
    Part,
    parse_part,
    part_source,
)
from hpe.data.pictures import read_rgb
from hpe.data.sample_folder import annotations_of_samples, require_no_final, splits_of_parts
from hpe.data.splits import require_training_share
from hpe.geometry.camera import project
from hpe.geometry.skeleton import SCALE_BONE, WRIST
from hpe.geometry.target_space import UNIT_BONE

FOLDER_NAMES = ("interhand", "InterHand", "InterHand2.6M", SAMPLES)
"""What the data set's folder is called inside a folder of data sets."""

HALF_PIXEL = 0.5


class InterHandConfig(Config):
    """Which hands of InterHand2.6M to use, and how to split them.

    Attributes:
        annotations: Annotated by people, by machine, or both.
        interacting: Use pictures of both hands too, each hand a sample of its own.
        val_share: Share of the train part's moments to validate on.
        test_share: Share to test on.
        split_seed: Decides which moments these are.
        final: Test on the official test part instead, once choices are made. The other splits stay
            as they are.
        max_bad_share: Share of the chosen pictures that may be missing or broken: so many are left
            out; with more the data set is refused.
    """

    name: Literal["interhand"] = "interhand"
    annotations: Annotations = "all"
    interacting: bool = False
    val_share: float = Field(0.1, gt=0, lt=1)
    test_share: float = Field(0.1, gt=0, lt=1)
    split_seed: int = Field(0, ge=0)
    final: bool = False
    max_bad_share: float = operational(0.001, ge=0, le=1)

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "InterHandConfig":
        require_training_share(self.val_share, self.test_share)
        return self


def prepare_interhand(
    config: InterHandConfig, root: Path, *, processes: int, progress: Progress
) -> None:
    """Check the files once and keep an index of them beside them, so that opening is quick.

    Raises:
        ValueError: If annotations are missing, or more pictures than the settings allow.
    """
    del processes  # one pass over the files
    for part in _parts(config, root):
        index = _read(config, root, part, progress=progress)
        write_index(index)
        whole_rows(index, _chosen(config, index), max_bad_share=config.max_bad_share)


def open_interhand(config: InterHandConfig, root: Path) -> HandData:
    """Open the splits; reads no picture.

    Raises:
        ValueError: As `prepare_interhand` does.
    """
    parts = _parts(config, root)
    indices: dict[str, Index] = {part: _read(config, root, part) for part in parts}
    chosen = {part: (index, _chosen(config, index)) for part, index in indices.items()}
    splits = splits_of_parts(config, chosen, read_hand, train="train", test="test")
    return folder_data(
        config,
        chosen,
        splits,
        left_out_without_side_or_joints={
            part: int(index.arrays["num_left_out"]) for part, index in indices.items()
        },
        left_out_interacting={
            part: len(index) - len(rows) for part, (index, rows) in chosen.items()
        },
        annotations=config.annotations,
        sequences=len(indices[parts[0]].arrays["sequence_name"]),
        test_is_official_test_part=config.final,
        source=HOME_PAGE,
        licence="CC-BY-NC 4.0",
    )


def read_hand(index: Index, row: int) -> HandSample:
    """Read one sample of an index: the hand in the camera's coordinates, mirrored if it is left."""
    arrays = index.arrays
    camera, moment = arrays["camera"][row], arrays["unique_id"][row]
    is_right, visible = bool(arrays["is_right"][row]), arrays["visible"][row]
    joints_m = camera_joints_m(
        arrays["world_mm"][moment, 0 if is_right else 1],
        campos_mm=arrays["campos_mm"][camera],
        camrot=arrays["camrot"][camera],
    )
    joints_m = _unannotated_at_the_mean(joints_m, visible)
    intrinsics = _intrinsics(arrays["focal_px"][camera], arrays["princpt_px"][camera])
    sample = HandSample(
        image=read_rgb(index.picture_path(row)),
        joints_m=joints_m,
        intrinsics=intrinsics,
        keypoints_px=project(joints_m, intrinsics),
        visible=np.array(visible),
        foreground=None,
        unique_id=int(moment),
        has_depth=bool(visible[[WRIST, *SCALE_BONE, *UNIT_BONE]].all()),
        sequence=arrays["sequence_name"][arrays["sequence"][row]].decode(),
    )
    return sample if is_right else mirrored(sample)


def camera_joints_m(
    world_mm: Float[np.ndarray, "joints 3"],
    *,
    campos_mm: Float[np.ndarray, " 3"],
    camrot: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "joints 3"]:
    """Return joints in a camera's coordinates: (world - campos) camrot^T, in metres."""
    joints_m: Float[np.ndarray, "joints 3"] = (world_mm - campos_mm) @ camrot.T / 1000
    return joints_m


def _intrinsics(
    focal_px: Float[np.ndarray, " 2"], princpt_px: Float[np.ndarray, " 2"]
) -> Float[np.ndarray, "3 3"]:
    intrinsics = np.diag([*focal_px, 1.0])
    intrinsics[:2, 2] = princpt_px + HALF_PIXEL
    return intrinsics


def _unannotated_at_the_mean(
    joints_m: Float[np.ndarray, "21 3"], visible: Bool[np.ndarray, " 21"]
) -> Float[np.ndarray, "21 3"]:
    """Return the joints with placeholders where they project to something finite."""
    return np.where(visible[:, None], joints_m, joints_m[visible].mean(axis=0))


def _parts(config: InterHandConfig, root: Path) -> tuple[Part, ...]:
    if annotations_of_samples(root, f"{SAMPLES}_data") is not None:
        require_no_final(root, final=config.final)
        return ("samples",)
    return ("train", "test") if config.final else ("train",)


def _read(
    config: InterHandConfig,
    root: Path,
    part: Part,
    *,
    progress: Progress = lambda _done, _total: None,
) -> Index:
    source = part_source(root, part, config.annotations)
    return read_index(source, lambda: parse_part(source), progress=progress)


def _chosen(config: InterHandConfig, index: Index) -> Int[np.ndarray, " rows"]:
    rows: Int[np.ndarray, " rows"] = np.flatnonzero(
        config.interacting | ~index.arrays["interacting"]
    )
    if len(rows) == 0:
        raise ValueError(
            f"{index.source.data_set} in {index.source.root} has no usable hand, of "
            f"{len(index)} annotated ones; data/interacting: true uses pictures of both hands too."
        )
    return rows
