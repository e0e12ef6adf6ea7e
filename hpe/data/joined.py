"""Samples of several splits, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

import numpy as np
from jaxtyping import Float, Int

from hpe.data.folder import Sample
from hpe.data.opened import Split
from hpe.data.splits import unique_ids


@dataclass(frozen=True)
class JoinedSplit(Generic[Sample]):
    """The samples of several splits, one after the other.

    Attributes:
        parts: The splits.
        first_ids: Added to the unique ids of each.
        shares: How much of training each of them is to be; None where all samples count the same.
    """

    parts: Sequence[Split[Sample]]
    first_ids: Sequence[int]
    shares: Sequence[float] | None

    @property
    def unique_ids(self) -> Int[np.ndarray, " samples"]:
        """Each sample's unique id."""
        parts = zip(self.parts, self.first_ids, strict=True)
        return np.concatenate([unique_ids(part) + first_id for part, first_id in parts])

    @property
    def weights(self) -> Float[np.ndarray, " samples"] | None:
        """Each sample's share of training."""
        if self.shares is None:
            return None
        sizes = [len(part) for part in self.parts]
        return np.repeat(np.array(self.shares) / np.maximum(sizes, 1), sizes)

    def __len__(self) -> int:
        """Return the number of samples."""
        return sum(len(part) for part in self.parts)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample.

        Raises:
            IndexError: If there is no such sample.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        for part, first_id in zip(self.parts, self.first_ids, strict=True):
            if index < len(part):
                sample = part[index]
                return replace(sample, unique_id=sample.unique_id + first_id)
            index -= len(part)
        raise AssertionError("an index below the length lies in a part")
