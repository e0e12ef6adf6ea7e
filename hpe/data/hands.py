"""What every hand data set offers to the phases: splits of samples, and an identity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8

SPLITS = ("unlabelled", "train", "val", "test")


class UnreadableSample(OSError):
    """A sample that was whole when the data was prepared cannot be read any more."""


@dataclass(frozen=True)
class HandSample:
    """One right hand (left hands arrive mirrored, with their intrinsics) in its source image.

    Attributes:
        image: RGB.
        joints_m: Camera coordinates, x right, y down, z forward, metres, in `SKELETON` order
            (`hpe.geometry.skeleton`: FreiHAND's).
        intrinsics: Pixel intrinsics K; pixel centres lie at integer + 0.5, so that a point at the
            image's left edge has u = 0.
        keypoints_px: Projections of the joints, (u, v).
        visible: Whether a joint is annotated; everything scored or trained on is weighted by it.
        foreground: Hand (and arm) pixels, for replacing the background; None where unknown.
        unique_id: Samples with one id are versions of one photograph and stay in one split.
    """

    image: UInt8[np.ndarray, "height width 3"]
    joints_m: Float[np.ndarray, "21 3"]
    intrinsics: Float[np.ndarray, "3 3"]
    keypoints_px: Float[np.ndarray, "21 2"]
    visible: Bool[np.ndarray, " 21"]
    foreground: Bool[np.ndarray, "height width"] | None
    unique_id: int


@runtime_checkable
class HandSplit(Protocol):
    """A sequence of samples; opening one is cheap and independent of the others."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> HandSample: ...


@dataclass(frozen=True)
class HandData:
    """An opened data set.

    Attributes:
        name: The data set's name in `hpe.data.catalog`.
        digest: SHA-256 that changes whenever any sample would.
        splits: Split name -> samples; every data set has all of `SPLITS`.
        card: Facts for the record: counts per split, source, licence.
    """

    name: str
    digest: str
    splits: Mapping[str, HandSplit]
    card: Mapping[str, Any]
