"""Pictures of bodies: what is drawn where, and the numbers beside it."""

import numpy as np
import torch

from hpe.phases.body_config import BodyPoseConfig
from hpe.viz.body_sheets import body_views, draw_body, draw_predicted_bodies
from hpe.viz.stick_figures import LEFT, RIGHT, TRUTH
from tests.hpe.phases.body_fakes import fake_bodies

RIGHT_SHIN, LEFT_SHIN = (2, 3), (5, 6)


def colors_along(canvas, points, bone):
    start, end = points[list(bone)]
    middle = np.rint((start + end) / 2 - 0.5).astype(int)
    return tuple(canvas[middle[1], middle[0]].tolist())


def test_right_limbs_are_red_and_left_ones_blue_where_the_joints_are():
    keypoints_px = np.full((17, 2), 5.0)
    keypoints_px[[2, 3]] = [[30, 100], [30, 160]]
    keypoints_px[[5, 6]] = [[70, 100], [70, 160]]
    canvas = draw_body(np.zeros((200, 100, 3), np.uint8), keypoints_px, height_px=400)
    assert canvas.shape == (400, 200, 3)
    assert colors_along(canvas, 2 * keypoints_px, RIGHT_SHIN) == RIGHT
    assert colors_along(canvas, 2 * keypoints_px, LEFT_SHIN) == LEFT


def test_the_truth_lies_below_and_only_where_it_is_known():
    keypoints_px, elsewhere = np.full((17, 2), 5.0), np.full((17, 2), 5.0)
    keypoints_px[[2, 3, 5, 6]] = [[30, 50], [30, 90], [70, 50], [70, 90]]
    visible = np.ones(17, dtype=bool)
    visible[5] = False
    blank = np.zeros((100, 100, 3), np.uint8)
    canvas = draw_body(blank, elsewhere, visible=visible, under_px=keypoints_px, height_px=100)
    assert colors_along(canvas, keypoints_px, RIGHT_SHIN) == TRUTH
    assert colors_along(canvas, keypoints_px, LEFT_SHIN) == (0, 0, 0)


def test_a_sheet_of_predictions_says_their_errors():
    generator = torch.Generator().manual_seed(0)
    joints_mm = 300 * torch.randn(3, 17, 3, generator=generator, dtype=torch.float64)
    keypoints_px = 100 * torch.rand(3, 17, 2, generator=generator, dtype=torch.float64)
    predictions = {
        "images": torch.zeros(3, 128, 96, 3, dtype=torch.uint8),
        "keypoints_px": keypoints_px,
        "predicted_px": keypoints_px + torch.tensor([3.0, 4.0]),
        "joints_mm": joints_mm,
        "predicted_mm": joints_mm + torch.tensor([0.0, 0.0, 17.0]),
        "visible": torch.ones(3, 17, dtype=torch.bool),
        "has_depth": torch.tensor([True, False, True]),
    }
    sheet = draw_predicted_bodies(predictions)
    assert sheet.rows == [(0, 17.0, 5.0), (1, "", 5.0), (2, 17.0, 5.0)]
    assert sheet.image.std() > 10


def test_views_are_drawn_with_their_numbers():
    config = BodyPoseConfig.model_validate(
        {"width_px": 64, "height_px": 96, "augment": {"flip": {"enabled": True, "prob": 1.0}}}
    )
    sheet = body_views(config, fake_bodies(train=8))
    assert len(sheet.rows) == 4 * 5
    assert {row[3] for row in sheet.rows} == {1}
