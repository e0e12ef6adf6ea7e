"""Samples of two hands' masks: which square of them is looked at."""

import numpy as np

from hpe.data.hand_masks import MaskedSample, enclosing_square, size_of, square_of

MASKS = np.zeros((2, 20, 32), np.uint8)


def test_a_sample_without_picture_is_as_large_as_its_masks():
    assert size_of(MaskedSample(None, MASKS, None, "a", 0)) == (20, 32)


def test_without_a_crop_the_square_is_that_round_the_picture():
    center, half_side = square_of(MaskedSample(None, MASKS, None, "a", 0))
    assert (center.tolist(), half_side) == ([16.0, 10.0], 16.0)


def test_a_crop_says_centre_and_side():
    sample = MaskedSample(None, MASKS, None, "a", 0, crop_px=np.array([3.0, 4.0, 10.0]))
    center, half_side = square_of(sample)
    assert (center.tolist(), half_side) == ([3.0, 4.0], 5.0)


def test_the_square_round_a_box_is_its_longer_side_enlarged():
    square = enclosing_square(np.array([10.0, 20.0, 40.0, 16.0]), margin=1.25)
    np.testing.assert_allclose(square, [30.0, 28.0, 50.0])
