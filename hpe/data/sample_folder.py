"""A folder of samples: a few pictures beside one file of annotations, to be scored on alone.

mmpose's tests have one for many data sets, `test_<name>.json` with the pictures beside it. No part
of the data set is known to be there, so all samples are `val`, and `test` as well; there is nothing
to train on.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hpe.config import Config
from hpe.data.folder import (
    Chosen,
    FolderSplit,
    Progress,
    Sample,
    folder_data,
    held_out_splits,
    num_ids,
    official_split,
)
from hpe.data.hands import HandSample, HandSplit
from hpe.data.index import Arrays, Index, Source, read_index, whole_rows, write_index
from hpe.data.opened import OpenedData, Split


@runtime_checkable
class HoldsOut(Protocol):
    """Settings of a data set that validates, and tests unless `final`, on a share of a part."""

    @property
    def val_share(self) -> float:
        """Share of the part to validate on."""

    @property
    def test_share(self) -> float:
        """Share to test on."""

    @property
    def split_seed(self) -> int:
        """Decides what these are."""

    @property
    def final(self) -> bool:
        """Whether to test on the official part instead."""

    @property
    def max_bad_share(self) -> float:
        """Share of the pictures that may be missing or broken."""


def annotations_of_samples(root: Path, name: str) -> Path | None:
    """Return the annotations of a folder of samples, or None if the folder is not one."""
    path = root / f"test_{name}.json"
    return path if path.is_file() else None


def require_no_final(root: Path, *, final: bool) -> None:
    """Refuse to take samples for an official part.

    Raises:
        ValueError: If that is asked for.
    """
    if final:
        raise ValueError(
            f"{root} is a folder of samples, which has no official part: leave out --final (or "
            f"data/final: true), or give the folder of the whole data set with --data-dir."
        )


def prepare_samples(
    source: Source, parse: Callable[[], Arrays], *, max_bad_share: float, progress: Progress
) -> None:
    """Check a folder of samples and keep its index.

    Raises:
        ValueError: If more pictures are missing or broken than allowed.
    """
    index = read_index(source, parse, progress=progress)
    write_index(index)
    whole_rows(index, np.arange(len(index)), max_bad_share=max_bad_share)


def open_samples(
    config: Config,
    source: Source,
    parse: Callable[[], Arrays],
    read: Callable[[Index, int], Sample],
    /,
    *,
    max_bad_share: float,
    **facts: Any,
) -> OpenedData[Sample]:
    """Open a folder of samples; reads no picture.

    Args:
        config: The data set's settings.
        source: What the samples' index is made from.
        parse: Makes its arrays.
        read: Makes the sample of a row.
        max_bad_share: Share of the pictures that may be missing or broken.
        facts: What the card says beside counts.

    Raises:
        ValueError: If more are.
    """
    index = read_index(source, parse)
    chosen = (index, np.arange(len(index)))
    return folder_data(
        config,
        {"samples": chosen},
        scored_alone(*chosen, read, max_bad_share=max_bad_share),
        test_is_val=True,
        **facts,
    )


def scored_alone(
    index: Index,
    rows: np.ndarray,
    read: Callable[[Index, int], Sample],
    *,
    max_bad_share: float,
) -> dict[str, Split[Sample]]:
    """Return the splits of samples from which nothing is trained: `val` and `test` are all of them.

    Raises:
        ValueError: If more pictures are missing or broken than allowed.
    """
    scored = official_split(index, rows, read, first_id=0, max_bad_share=max_bad_share)
    nothing = FolderSplit(index, rows[:0], read)
    return {"unlabelled": nothing, "train": nothing, "val": scored, "test": scored}


def splits_of_parts(
    config: HoldsOut,
    chosen: Mapping[str, Chosen],
    read: Callable[[Index, int], HandSample],
    *,
    train: str,
    test: str,
) -> dict[str, HandSplit]:
    """Return the splits of the parts that are there: of samples alone, or of the data set's own.

    Args:
        config: How to split them.
        chosen: Part -> its index, and the rows that the settings choose from it.
        read: Makes the sample of a row.
        train: The part that is held out from.
        test: The official part, which is there where the settings are `final`.

    Raises:
        ValueError: If nothing would be left to train on, or more pictures are missing or broken.
    """
    if "samples" in chosen:
        return scored_alone(*chosen["samples"], read, max_bad_share=config.max_bad_share)
    splits = held_out_splits(
        *chosen[train],
        read,
        val_share=config.val_share,
        test_share=config.test_share,
        seed=config.split_seed,
        max_bad_share=config.max_bad_share,
    )
    if config.final:
        first_id = num_ids(chosen[train][0])
        splits["test"] = official_split(
            *chosen[test], read, first_id=first_id, max_bad_share=config.max_bad_share
        )
    return splits
