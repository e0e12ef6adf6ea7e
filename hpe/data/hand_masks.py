"""Amodal part masks of two hands in one image, as data sets give them to the phases."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from hpe.data.opened import OpenedData, Split

HANDS = ("left", "right")
"""The hands of `MaskedSample.masks`, in its order."""

NUM_PARTS = 16
NUM_CLASSES = NUM_PARTS + 1
"""The parts of one hand, and the background as class 0."""

UNPAIRED_MASKS = "unpaired_masks"
"""The split, beside those of `SPLITS`, of masks whose image is not known; the split `unlabelled`
is of images whose masks are not known."""


@dataclass(frozen=True)
class MaskedSample:
    """An image of two hands, their masks, or both.

    Attributes:
        image: RGB; None in the split of unpaired masks.
        masks: Class ids of left and right hand, 0 is background. Amodal: each hand is whole, what
            hides it is looked through. None in the split of unpaired images.
        visible: The pixels of each hand's mask that nothing hides; None where that is not known.
        key: Path-like identity, without suffix, under which a prediction is submitted.
        unique_id: Another number for each sample of a data set.
        crop_px: The square of the picture to look at: u and v of its centre and its side, in
            pixels, the picture's left edge at 0. None is the square round the whole picture.
    """

    image: UInt8[np.ndarray, "height width 3"] | None
    masks: UInt8[np.ndarray, "2 height width"] | None
    visible: Bool[np.ndarray, "2 height width"] | None
    key: str
    unique_id: int
    crop_px: Float[np.ndarray, " 3"] | None = None


MaskedSplit = Split[MaskedSample]
SegmentationData = OpenedData[MaskedSample]


def size_of(sample: MaskedSample) -> tuple[int, int]:
    """Return height and width of a sample's picture, or of its masks where it has none."""
    if sample.image is not None:
        height, width = sample.image.shape[:2]
    else:
        assert sample.masks is not None, sample.key
        height, width = sample.masks.shape[1:]
    return height, width


def square_of(sample: MaskedSample) -> tuple[Float[np.ndarray, " 2"], float]:
    """Return centre and half side, in pixels, of the square of a sample to look at."""
    if sample.crop_px is not None:
        return sample.crop_px[:2], float(sample.crop_px[2]) / 2.0
    height, width = size_of(sample)
    return np.array([width / 2.0, height / 2.0]), max(height, width) / 2.0


def enclosing_square(box_px: Float[np.ndarray, " 4"], *, margin: float) -> Float[np.ndarray, " 3"]:
    """Return the square round a box, as centre u, v and side.

    Args:
        box_px: Left, top, width and height.
        margin: The square's side over the box's longer one.
    """
    left, top, width, height = box_px.tolist()
    return np.array([left + width / 2.0, top + height / 2.0, margin * max(width, height)])
