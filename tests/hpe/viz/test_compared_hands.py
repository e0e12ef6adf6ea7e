"""One hand as two networks see it: three panels, each with what it should show."""

import numpy as np

from hpe.viz.compared_hands import CROP_PX, GAP_PX, draw_two_predictions
from tests.hpe.viz.test_view_pairs_pictures import sample


def test_truth_first_and_second_prediction_stand_side_by_side():
    hand = sample()
    right, wrong = hand.keypoints_px, hand.keypoints_px + 10
    drawn = draw_two_predictions(hand, right, wrong)
    assert drawn.shape == (CROP_PX, 3 * CROP_PX + 2 * GAP_PX, 3)
    panels = [drawn[:, start : start + CROP_PX] for start in range(0, drawn.shape[1], CROP_PX + 2)]
    swapped = draw_two_predictions(hand, wrong, right)
    np.testing.assert_array_equal(panels[0], swapped[:, :CROP_PX])
    np.testing.assert_array_equal(panels[1], swapped[:, -CROP_PX:])
    assert (panels[1] != panels[2]).any()
