"""Seeded parts of a data set, always by unique id: versions of one photograph stay together."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from hpe.data.opened import Split


@runtime_checkable
class Identified(Protocol):
    """A split that tells its samples' unique ids without opening them."""

    @property
    def unique_ids(self) -> Int[np.ndarray, " samples"]:
        """The unique id of each sample, in order."""


def unique_ids(split: Split[Any]) -> Int[np.ndarray, " samples"]:
    """Return each sample's unique id; opens every sample of a split that is not `Identified`."""
    if isinstance(split, Identified):
        return split.unique_ids
    return np.array([split[index].unique_id for index in range(len(split))], dtype=np.int64)


def nested_subset(split: Split[Any], *, fraction: float, seed: int) -> tuple[int, ...]:
    """Return the samples of a share of the split's unique ids, as indices in order.

    Subsets of one seed are nested: the samples of a smaller fraction are among those of every
    larger one. A subset has at least one unique id.

    Raises:
        ValueError: If the fraction is not in (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"a label fraction must be in (0, 1], got {fraction}.")
    ids = unique_ids(split)
    shuffled = _shuffled(ids, seed)
    chosen = shuffled[: max(1, round(fraction * len(shuffled)))]
    return tuple(np.flatnonzero(np.isin(ids, chosen)).tolist())


def partition(
    ids: Int[np.ndarray, " ids"], *, val_share: float, test_share: float, seed: int
) -> Mapping[str, Int[np.ndarray, " part"]]:
    """Share unique ids out between train, val and test, each sorted; none is in two of them.

    Validation and test get their share of the ids, rounded up; training gets the rest.

    Raises:
        ValueError: If nothing would be left to train on.
    """
    shuffled = _shuffled(ids, seed)
    num_val = math.ceil(val_share * len(shuffled))
    num_test = math.ceil(test_share * len(shuffled))
    if num_val + num_test >= len(shuffled):
        raise ValueError(
            f"val_share and test_share must leave something to train on, got {val_share} and "
            f"{test_share} of {len(shuffled)} unique ids."
        )
    return MappingProxyType(
        {
            "train": np.sort(shuffled[num_val + num_test :]),
            "val": np.sort(shuffled[:num_val]),
            "test": np.sort(shuffled[num_val : num_val + num_test]),
        }
    )


def require_training_share(val_share: float, test_share: float) -> None:
    """Refuse shares that leave no training share.

    Raises:
        ValueError: If they add up to 1 or more.
    """
    if val_share + test_share >= 1:
        raise ValueError(
            f"val_share + test_share must be below 1, got {val_share} + {test_share}, which leaves "
            f"nothing to train on; lower one of them"
        )


def _shuffled(ids: Int[np.ndarray, " samples"], seed: int) -> Int[np.ndarray, " ids"]:
    return np.random.default_rng(seed).permutation(np.unique(ids))
