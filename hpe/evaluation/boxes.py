"""Where a hand is in a photograph: boxes, the square crops they come to, and views of those."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from hpe.augment.crop import CROP_MARGIN, hand_crop, normalized_from_source
from hpe.augment.warp import warp
from hpe.geometry.affine import Affine, compose, pixels_from_normalized, similarity
from hpe.geometry.palm import KNUCKLES, Root
from hpe.geometry.skeleton import WRIST

PSEUDO_BOX_SHARE = 0.33
"""Half side of the box that S0 puts in a photograph's middle, over half the photograph's side."""

MAX_RESIZE = 2.0
"""A crop that would be farther from the first one's size is not looked at: a network that sees too
small a hand would look closer, see a smaller one still, and end at a single pixel."""


@dataclass(frozen=True)
class Box:
    """An upright box around a hand, in pixels of its photograph (left edge at 0)."""

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        """Refuse a box without extent."""
        values = (self.x, self.y, self.width, self.height)
        if not all(map(math.isfinite, values)) or min(self.width, self.height) <= 0:
            raise ValueError(
                "a hand's box must be x, y, width and height in pixels, the last two above 0, got "
                f"{','.join(f'{value:g}' for value in values)}."
            )


@dataclass(frozen=True)
class HandCrop:
    """A square of a photograph, in its pixels."""

    center_px: tuple[float, float]
    half_side_px: float


def centered_box(*, height_px: int, width_px: int) -> Box:
    """Return the box in the middle that S0 starts from where nothing is known about the hand.

    Its half side is 0.33 of half the shorter side: 37 px for FreiHAND's 224.
    """
    side = PSEUDO_BOX_SHARE * min(height_px, width_px)
    return Box((width_px - side) / 2, (height_px - side) / 2, side, side)


def crop_of_box(box: Box) -> HandCrop:
    """Return the crop that comes nearest to `hpe.augment.crop.hand_crop` of the hand in a box.

    Networks know crops around the mean keypoint, whose size goes by the farthest one. In a box no
    keypoint is farther from the middle than a corner.
    """
    radius_px = math.hypot(box.width, box.height) / 2
    center_px = (box.x + box.width / 2, box.y + box.height / 2)
    return HandCrop(center_px, CROP_MARGIN * radius_px)


def crop_of_keypoints(keypoints_px: Float[np.ndarray, "21 2"], *, root: Root) -> HandCrop:
    """Return the reference crop of predicted keypoints.

    Args:
        keypoints_px: In the photograph; the first is the root's.
        root: Where it is not the wrist, the wrist is put on the line from knuckle to palm, as far
            away: where it is as seen without perspective.

    Raises:
        ValueError: If the keypoints lie on one spot.
    """
    points = keypoints_px
    if root != "wrist":
        points = keypoints_px.copy()
        points[WRIST] = 2 * keypoints_px[WRIST] - keypoints_px[KNUCKLES[root]]
    center_px, half_side_px = hand_crop(points, np.ones(len(points), dtype=bool))
    return HandCrop((float(center_px[0]), float(center_px[1])), half_side_px)


def is_near(crop: HandCrop, first: HandCrop) -> bool:
    """Return whether a crop has its middle inside the first one, and nearly its size."""
    reach = first.half_side_px
    pairs = zip(crop.center_px, first.center_px, strict=True)
    is_inside = all(abs(value - middle) <= reach for value, middle in pairs)
    return is_inside and reach / MAX_RESIZE <= crop.half_side_px <= reach * MAX_RESIZE


def refined(
    first: Sequence[HandCrop],
    wanted: Callable[[Sequence[HandCrop]], Sequence[HandCrop]],
    *,
    refinements: int,
) -> tuple[tuple[HandCrop, ...], tuple[bool, ...]]:
    """Crop anew around what a network sees, a few times.

    Args:
        first: Where it looks first.
        wanted: From crops to those around what the network sees in them.
        refinements: How often.

    Returns:
        The crops to look at last, and for each whether a wanted one was not near the first one
        (`is_near`): that hand was not recognised, and its crop is the first one for good.

    Raises:
        ValueError: If the number of refinements is negative.
    """
    if refinements < 0:
        raise ValueError(f"crops are refined 0 times or more, got {refinements}.")
    crops, limited = tuple(first), (False,) * len(first)
    for _ in range(refinements):
        found = wanted(crops)
        limited = tuple(
            gave_up or not is_near(crop, start)
            for gave_up, crop, start in zip(limited, found, first, strict=True)
        )
        crops = tuple(
            start if gave_up else crop
            for gave_up, crop, start in zip(limited, found, first, strict=True)
        )
    return crops, limited


def view_affine(crop: HandCrop, *, image_px: int, turn_deg: float = 0.0) -> Affine:
    """Return the map from a photograph's pixels to those of a turned view of the crop."""
    reference = normalized_from_source(np.array(crop.center_px), crop.half_side_px)
    turn = similarity(angle_deg=turn_deg, zoom=1.0, shift=np.zeros(2))
    return compose(pixels_from_normalized(image_px), compose(turn, reference))


def view_of(
    image: UInt8[np.ndarray, "height width 3"], source_to_view: Affine, *, image_px: int
) -> UInt8[np.ndarray, "image_px image_px 3"]:
    """Return the view as the training's compositions make theirs; black outside the photograph."""
    return warp(image, source_to_view=source_to_view, side_px=image_px).image
