"""RHD, the Rendered Handpose Dataset (Zimmermann & Brox, ICCV 2017): people rendered whole.

`rhd_files` says where what lies. Both hands of a picture are samples where enough of them is seen;
they stay in one split. Joints that are hidden are annotated like the others; those outside the
picture do not count. The splits come from the training part; `test` is a held-out share of it,
unless `final`.

Principal points lie at half the picture's side, so that pixel centres lie at integer + 0.5 as here.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int
from pydantic import Field, model_validator

from hpe.config import Config, operational
from hpe.data.folder import Progress, folder_data
from hpe.data.hands import HandData, HandSample, mirrored
from hpe.data.index import Index, read_index, whole_rows, write_index
from hpe.data.pictures import read_rgb
from hpe.data.rhd_files import HOME_PAGE, Part, parse_part, part_source
from hpe.data.sample_folder import annotations_of_samples, require_no_final, splits_of_parts
from hpe.data.splits import require_training_share
from hpe.geometry.camera import project
from hpe.geometry.skeleton import NUM_JOINTS

FOLDER_NAMES = ("rhd", "RHD", "RHD_published_v2")
"""What the data set's folder is called inside a folder of data sets."""


class RhdConfig(Config):
    """Which hands of RHD to use, and how to split them.

    Attributes:
        min_seen: Hands of which fewer joints are seen, by the annotations, are left out.
        val_share: Share of the training part's pictures to validate on.
        test_share: Share to test on.
        split_seed: Decides which pictures these are.
        final: Test on the official evaluation part instead, once choices are made.
        max_bad_share: Share of the pictures in use that may be missing or broken: so many are left
            out; with more the data set is refused.
    """

    name: Literal["rhd"] = "rhd"
    min_seen: int = Field(11, ge=2, le=NUM_JOINTS)
    val_share: float = Field(0.1, gt=0, lt=1)
    test_share: float = Field(0.1, gt=0, lt=1)
    split_seed: int = Field(0, ge=0)
    final: bool = False
    max_bad_share: float = operational(0.001, ge=0, le=1)

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "RhdConfig":
        require_training_share(self.val_share, self.test_share)
        return self


def prepare_rhd(config: RhdConfig, root: Path, *, processes: int, progress: Progress) -> None:
    """Check the files once and keep an index of them beside them, so that opening is quick.

    Raises:
        ValueError: If annotations are missing or not converted, or more pictures are missing than
            the settings allow.
    """
    del processes  # one pass over the files
    for part in _parts(config, root):
        index = _read(root, part, progress=progress)
        write_index(index)
        whole_rows(index, _chosen(config, index), max_bad_share=config.max_bad_share)


def open_rhd(config: RhdConfig, root: Path) -> HandData:
    """Open the splits; reads no picture.

    Raises:
        ValueError: As `prepare_rhd` does.
    """
    indices: dict[str, Index] = {part: _read(root, part) for part in _parts(config, root)}
    chosen = {part: (index, _chosen(config, index)) for part, index in indices.items()}
    splits = splits_of_parts(config, chosen, read_hand, train="training", test="evaluation")
    return folder_data(
        config,
        chosen,
        splits,
        left_out_outside_the_picture={
            part: int(index.arrays["num_left_out"]) for part, index in indices.items()
        },
        left_out_hardly_seen={
            part: len(index) - len(rows) for part, (index, rows) in chosen.items()
        },
        test_is_official_evaluation_part=config.final,
        source=HOME_PAGE,
        licence="research only; see the source",
    )


def read_hand(index: Index, row: int) -> HandSample:
    """Read one sample of an index, mirrored if it shows a left hand."""
    arrays = index.arrays
    joints_m, intrinsics = np.array(arrays["joints_m"][row]), np.array(arrays["intrinsics"][row])
    sample = HandSample(
        image=read_rgb(index.picture_path(row)),
        joints_m=joints_m,
        intrinsics=intrinsics,
        keypoints_px=project(joints_m, intrinsics),
        visible=np.array(arrays["inside"][row]),
        foreground=None,
        unique_id=int(arrays["unique_id"][row]),
    )
    return mirrored(sample) if arrays["is_left"][row] else sample


def _parts(config: RhdConfig, root: Path) -> tuple[Part, ...]:
    if annotations_of_samples(root, "rhd") is not None:
        require_no_final(root, final=config.final)
        return ("samples",)
    return ("training", "evaluation") if config.final else ("training",)


def _read(root: Path, part: Part, *, progress: Progress = lambda _done, _total: None) -> Index:
    source = part_source(root, part)
    return read_index(source, lambda: parse_part(source), progress=progress)


def _chosen(config: RhdConfig, index: Index) -> Int[np.ndarray, " rows"]:
    rows: Int[np.ndarray, " rows"] = np.flatnonzero(index.arrays["num_seen"] >= config.min_seen)
    return rows
