"""Splits of a data set that lies in a folder: chosen rows of its index."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Int

from hpe.config import Config, identity_settings
from hpe.data.hands import HandSample, HandSplit
from hpe.data.index import Index, left_out, whole_rows
from hpe.data.opened import OpenedData, Split
from hpe.data.splits import partition

Progress = Callable[[int, int], None]


@runtime_checkable
class Numbered(Protocol):
    """A sample of any task: a dataclass that knows its unique id."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def unique_id(self) -> int:
        """The sample's unique id."""


Sample = TypeVar("Sample", bound=Numbered)

Chosen = tuple[Index, Int[np.ndarray, " rows"]]
"""The index of a part of a data set, and the rows that the settings choose from it."""


@dataclass(frozen=True)
class FolderSplit(Generic[Sample]):
    """Rows of an index; pictures are decoded when a sample is asked for.

    Attributes:
        index: Where the samples are described.
        rows: Which of them these are.
        read: Makes the sample of a row.
        first_id: Added to the index's unique ids.
    """

    index: Index
    rows: Int[np.ndarray, " samples"]
    read: Callable[[Index, int], Sample]
    first_id: int = 0

    @property
    def unique_ids(self) -> Int[np.ndarray, " samples"]:
        """Each sample's unique id."""
        ids: Int[np.ndarray, " samples"] = self.index.arrays["unique_id"][self.rows]
        return ids + self.first_id

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample.

        Raises:
            IndexError: If there is no such sample.
            UnreadableSample: If a picture that was whole when the data was prepared cannot be
                decoded.
        """
        sample = self.read(self.index, int(self.rows[index]))
        return replace(sample, unique_id=sample.unique_id + self.first_id)


def held_out_splits(
    index: Index,
    rows: Int[np.ndarray, " rows"],
    read: Callable[[Index, int], HandSample],
    *,
    val_share: float,
    test_share: float,
    seed: int,
    max_bad_share: float,
) -> dict[str, HandSplit]:
    """Return every split, held out by unique id; the unlabelled one is that of training.

    Args:
        index: Where the samples are described.
        rows: Those of them that the settings choose. Which ids a split has depends on these, not on
            which pictures are broken.
        read: Makes the sample of a row.
        val_share: Share of the ids to validate on; 0 for a split from elsewhere.
        test_share: Share to test on.
        seed: Decides which ids these are.
        max_bad_share: Share of the pictures that may be missing or broken.

    Raises:
        ValueError: If nothing would be left to train on, or more pictures are missing or broken.
    """
    whole = whole_rows(index, rows, max_bad_share=max_bad_share)
    ids = index.arrays["unique_id"]
    parts = partition(np.unique(ids[rows]), val_share=val_share, test_share=test_share, seed=seed)
    splits: dict[str, HandSplit] = {
        name: FolderSplit(index, whole[np.isin(ids[whole], part)], read)
        for name, part in parts.items()
    }
    return {"unlabelled": splits["train"], **splits}


def official_split(
    index: Index,
    rows: Int[np.ndarray, " rows"],
    read: Callable[[Index, int], Sample],
    *,
    first_id: int,
    max_bad_share: float,
) -> FolderSplit[Sample]:
    """Return a part of the data set that is a split of its own.

    Args:
        index: Where its samples are described.
        rows: Those of them that the settings choose.
        read: Makes the sample of a row.
        first_id: Added to its unique ids, so that they differ from those of other parts.
        max_bad_share: Share of the pictures that may be missing or broken.

    Raises:
        ValueError: If more are.
    """
    whole = whole_rows(index, rows, max_bad_share=max_bad_share)
    return FolderSplit(index, whole, read, first_id)


def num_ids(index: Index) -> int:
    """Return how many unique ids an index leaves to those before it."""
    return int(index.arrays["unique_id"].max(initial=-1)) + 1


def folder_data(
    config: Config,
    chosen: Mapping[str, Chosen],
    splits: Mapping[str, Split[Sample]],
    **facts: Any,
) -> OpenedData[Sample]:
    """Return the opened data set.

    Its digest covers its settings, and what its indices were made from.

    Args:
        config: Its settings, which have its `name`.
        chosen: Part -> its index, and the rows that the settings choose from it.
        splits: What they make.
        facts: What else its card says.
    """
    identity = {
        "config": identity_settings(config),
        "indices": {part: index.digest for part, (index, _) in chosen.items()},
    }
    return OpenedData(
        name=identity["config"]["name"],
        digest=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
        splits=splits,
        card={
            "counts": {name: len(split) for name, split in splits.items()},
            **left_out(chosen),
            **facts,
        },
    )


def as_names(names: list[str]) -> np.ndarray:
    """Return names as an index keeps them: UTF-8 bytes."""
    return np.array([name.encode() for name in names], dtype=np.bytes_)
