import numpy as np
import pytest

from hpe.augment.crop import hand_crop, normalized_from_source
from hpe.geometry.affine import transform


def square_of_four():
    keypoints_px = np.zeros((21, 2))
    keypoints_px[:4] = [(10, 10), (30, 10), (10, 30), (30, 30)]
    visible = np.zeros(21, bool)
    visible[:4] = True
    return keypoints_px, visible


def test_the_crop_is_a_margin_wider_than_the_visible_keypoints():
    center, half_side_px = hand_crop(*square_of_four())
    np.testing.assert_allclose(center, (20, 20))
    np.testing.assert_allclose(half_side_px, 1.25 * np.hypot(10, 10))


def test_the_crop_spans_minus_one_to_one():
    affine = normalized_from_source(np.array([20.0, 30.0]), 10.0)
    np.testing.assert_allclose(transform(affine, np.array([[10.0, 40.0]])), [[-1.0, 1.0]])


def test_refuses_a_hand_without_visible_keypoints():
    keypoints_px, _ = square_of_four()
    with pytest.raises(ValueError, match="needs visible keypoints"):
        hand_crop(keypoints_px, np.zeros(21, bool))


def test_refuses_a_hand_without_extent():
    with pytest.raises(ValueError, match=r"apart from each other.*21 within a radius of 0\.0"):
        hand_crop(np.full((21, 2), 3.0), np.ones(21, bool))
