"""Hands of which only keypoints are annotated, as rows of an index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from hpe.data.folder import as_names
from hpe.data.hands import HandSample, flat_sample, mirrored
from hpe.data.index import Arrays, Index
from hpe.data.pictures import read_rgb
from hpe.geometry.skeleton import NUM_JOINTS


@dataclass(frozen=True)
class FlatHand:
    """A hand in a picture.

    Attributes:
        picture: The picture's path below the data set's folder.
        keypoints_px: In the picture, in `SKELETON` order.
        visible: Which of them are annotated.
        is_left: Whether it is a left hand, which its sample mirrors.
    """

    picture: str
    keypoints_px: Float[np.ndarray, "21 2"]
    visible: Bool[np.ndarray, " 21"]
    is_left: bool

    @property
    def extent_px(self) -> float:
        """Return the longer side of the tight box around what is annotated; 0 for nothing."""
        known = self.keypoints_px[self.visible]
        return float(np.ptp(known, axis=0).max()) if len(known) else 0.0


def flat_arrays(
    hands: Sequence[FlatHand],
    *,
    photograph_of: Callable[[str], str] = lambda picture: picture,
    min_extent_px: float = 0.0,
) -> Arrays:
    """Return a row per hand: `picture`, `unique_id`, `keypoints_px`, `visible` and `is_left`.

    Hands without extent cannot be cropped: they have no row, and `num_left_out` counts them.

    Args:
        hands: The hands.
        photograph_of: Given a picture, the photograph that it is a version of.
        min_extent_px: Smaller hands are left out too.
    """
    extents_px = [hand.extent_px for hand in hands]
    kept = [h for h, px in zip(hands, extents_px, strict=True) if px > 0 and px >= min_extent_px]
    photographs = [photograph_of(hand.picture) for hand in kept]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(photographs))}
    return {
        "picture": as_names([hand.picture for hand in kept]),
        "unique_id": np.array([numbers[name] for name in photographs], dtype=np.int64),
        "keypoints_px": np.array([hand.keypoints_px for hand in kept]).reshape(-1, NUM_JOINTS, 2),
        "visible": np.array([hand.visible for hand in kept], dtype=bool).reshape(-1, NUM_JOINTS),
        "is_left": np.array([hand.is_left for hand in kept], dtype=bool),
        "num_left_out": np.array(len(hands) - len(kept)),
    }


def read_flat_hand(index: Index, row: int) -> HandSample:
    """Read one sample of an index, mirrored if it shows a left hand."""
    sample = flat_sample(
        read_rgb(index.picture_path(row)),
        index.arrays["keypoints_px"][row],
        visible=np.array(index.arrays["visible"][row]),
        unique_id=int(index.arrays["unique_id"][row]),
    )
    return mirrored(sample) if index.arrays["is_left"][row] else sample
