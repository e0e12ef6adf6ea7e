"""The reference crop of a hand: the square that every view of it starts from."""

import numpy as np
from jaxtyping import Bool, Float

from hpe.geometry.affine import Affine, scaling

CROP_MARGIN = 1.25
"""Half side of the crop over the hand's radius (S0's `crop` operation)."""


def hand_crop(
    keypoints_px: Float[np.ndarray, "21 2"], visible: Bool[np.ndarray, " 21"]
) -> tuple[Float[np.ndarray, " 2"], float]:
    """Return centre and half side, in pixels, of a hand's reference crop.

    It is centred on the mean of the visible keypoints, and its half side is `CROP_MARGIN` times
    their largest distance from there.

    Raises:
        ValueError: If no two visible keypoints are apart, so that the hand has no extent.
    """
    points = keypoints_px[visible]
    if len(points) == 0:
        raise ValueError("a hand needs visible keypoints to be cropped, got none.")
    center = points.mean(axis=0)
    radius = float(np.sqrt(np.square(points - center).sum(axis=1).max()))
    if radius <= 0 or not np.isfinite(radius):
        raise ValueError(
            f"a hand needs at least two visible keypoints apart from each other to be cropped, "
            f"got {len(points)} within a radius of {radius} px."
        )
    return center, CROP_MARGIN * radius


def normalized_from_source(center_px: Float[np.ndarray, " 2"], half_side_px: float) -> Affine:
    """Return the map from source pixels to the crop's normalised coordinates."""
    return scaling(1.0 / half_side_px, -center_px / half_side_px)
