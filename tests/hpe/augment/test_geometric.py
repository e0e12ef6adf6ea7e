import numpy as np
import pytest

from hpe.augment.geometric import (
    FlipConfig,
    Pose,
    PoseSampler,
    RotateConfig,
    TranslateConfig,
    ZoomConfig,
)
from hpe.geometry.affine import compose, similarity


def draw_poses(*, rotate=None, zoom=None, translate=None, flip=None, count=2000):
    sampler = PoseSampler(
        rotate=rotate or RotateConfig(),
        zoom=zoom or ZoomConfig(),
        translate=translate or TranslateConfig(),
        flip=flip or FlipConfig(),
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


@pytest.mark.parametrize(("one_sided", "share"), [(False, 20 / 224), (True, -20 / 224)])
def test_a_fixed_translation_is_the_same_every_time(one_sided, share):
    config = TranslateConfig(enabled=True, max_share=20 / 224, one_sided=one_sided, fixed=True)
    shifts = np.array([pose.shift for pose in draw_poses(translate=config, count=5)])
    np.testing.assert_allclose(shifts, 2 * share)


def test_flips_mirror_before_the_view_is_turned():
    turned = RotateConfig(enabled=True, max_deg=180.0)
    flip = FlipConfig(enabled=True, horizontal_prob=1.0)
    plain, flipped = (
        draw_poses(rotate=turned, flip=setting, count=1)[0] for setting in (None, flip)
    )
    assert flipped.angle_deg == plain.angle_deg
    np.testing.assert_allclose(flipped.affine(), plain.affine() * [[-1, 1, 1], [-1, 1, 1]])


def test_each_flip_has_its_probability():
    flip = FlipConfig(enabled=True, horizontal_prob=0.3, vertical_prob=0.6)
    signs = np.array([np.diag(pose.affine()[:, :2]) for pose in draw_poses(flip=flip)])
    np.testing.assert_allclose((signs < 0).mean(axis=0), (0.3, 0.6), atol=0.035)


def test_a_pose_after_another_similarity_is_the_two_in_a_row():
    first = Pose(angle_deg=20.0, zoom=1.2, shift=np.array([0.1, -0.3]))
    second = similarity(angle_deg=40.0, zoom=0.5, shift=np.array([0.2, 0.0]))
    both = first.then(second)
    assert both.angle_deg == pytest.approx(60)
    assert both.zoom == pytest.approx(0.6)
    np.testing.assert_allclose(both.affine(), compose(second, first.affine()), atol=1e-12)


@pytest.mark.parametrize("before", [None, np.diag([-1.0, 1.0])], ids=["unflipped", "flipped"])
def test_a_pose_after_a_shear_keeps_the_whole_map(before):
    first = Pose(angle_deg=20.0, zoom=1.2, shift=np.array([0.1, -0.3]), before=before)
    shear = np.array([[1.0, 0.9, 0.0], [0.0, 1.0, 0.0]])
    sheared = first.then(shear)
    np.testing.assert_allclose(sheared.affine(), compose(shear, first.affine()), atol=1e-12)
    np.testing.assert_allclose(sheared.shift, sheared.affine()[:, 2])
    # The nearest similarity to [[1, s], [0, 1]] is 1 + s^2 / 4 under the root, turned by atan(s/2).
    assert sheared.zoom == pytest.approx(1.2 * np.hypot(1.0, 0.45))
    assert sheared.angle_deg == pytest.approx(20 + np.rad2deg(np.arctan(0.45)))
