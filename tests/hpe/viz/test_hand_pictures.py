"""Skeletons land where the keypoints are; sheets hold every picture."""

import numpy as np
import pytest

from hpe.geometry.skeleton import FINGERS
from hpe.viz.hands import (
    FINGER_COLORS,
    PAPER,
    captioned,
    contact_sheet,
    draw_comparison,
    draw_skeleton,
    enlarged,
)

GREY = np.full((64, 64, 3), 90, np.uint8)


def fan() -> np.ndarray:
    """An open hand: the wrist at the bottom, five straight fingers, on a 64 px image."""
    keypoints_px = np.zeros((21, 2))
    keypoints_px[0] = 32, 58
    for angle_deg, joints in zip(np.linspace(160, 20, 5), FINGERS.values(), strict=True):
        way = np.array([np.cos(np.radians(angle_deg)), -np.sin(np.radians(angle_deg))])
        for step, joint in enumerate(joints, start=1):
            keypoints_px[joint] = keypoints_px[0] + 11 * step * way * 0.6
    return keypoints_px


def test_drawing_enlarges_and_leaves_the_input_alone():
    image = GREY.copy()
    drawn = draw_skeleton(image, fan(), side_px=256)
    assert drawn.shape == (256, 256, 3)
    assert drawn.dtype == np.uint8
    assert (image == GREY).all()


@pytest.mark.parametrize("name", FINGERS)
def test_each_fingertip_has_its_fingers_colour_at_its_place(name):
    drawn = draw_skeleton(GREY, fan(), side_px=256)
    x, y = (fan()[FINGERS[name][-1]] * 4).astype(int)
    assert drawn[y, x].tolist() == list(FINGER_COLORS[name])


def test_the_middle_of_a_dot_is_at_the_pixel_centre_convention():
    keypoints_px = np.full((21, 2), np.nan)
    keypoints_px[0] = 32.0, 32.0  # the very centre of a 64 px image
    changed = (draw_skeleton(GREY, keypoints_px, side_px=256) != 90).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.mean() + 0.5 == pytest.approx(128, abs=0.1)
    assert columns.mean() + 0.5 == pytest.approx(128, abs=0.1)


def test_joints_that_are_hidden_missing_or_far_off_are_not_drawn():
    nowhere = np.full((21, 2), np.nan)
    assert (draw_skeleton(GREY, nowhere) == 90).all()
    assert (draw_skeleton(GREY, fan(), visible=np.zeros(21, bool)) == 90).all()
    assert (draw_skeleton(GREY, np.full((21, 2), 1e12)) == 90).all()


def test_a_comparison_shows_truth_left_and_prediction_right():
    predicted = fan() + np.array([6.0, 0.0])
    pair = draw_comparison(GREY, fan(), predicted, side_px=256)
    assert pair.shape == (256, 514, 3)
    assert (pair[:, :256] == draw_skeleton(GREY, fan(), side_px=256)).all()
    x, y = (predicted[8] * 4).astype(int)
    assert pair[y, 258 + x].tolist() == list(FINGER_COLORS["index"])


def test_a_caption_adds_a_strip_of_paper_with_ink():
    plain = enlarged(GREY, side_px=200)
    with_text = captioned(plain, "root EPE 12.3 mm, a line too long for such a narrow picture")
    assert with_text.shape[0] > 200
    assert (with_text[:200] == plain).all()
    assert with_text[200:].min() < 100
    assert (with_text[200:, -3:] == PAPER[0]).all()
    assert captioned(plain, "") is plain


def test_images_that_are_not_square_keep_their_shape():
    wide = np.zeros((40, 80, 3), np.uint8)
    assert enlarged(wide, side_px=160).shape == (80, 160, 3)
    assert enlarged(np.zeros((400, 800, 3), np.uint8), side_px=160).shape == (80, 160, 3)


def test_a_sheet_holds_every_image_in_reading_order():
    images = [np.full((10, 12, 3), shade, np.uint8) for shade in (10, 20, 30, 40, 50)]
    sheet = contact_sheet(images, columns=3, gap_px=2)
    assert sheet.shape == (2 * 12 + 2, 3 * 14 + 2, 3)
    assert (sheet[2:12, 2:14] == 10).all()
    assert (sheet[2:12, 30:42] == 30).all()
    assert (sheet[14:24, 16:28] == 50).all()
    assert (sheet[14:24, 30:42] == 255).all()


def test_a_sheet_centres_smaller_images():
    sheet = contact_sheet(
        [np.zeros((10, 10, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)], columns=2, gap_px=0
    )
    assert (sheet[3:7, 13:17] == 0).all()
    assert (sheet[:3, 10:] == 255).all()


def test_a_sheet_is_nearly_square_by_default():
    sheet = contact_sheet([GREY] * 16, gap_px=0)
    assert sheet.shape == (256, 256, 3)


def test_rejects_an_empty_sheet_and_impossible_columns():
    with pytest.raises(ValueError, match="at least one image"):
        contact_sheet([])
    with pytest.raises(ValueError, match="at least one column, got 0"):
        contact_sheet([GREY], columns=0)
