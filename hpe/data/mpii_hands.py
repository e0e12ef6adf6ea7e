"""MPII+NZSL hands (Simon et al., CVPR 2017): hands in photographs, annotated by people, in 2D.

    hand_labels/manual_train/<name>.jpg, <name>.json
    hand_labels/manual_test/<name>.jpg, <name>.json

A JSON file has `hand_pts`, (u, v, annotated) of 21 keypoints in this project's order, and
`is_left`. Nothing is known of depths or cameras: samples have none (`HandSample.has_depth`).

The splits come from manual_train, by photograph: both hands of all its people stay together.
`test` is a held-out share of it too; only `final` puts manual_test there.
"""

import json
import re
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field, model_validator

from hpe.config import Config, operational
from hpe.data.flat_hands import read_flat_hand
from hpe.data.folder import Progress, as_names, folder_data
from hpe.data.hands import HandData
from hpe.data.index import Arrays, Index, Source, read_index, whole_rows, write_index
from hpe.data.sample_folder import splits_of_parts
from hpe.data.splits import require_training_share

FOLDER_NAMES = ("mpii_hands", "mpii_dataset", "hand_labels")
"""What the data set's folder is called inside a folder of data sets."""

HOME_PAGE = "http://domedb.perception.cs.cmu.edu/handdb.html"
FORMAT = 1
"""To be raised when `_parse` gives something else for the same files."""

DROPPED = ("Ricki_unit_8.flv_000002_l", "Ricki_unit_8.flv_000003_l")
"""Left out by S0's loader, and so here."""

Part = Literal["manual_train", "manual_test"]


class MpiiHandsConfig(Config):
    """How to split MPII+NZSL hands.

    Attributes:
        val_share: Share of manual_train's photographs to validate on.
        test_share: Share to test on.
        split_seed: Decides which photographs these are.
        final: Test on manual_test instead, once choices are made. The other splits stay as they
            are.
        max_bad_share: Share of a part's pictures that may be missing or broken: so many are left
            out; with more the data set is refused.
    """

    name: Literal["mpii_hands"] = "mpii_hands"
    val_share: float = Field(0.1, gt=0, lt=1)
    test_share: float = Field(0.1, gt=0, lt=1)
    split_seed: int = Field(0, ge=0)
    final: bool = False
    max_bad_share: float = operational(0.001, ge=0, le=1)

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "MpiiHandsConfig":
        require_training_share(self.val_share, self.test_share)
        return self


def prepare_mpii_hands(
    config: MpiiHandsConfig, root: Path, *, processes: int, progress: Progress
) -> None:
    """Check the files once and keep an index of them beside them, so that opening is quick.

    Raises:
        ValueError: If annotations are missing, or more pictures than the settings allow.
    """
    del processes  # a few thousand small files
    for part in _parts(config):
        index = _read(root, part, progress=progress)
        write_index(index)
        whole_rows(index, np.arange(len(index)), max_bad_share=config.max_bad_share)


def open_mpii_hands(config: MpiiHandsConfig, root: Path) -> HandData:
    """Open the splits; reads no picture.

    Raises:
        ValueError: As `prepare_mpii_hands` does.
    """
    indices: dict[str, Index] = {part: _read(root, part) for part in _parts(config)}
    chosen = {part: (index, np.arange(len(index))) for part, index in indices.items()}
    splits = splits_of_parts(
        config, chosen, read_flat_hand, train="manual_train", test="manual_test"
    )
    return folder_data(
        config,
        chosen,
        splits,
        left_out_without_keypoints={
            part: int(index.arrays["num_left_out"]) for part, index in indices.items()
        },
        photographs=len(np.unique(indices["manual_train"].arrays["unique_id"])),
        has_depth=False,
        test_is_official_test_part=config.final,
        source=HOME_PAGE,
        licence="research only; see the source",
    )


def photograph_of(name: str) -> str:
    """Return which photograph a hand is cut from: its name without person and side.

    Hands are called `<photograph>_<two digits for the person>_<l or r>` in the part from MPII and
    `<video>_<six digits for the frame>_<l or r>` in the one from NZSL.
    """
    return re.sub(r"(_\d{2})?_[lr]$", "", name)


def _parts(config: MpiiHandsConfig) -> tuple[Part, ...]:
    return ("manual_train", "manual_test") if config.final else ("manual_train",)


def _read(root: Path, part: Part, *, progress: Progress = lambda _done, _total: None) -> Index:
    base = root if root.name == "hand_labels" else root / "hand_labels"
    annotations = sorted((base / part).glob("*.json")) or [base / part / "*.json"]
    source = Source(
        data_set=f"MPII+NZSL hands' {part}",
        root=root,
        name=f"mpii_hands_{part}",
        annotations=annotations,
        home_page=HOME_PAGE,
        made_as={"format": FORMAT},
    )
    return read_index(source, lambda: _parse(source), progress=progress)


def _parse(source: Source) -> Arrays:
    """Return a row for each hand: `picture`, `unique_id`, `keypoints_px`, `visible`, `is_left`."""
    pictures, hands, is_left = [], [], []
    for path in source.annotations:
        if path.stem in DROPPED:
            continue
        points = _points(path)
        if (points[:, 2] > 0).sum() >= 2:  # fewer have no extent to crop by
            pictures.append(path.with_suffix(".jpg").relative_to(source.root).as_posix())
            hands.append(points)
            is_left.append(bool(json.loads(path.read_bytes()).get("is_left", 0)))
    photographs = sorted({photograph_of(Path(name).stem) for name in pictures})
    numbers = {name: number for number, name in enumerate(photographs)}
    values = np.array(hands, dtype=np.float64).reshape(-1, 21, 3)
    ids: Int[np.ndarray, " samples"] = np.array(
        [numbers[photograph_of(Path(name).stem)] for name in pictures], dtype=np.int64
    )
    return {
        "picture": as_names(pictures),
        "unique_id": ids,
        "keypoints_px": values[:, :, :2],
        "visible": values[:, :, 2] > 0,
        "is_left": np.array(is_left, dtype=bool),
        "num_left_out": np.array(len(source.annotations) - len(pictures)),
    }


def _points(path: Path) -> Float[np.ndarray, "21 3"]:
    try:
        points = np.array(json.loads(path.read_bytes())["hand_pts"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} must hold hand_pts, 21 x 3 numbers: {error!r}.") from error
    if points.shape != (21, 3):
        raise ValueError(f"{path} must hold hand_pts, 21 x 3 numbers, got {points.shape}.")
    return points
