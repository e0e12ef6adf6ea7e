"""FreiHAND as a course on machine perception handed it out (and S2 used it).

    train/, val/                         pictures; sorted by name they are version-major
    train_K.json, train_xyz.json         one entry per photograph, as in FreiHAND
    val_K.json, val_xyz.json

Each photograph comes in four versions: version v of photograph i is picture v * n + i. The course's
test/ has no labels and is not used: `test` is a held-out share of train/, or `val`.

S2's usual split has `test_share: 0`: all of train/ is trained on, 91 168 pictures, and val/ scored
on, 19 536. Its submission has `val_photographs: 128` too: 110 192 and 512 pictures.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int
from pydantic import Field

from hpe.config import Config, added, operational
from hpe.data.folder import (
    Progress,
    as_names,
    folder_data,
    held_out_splits,
    num_ids,
    official_split,
)
from hpe.data.freihand import VERSIONS, Versions
from hpe.data.freihand_files import HOME_PAGE, parse_matrices
from hpe.data.hands import HandData, HandSample
from hpe.data.index import Arrays, Index, Source, read_index, whole_rows, write_index
from hpe.data.joined import JoinedSplit
from hpe.data.pictures import read_rgb
from hpe.geometry.camera import project

FOLDER_NAMES = ("freihand_course", "MP_DATA")
"""What the data set's folder is called inside a folder of data sets."""

FORMAT = 1
"""To be raised when `_parse` gives something else for the same files."""

Part = Literal["train", "val"]
PARTS: tuple[Part, ...] = ("train", "val")


class FreiHandCourseConfig(Config):
    """Which versions to use, and what to test on.

    Attributes:
        versions: Backgrounds to use, in every split.
        test_share: Share of train/'s photographs to test on; with 0 `test` is `val`.
        val_photographs: Photographs of val/ to validate on, the last ones; the others are trained
            on. None for all of val/.
        split_seed: Decides which photographs these are.
        max_bad_share: Share of a part's pictures that may be broken: so many are left out; with
            more the data set is refused. None may be missing, for names do not tell which.
    """

    name: Literal["freihand_course"] = "freihand_course"
    versions: Versions = VERSIONS
    test_share: float = Field(0.1, ge=0, lt=1)
    val_photographs: int | None = added(None, ge=1)
    split_seed: int = Field(0, ge=0)
    max_bad_share: float = operational(0.001, ge=0, le=1)


def prepare_freihand_course(
    config: FreiHandCourseConfig, root: Path, *, processes: int, progress: Progress
) -> None:
    """Check the files once and keep an index of them beside them, so that opening is quick.

    Raises:
        ValueError: If files are missing, or more pictures are broken than the settings allow.
    """
    del processes  # one pass over the files
    for part in PARTS:
        index = _read(root, part, progress=progress)
        write_index(index)
        whole_rows(index, _chosen(config, index), max_bad_share=config.max_bad_share)


def open_freihand_course(config: FreiHandCourseConfig, root: Path) -> HandData:
    """Open the splits; reads no picture.

    Raises:
        ValueError: As `prepare_freihand_course` does, or if `val_photographs` are more than
            there are.
    """
    indices: dict[str, Index] = {part: _read(root, part) for part in PARTS}
    chosen = {part: (index, _chosen(config, index)) for part, index in indices.items()}
    splits = held_out_splits(
        *chosen["train"],
        read_hand,
        val_share=0.0,
        test_share=config.test_share,
        seed=config.split_seed,
        max_bad_share=config.max_bad_share,
    )
    others, last = _parted(config, *chosen["val"])
    splits["val"], trained_on = (
        official_split(
            indices["val"],
            rows,
            read_hand,
            first_id=num_ids(indices["train"]),
            max_bad_share=config.max_bad_share,
        )
        for rows in (last, others)
    )
    if len(trained_on) > 0:
        both = JoinedSplit([splits["train"], trained_on], first_ids=[0, 0], shares=None)
        splits |= {"train": both, "unlabelled": both}
    if config.test_share == 0:
        splits["test"] = splits["val"]
    return folder_data(
        config,
        chosen,
        splits,
        versions=list(config.versions),
        test_is_val=config.test_share == 0,
        photographs={part: len(index.arrays["joints_m"]) for part, index in indices.items()},
        source=HOME_PAGE,
        licence="research only; see the source",
    )


def read_hand(index: Index, row: int) -> HandSample:
    """Read one sample of an index."""
    photograph = int(index.arrays["unique_id"][row])
    joints_m, intrinsics = (
        np.array(index.arrays[name][photograph]) for name in ("joints_m", "intrinsics")
    )
    return HandSample(
        image=read_rgb(index.picture_path(row)),
        joints_m=joints_m,
        intrinsics=intrinsics,
        keypoints_px=project(joints_m, intrinsics),
        visible=np.ones(len(joints_m), dtype=bool),
        foreground=None,
        unique_id=photograph,
    )


def _read(root: Path, part: Part, *, progress: Progress = lambda _done, _total: None) -> Index:
    source = Source(
        data_set=f"The course's FreiHAND, part {part},",
        root=root,
        name=f"freihand_course_{part}",
        annotations=[root / f"{part}_K.json", root / f"{part}_xyz.json"],
        home_page=HOME_PAGE,
        made_as={"format": FORMAT, "part": part},
    )
    return read_index(source, lambda: _parse(source), progress=progress)


def _parse(source: Source) -> Arrays:
    """Return a row per picture (`picture`, `unique_id`, `version`), and what is known of each
    photograph (`intrinsics`, `joints_m`).

    Raises:
        ValueError: If the files disagree on how many photographs there are.
    """
    intrinsics, joints_m = (
        parse_matrices(path.read_bytes(), path, shape=shape)
        for path, shape in zip(source.annotations, ((3, 3), (21, 3)), strict=True)
    )
    part = source.made_as["part"]
    folder = source.root / part
    names = sorted(path.name for path in folder.glob("*.jpg"))
    counts = (len(intrinsics), len(joints_m), len(names) / len(VERSIONS))
    if len(set(counts)) != 1:
        raise ValueError(
            f"{source.root}: {part}_K.json and {part}_xyz.json must have one entry per photograph "
            f"and {part}/ {len(VERSIONS)} pictures (.jpg), got {len(intrinsics)}, "
            f"{len(joints_m)} and {len(names)} pictures."
        )
    numbers = np.arange(len(names), dtype=np.int64)
    return {
        "picture": as_names([f"{part}/{name}" for name in names]),
        "unique_id": numbers % len(joints_m),
        "version": numbers // len(joints_m),
        "intrinsics": intrinsics,
        "joints_m": joints_m,
    }


def _chosen(config: FreiHandCourseConfig, index: Index) -> Int[np.ndarray, " rows"]:
    numbers = [VERSIONS.index(version) for version in config.versions]
    return np.flatnonzero(np.isin(index.arrays["version"], numbers))


def _parted(
    config: FreiHandCourseConfig, index: Index, rows: Int[np.ndarray, " rows"]
) -> tuple[Int[np.ndarray, " trained"], Int[np.ndarray, " validated"]]:
    """Return which rows of val/ are trained on, and which are validated on.

    Raises:
        ValueError: If there are not as many photographs as are to be validated on.
    """
    photographs = len(index.arrays["joints_m"])
    last = photographs if config.val_photographs is None else config.val_photographs
    if last > photographs:
        raise ValueError(
            f"val_photographs must be at most the {photographs} that val/ has, got {last}."
        )
    validated = index.arrays["unique_id"][rows] >= photographs - last
    return rows[~validated], rows[validated]
