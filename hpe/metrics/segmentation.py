"""Intersection over union of part masks, in S3's definition and pooled, and by visibility.

Masks hold class ids; class 0, the background, counts for nothing. All scores come from pixel counts
per image, hand and class, so that they can be counted where the masks are and averaged elsewhere.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from hpe.data.hand_masks import NUM_CLASSES

LEAST_TRUE_PIXELS = 20
"""Parts with fewer pixels in an image are not scored there: S3's evaluation code."""


@dataclass(frozen=True)
class MaskCounts:
    """Pixels of each class in each hand's mask of each image.

    Attributes:
        both: Predicted and true.
        predicted: Predicted, whether true or not.
        true: True, whether predicted or not.
    """

    both: Int64[Tensor, "images 2 17"]
    predicted: Int64[Tensor, "images 2 17"]
    true: Int64[Tensor, "images 2 17"]

    @property
    def union(self) -> Int64[Tensor, "images 2 17"]:
        """Predicted, true or both."""
        return self.predicted + self.true - self.both


def count_masks(
    predicted: UInt8[Tensor, "images 2 height width"],
    true: UInt8[Tensor, "images 2 height width"],
    *,
    where: Bool[Tensor, "images 2 height width"] | None = None,
) -> MaskCounts:
    """Count the pixels of each class.

    Args:
        predicted: Class ids of left and right hand.
        true: Likewise.
        where: The pixels that count; all by default.
    """
    where = torch.ones_like(true, dtype=torch.bool) if where is None else where
    right = predicted == true
    return MaskCounts(
        both=_histograms(true, where & right),
        predicted=_histograms(predicted, where),
        true=_histograms(true, where),
    )


def hidden_pixels(
    true: UInt8[Tensor, "images 2 height width"],
    visible: Bool[Tensor, "images 2 height width"],
) -> Bool[Tensor, "images 2 height width"]:
    """Return the pixels of each hand that something hides."""
    return (true > 0) & ~visible


def miou(counts: MaskCounts) -> Float[Tensor, ""]:
    """Mean IoU in S3's definition; NaN if nothing can be scored.

    Per image and hand, the mean over the parts of which the truth has at least
    `LEAST_TRUE_PIXELS`; of these, the mean over all images and hands that have such a part.
    """
    scored = counts.true[..., 1:] >= LEAST_TRUE_PIXELS
    iou = counts.both[..., 1:].double() / counts.union[..., 1:].clamp(min=1)
    of_hand = torch.where(scored, iou, torch.nan).nanmean(dim=-1)
    return of_hand.nanmean()


def miou_fg_pooled(counts: MaskCounts) -> Float[Tensor, ""]:
    """Mean over parts of the IoU over all images and both hands; NaN if there is no part at all.

    A part that is neither in the truth nor predicted is left out.
    """
    return part_iou(counts).nanmean()


def part_iou(counts: MaskCounts) -> Float[Tensor, " 16"]:
    """Return the IoU of each part over all images and both hands; NaN where it never occurs."""
    return iou_of_pixels(part_pixels(counts))


def part_pixels(counts: MaskCounts) -> Int64[Tensor, "2 16"]:
    """Return the pixels of each part over all images and both hands: its overlap and its union."""
    return torch.stack([counts.both, counts.union])[..., 1:].sum(dim=(1, 2))


def iou_of_pixels(pixels: Int64[Tensor, "*rows 2 16"]) -> Float[Tensor, "*rows 16"]:
    """Return the IoU of each part from `part_pixels`; NaN where it never occurs."""
    both, union = pixels.double().unbind(dim=-2)
    return torch.where(union > 0, both / union.clamp(min=1), torch.nan)


def _histograms(
    classes: UInt8[Tensor, "images 2 height width"],
    where: Bool[Tensor, "images 2 height width"],
) -> Int64[Tensor, "images 2 17"]:
    """Count the pixels of each class among some pixels; ids past the last class are in no count."""
    images, hands = classes.shape[:2]
    first = torch.arange(images * hands, device=classes.device)[:, None] * NUM_CLASSES
    counted = where.flatten(2).flatten(0, 1) & (classes.flatten(2).flatten(0, 1) < NUM_CLASSES)
    bins = (classes.flatten(2).flatten(0, 1).long() + first)[counted]
    counts = torch.bincount(bins, minlength=images * hands * NUM_CLASSES)
    return counts.reshape(images, hands, NUM_CLASSES)
