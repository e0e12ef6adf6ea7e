"""Contact sheets of part masks: what a network says, and what augmentation makes of them."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from hpe.augment.hand_masks import MaskAugmentationConfig, build_mask_augmentation
from hpe.data.hand_masks import HANDS, NUM_CLASSES, NUM_PARTS, MaskedSample, SegmentationData
from hpe.viz.hands import captioned, contact_sheet, enlarged
from hpe.viz.sheet import Sheet

PANEL_PX = 128
NUM_VIEWS = 5
NUM_SAMPLES = 4
SEED = 20
OPACITY = 0.65

RIGHT, MISSED, INVENTED, CONFUSED = (235, 235, 235), (230, 70, 60), (60, 120, 230), (240, 180, 40)
_BACKGROUND = (24, 24, 28)
PIXELS = ("all", "not hidden", "hidden")
"""Rows of `part_iou`."""


def _part_colors() -> UInt8[np.ndarray, "17 3"]:
    """Return a colour per class: hues spread evenly, neighbours of unlike brightness."""
    parts = np.arange(NUM_PARTS)
    hsv = np.stack(
        [parts * 180 // NUM_PARTS, np.full(NUM_PARTS, 190), np.where(parts % 2, 170, 245)], axis=-1
    )
    rgb = cv2.cvtColor(hsv.astype(np.uint8)[None], cv2.COLOR_HSV2RGB)[0]
    return np.concatenate([np.array([_BACKGROUND], dtype=np.uint8), rgb])


PART_COLORS = _part_colors()


def draw_masks(predictions: Mapping[str, Tensor]) -> Sheet:
    """Draw image, truth, prediction and error of each hand, with the IoU of each part.

    Args:
        predictions: What `hpe.phases.mask_evaluation.MaskFigureSet.predictions` returns, and
            `part_iou` of `MaskScores`.
    """
    arrays = {name: tensor.numpy() for name, tensor in predictions.items()}
    panels = []
    for number, image in enumerate(arrays["image"]):
        for hand, name in enumerate(HANDS):
            true, predicted = arrays["masks"][number, hand], arrays["predicted"][number, hand]
            wrong = float((true != predicted).mean())
            panels += [
                _panel(image, f"{number}, {name} hand"),
                _panel(overlaid(image, true), "truth"),
                _panel(overlaid(image, predicted), "prediction"),
                _panel(error_map(true, predicted), f"{100 * wrong:.1f} % of pixels wrong"),
            ]
    iou = arrays["part_iou"]
    rows = [
        (part + 1, *(float(row[part]) if np.isfinite(row[part]) else "never" for row in iou))
        for part in range(NUM_PARTS)
    ]
    return Sheet(
        image=contact_sheet(panels, columns=8),
        caption="Validation images, left and right hand: image, true and predicted parts, and "
        "where they differ (white: the right part, red: missed, blue: none there, amber: another "
        "part). Masks are amodal: what hides a hand is looked through. Below, the IoU of each part "
        "over the validation split and both hands. The samples are not chosen by their error.",
        columns=("part", *(f"iou, {pixels}" for pixels in PIXELS[: len(iou)])),
        rows=rows,
    )


def masked_views(config: Any, data: SegmentationData) -> Sheet:
    """Draw views of a few images with masks as training sees them."""
    return _views(config, data, split="train")


def unmasked_views(config: Any, data: SegmentationData) -> Sheet:
    """Draw views of a few images without masks as training sees them."""
    return _views(config, data, split="unlabelled")


def overlaid(
    image: UInt8[np.ndarray, "height width 3"], mask: UInt8[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Return the image with its parts tinted."""
    colors = PART_COLORS[np.minimum(mask, NUM_CLASSES - 1)]
    tinted = (1 - OPACITY) * image + OPACITY * colors
    return np.where(mask[..., None] > 0, tinted.astype(np.uint8), image)


def error_map(
    true: UInt8[np.ndarray, "height width"], predicted: UInt8[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a picture of right parts, missed ones, invented ones, and ones taken for another."""
    errors = np.empty((*true.shape, 3), dtype=np.uint8)
    errors[:] = _BACKGROUND
    errors[(true > 0) & (predicted == true)] = RIGHT
    errors[(true > 0) & (predicted == 0)] = MISSED
    errors[(true == 0) & (predicted > 0)] = INVENTED
    errors[(true > 0) & (predicted > 0) & (predicted != true)] = CONFUSED
    return errors


def _panel(
    image: UInt8[np.ndarray, "height width 3"], caption: str
) -> UInt8[np.ndarray, "rows columns 3"]:
    return captioned(enlarged(image, side_px=PANEL_PX), caption)


def _views(config: Any, data: SegmentationData, *, split: str) -> Sheet:
    samples = data.splits[split]
    whole = build_mask_augmentation(MaskAugmentationConfig(), config.image_px)
    augmented = build_mask_augmentation(config.augment, config.image_px)
    step = max(1, len(samples) // NUM_SAMPLES)
    panels, rows = [], []
    for index in range(0, min(len(samples), step * NUM_SAMPLES), step):
        sample = samples[index]
        panels.append(_panel(_drawn(whole(sample, np.random.default_rng(0))), ""))
        for number in range(NUM_VIEWS):
            view = augmented(sample, np.random.default_rng([SEED, index, number]))
            panels.append(_panel(_drawn(view), ""))
            rows.append((index, number, _share(view)))
    return Sheet(
        image=contact_sheet(panels, columns=NUM_VIEWS + 1),
        caption=f"The image as it is, then {NUM_VIEWS} views as the network sees them, at "
        f"{config.image_px} px, with the parts of both hands where they are known.",
        columns=("sample", "view", "share of hand pixels"),
        rows=rows,
    )


def _drawn(view: MaskedSample) -> UInt8[np.ndarray, "height width 3"]:
    assert view.image is not None
    if view.masks is None:
        return view.image
    left, right = view.masks
    return overlaid(overlaid(view.image, left), right)


def _share(view: MaskedSample) -> float | str:
    return "unknown" if view.masks is None else float((view.masks > 0).any(axis=0).mean())
