"""A predicted hand drawn on its photograph, and beside it in space."""

import cv2
import numpy as np

from hpe.evaluation.single_hand import PredictedHand
from hpe.viz.hands import PAPER, Image, captioned, draw_skeleton, enlarged
from hpe.viz.pose_space import draw_in_space

DRAWN_PX = 384
NOT_RECOGNISED = "NOT RECOGNISED: it would have left the first box by far; the first look is kept"
FOCAL_ASSUMED = (
    "focal     1.2 times the longer side is assumed: poses are fine, distances are not (--focal PX)"
)
CROP_COLOR = (255, 255, 255)


def drawn_hand(
    image: Image, hand: PredictedHand, *, told: str, beside: tuple[str, Image] | None = None
) -> Image:
    """Return the photograph with the hand on it, and the hand from the front and from its side.

    Args:
        image: The photograph.
        hand: What was seen in it.
        told: Where the network looked, for the caption.
        beside: One more panel, and what it shows; it may be smaller than the others.
    """
    height_px, width_px = image.shape[:2]
    scale = DRAWN_PX / max(height_px, width_px)
    canvas = _paper(DRAWN_PX)
    photograph = enlarged(image, side_px=DRAWN_PX)
    canvas[: photograph.shape[0], : photograph.shape[1]] = photograph
    corners = [
        tuple(round((c + sign * hand.crop.half_side_px) * scale) for c in hand.crop.center_px)
        for sign in (-1, 1)
    ]
    cv2.rectangle(canvas, corners[0], corners[1], CROP_COLOR, 1, cv2.LINE_AA)
    flat = draw_skeleton(canvas, hand.keypoints_px * scale, side_px=DRAWN_PX)
    panels = [flat, draw_in_space(hand.joints, side_px=DRAWN_PX)]
    unsure = ", NOT RECOGNISED: the first look" if hand.limited else ""
    words = f"{told}{unsure} | from the front | from the side"
    if beside is not None:
        shown, panel = beside
        last = _paper(panel.shape[1])
        last[: panel.shape[0]] = panel[:DRAWN_PX]
        panels.append(last)
        words = f"{words} | {shown}"
    return captioned(np.concatenate(panels, axis=1), words)


def _paper(width_px: int) -> Image:
    return np.full((DRAWN_PX, width_px, 3), PAPER, dtype=np.uint8)
