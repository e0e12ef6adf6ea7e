"""One hand as two networks see it, beside the truth."""

import numpy as np
from jaxtyping import Float

from hpe.data.hands import HandSample
from hpe.evaluation.boxes import view_affine, view_of
from hpe.evaluation.scored_hands import Looking, first_crop
from hpe.geometry.affine import transform
from hpe.viz.hands import PAPER, Image, draw_comparison

CROP_PX = 224
GAP_PX = 2


def draw_two_predictions(
    sample: HandSample,
    first_px: Float[np.ndarray, "21 2"],
    second_px: Float[np.ndarray, "21 2"],
    *,
    side_px: int = CROP_PX,
) -> Image:
    """Return three panels of the hand's crop: the truth, then both predictions over its trace.

    Args:
        sample: The hand.
        first_px: One prediction, in pixels of the photograph.
        second_px: The other.
        side_px: Side of a panel.
    """
    affine = view_affine(first_crop(sample, Looking()), image_px=side_px)
    view = view_of(sample.image, affine, image_px=side_px)
    true_px = transform(affine, sample.keypoints_px)
    both = [
        draw_comparison(
            view, true_px, transform(affine, points), visible=sample.visible, side_px=side_px
        )
        for points in (first_px, second_px)
    ]
    gap = np.full((side_px, GAP_PX, 3), PAPER, dtype=np.uint8)
    return np.concatenate([both[0], gap, both[1][:, -side_px:]], axis=1)
