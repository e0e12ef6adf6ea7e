"""Splits of a data set that lies in a folder: chosen rows of its index."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from hpe.config import Config, identity_settings
from hpe.data.hands import HandSample
from hpe.data.index import Index

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FolderSplit:
    """Rows of an index; pictures are decoded when a sample is asked for.

    Attributes:
        index: Where the samples are described.
        rows: Which of them these are.
        read: Makes the sample of a row.
        first_id: Added to the index's unique ids.
    """

    index: Index
    rows: Int[np.ndarray, " samples"]
    read: Callable[[Index, int], HandSample]
    first_id: int = 0

    @property
    def unique_ids(self) -> Int[np.ndarray, " samples"]:
        """Each sample's unique id."""
        ids: Int[np.ndarray, " samples"] = self.index.arrays["unique_id"][self.rows]
        return ids + self.first_id

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.rows)

    def __getitem__(self, index: int) -> HandSample:
        """Read one sample.

        Raises:
            IndexError: If there is no such sample.
            UnreadableSample: If a picture that was whole when the data was prepared cannot be
                decoded.
        """
        sample = self.read(self.index, int(self.rows[index]))
        return replace(sample, unique_id=sample.unique_id + self.first_id)


def rows_of(
    index: Index, rows: Int[np.ndarray, " rows"], ids: Int[np.ndarray, " ids"]
) -> Int[np.ndarray, " chosen"]:
    """Return the rows whose unique id is among `ids`, in order."""
    chosen: Int[np.ndarray, " chosen"] = rows[np.isin(index.arrays["unique_id"][rows], ids)]
    return chosen


def folder_digest(config: Config, indices: Mapping[str, Index], **contents: Any) -> str:
    """Return a data set's digest: its settings, and what its indices were made from."""
    identity = {
        "config": identity_settings(config),
        "indices": {name: index.digest for name, index in indices.items()},
        **contents,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def as_names(names: list[str]) -> np.ndarray:
    """Return names as an index keeps them: UTF-8 bytes."""
    return np.array([name.encode() for name in names], dtype=np.bytes_)
