"""A predicted hand in space, drawn as seen by the camera and from its side."""

import numpy as np
from jaxtyping import Float

from hpe.viz.hands import PANEL_PX, PAPER, Image, draw_skeleton

MARGIN = 1.15


def draw_in_space(hand: Float[np.ndarray, "21 3"], *, side_px: int = PANEL_PX) -> Image:
    """Return two panels: the hand from the front (x, y), and from its right (depth, y).

    Args:
        hand: Joints in any unit, camera axes (x right, y down, z forward). Both panels have one
            scale, so that lengths can be compared.
        side_px: Side of each panel.
    """
    centred = hand - (hand.max(axis=0) + hand.min(axis=0)) / 2
    reach = MARGIN * max(float(np.abs(centred).max()), np.finfo(np.float64).tiny)
    paper = np.full((side_px, side_px, 3), PAPER, dtype=np.uint8)
    panels = [
        draw_skeleton(paper, (centred[:, axes] / reach + 1) * (side_px / 2), side_px=side_px)
        for axes in ([0, 1], [2, 1])
    ]
    gap = np.full((side_px, 2, 3), (220, 220, 224), dtype=np.uint8)
    drawn: Image = np.concatenate([panels[0], gap, panels[1]], axis=1)
    return drawn
