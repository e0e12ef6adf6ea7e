"""What a view records of its colours."""

import colorsys

import numpy as np
import pytest

from hpe.augment.view import UNCHANGED_COLORS

HSV = {"hsv_jitter": {"enabled": True, "channels": "rgb", "min_hue": 0.2, "min_saturation": 0.3}}


def test_records_the_change_of_colours_that_was_applied(make_sample, compose):
    sample = make_sample()
    plain = compose()(sample, np.random.default_rng(5)).image
    view = compose(HSV)(sample, np.random.default_rng(5))
    hue, saturation, value, added = view.hsv_change
    row, column = np.unravel_index(np.argmax(np.ptp(plain, axis=2)), plain.shape[:2])
    h, s, v = colorsys.rgb_to_hsv(*(plain[row, column] / 255.0))
    expected = colorsys.hsv_to_rgb(h * hue, s * saturation, v * value + added / 255)
    np.testing.assert_allclose(view.image[row, column] / 255.0, expected, atol=0.03)


def test_draws_lie_in_their_ranges(make_sample, compose):
    composition = compose(HSV)
    views = [composition(make_sample(), np.random.default_rng(seed)) for seed in range(40)]
    drawn = np.array([view.hsv_change for view in views])
    assert (drawn.min(0) >= [0.2, 0.3, 0.5, 5.0]).all()
    assert (drawn.max(0) <= [1.0, 1.0, 1.0, 20.0]).all()
    assert (np.ptp(drawn, axis=0) > [0.5, 0.4, 0.3, 10.0]).all()


@pytest.mark.parametrize("settings", [{}, {"hsv_jitter": {"enabled": True, "prob": 0.0}}])
def test_records_the_identity_where_colours_stay(make_sample, compose, settings):
    view = compose(settings)(make_sample(), np.random.default_rng(0))
    np.testing.assert_array_equal(view.hsv_change, UNCHANGED_COLORS)
