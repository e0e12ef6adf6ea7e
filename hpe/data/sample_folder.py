"""A folder of samples: a few pictures beside one file of annotations, to be scored on alone.

mmpose's tests have one for many data sets, `test_<name>.json` with the pictures beside it. No part
of the data set is known to be there, so all samples are `val`, and `test` as well; there is nothing
to train on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hpe.config import Config
from hpe.data.folder import FolderSplit, Progress, Sample, folder_data, official_split
from hpe.data.index import Arrays, Index, Source, read_index, whole_rows, write_index
from hpe.data.opened import OpenedData, Split


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
