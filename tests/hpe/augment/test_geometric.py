import numpy as np
import pytest

from hpe.augment.geometric import PoseSampler, RotateConfig, TranslateConfig, ZoomConfig


def draw_poses(*, rotate=None, zoom=None, translate=None, count=2000):
    sampler = PoseSampler(
        rotate=rotate or RotateConfig(),
        zoom=zoom or ZoomConfig(),
        translate=translate or TranslateConfig(),
    )
    rng = np.random.default_rng(0)
    return [sampler(rng) for _ in range(count)]


def test_nothing_enabled_means_the_identity():
    (pose,) = draw_poses(count=1)
    np.testing.assert_array_equal(pose.affine(), [[1, 0, 0], [0, 1, 0]])


def test_angles_fill_the_range_on_both_sides():
    angles = [pose.angle_deg for pose in draw_poses(rotate=RotateConfig(enabled=True, max_deg=30))]
    assert -30 <= min(angles) < -29
    assert 29 < max(angles) <= 30
    assert np.mean(angles) == pytest.approx(0, abs=1.2)


def test_the_zooms_field_of_view_is_uniform_between_its_bounds():
    config = ZoomConfig(enabled=True, max_factor=1.25 / 0.9, min_factor=1.25 / 1.5)
    margins = [1.25 / pose.zoom for pose in draw_poses(zoom=config)]
    assert 0.9 <= min(margins) < 0.91
    assert 1.49 < max(margins) <= 1.5
    assert np.mean(margins) == pytest.approx(1.2, abs=0.015)


def test_one_factor_bounds_a_zoom_both_ways():
    zooms = [pose.zoom for pose in draw_poses(zoom=ZoomConfig(enabled=True, max_factor=2.0))]
    assert 0.5 <= min(zooms) < 0.505
    assert 1.95 < max(zooms) <= 2.0


@pytest.mark.parametrize(("one_sided", "least", "most"), [(False, -0.2, 0.2), (True, -0.2, 0.0)])
def test_shifts_are_shares_of_the_views_side(one_sided, least, most):
    config = TranslateConfig(enabled=True, max_share=0.1, one_sided=one_sided)
    shifts = np.array([pose.shift for pose in draw_poses(translate=config)])
    np.testing.assert_allclose(shifts.min(axis=0), least, atol=0.003)
    np.testing.assert_allclose(shifts.max(axis=0), most, atol=0.003)
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.08
