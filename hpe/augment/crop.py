"""The reference crop of a hand: the square that every view of it starts from."""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from hpe.data.hands import HandSample
from hpe.geometry.affine import Affine, scaling

CROP_MARGIN = 1.25
"""Half side of the crop over the hand's radius (S0's `crop` operation)."""


Frame = Literal["hand", "principal_point", "picture"]
"""What the reference crop shows: the hand; or the whole picture, as large as its longer side, with
in the middle either the principal point, about which views then turn and zoom, or its own middle.
"""


def reference_square(sample: HandSample, frame: Frame) -> tuple[Float[np.ndarray, " 2"], float]:
    """Return centre and half side, in pixels, of a sample's reference crop.

    A sample of which only keypoints are known has no principal point: its picture's middle it is.

    Raises:
        ValueError: As `hand_crop` does.
    """
    if frame == "hand":
        return hand_crop(sample.keypoints_px, sample.visible)
    height_px, width_px = sample.image.shape[:2]
    intrinsics = sample.intrinsics if frame == "principal_point" and sample.has_depth else None
    return picture_square(height_px=height_px, width_px=width_px, intrinsics=intrinsics)


def picture_square(
    *, height_px: int, width_px: int, intrinsics: Float[np.ndarray, "3 3"] | None
) -> tuple[Float[np.ndarray, " 2"], float]:
    """Return centre and half side of a square as large as a picture.

    Args:
        height_px: Of the picture.
        width_px: Of the picture.
        intrinsics: Its K, whose principal point is to be the centre; None for the picture's middle.
    """
    middle = np.array([width_px / 2, height_px / 2])
    center = middle if intrinsics is None else np.array(intrinsics[:2, 2], dtype=np.float64)
    return center, max(height_px, width_px) / 2


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
