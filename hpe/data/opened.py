"""What every data set offers to the phases: splits of samples, and an identity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

Task = Literal["hand_pose", "hand_segmentation", "body_pose", "nothing"]
"""What a data set has annotations for, and so which phases can be trained on it."""

SPLITS = ("unlabelled", "train", "val", "test")
"""Splits that every data set has; some have more."""

Sample = TypeVar("Sample")
Sample_co = TypeVar("Sample_co", covariant=True)


class UnreadableSample(OSError):
    """A sample that was whole when the data was prepared cannot be read any more."""


@runtime_checkable
class Split(Protocol[Sample_co]):
    """A sequence of samples; opening one is cheap and independent of the others."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample_co: ...


@dataclass(frozen=True)
class OpenedData(Generic[Sample]):
    """An opened data set.

    Attributes:
        name: The data set's name in `hpe.data.catalog`.
        digest: SHA-256 that changes whenever any sample would.
        splits: Split name -> samples; every data set has all of `SPLITS`.
        card: Facts for the record: counts per split, source, licence; `protocol`, where there is
            one, says of `val` and `test` in words what scores on them are made on, and `caveat`
            what to know before reading them.
    """

    name: str
    digest: str
    splits: Mapping[str, Split[Sample]]
    card: Mapping[str, Any]
