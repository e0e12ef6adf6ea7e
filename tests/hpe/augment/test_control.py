from collections import Counter

import numpy as np
import pytest

from hpe.augment.composition import CompositionConfig, changes_nothing
from hpe.augment.control import (
    AUTO_AUGMENT,
    WIDE,
    Drawn,
    RandAugmentConfig,
    geometry_of,
    rand_augment,
    toned,
    trivial_augment,
)
from hpe.augment.tone import TONES, brightness, solarize
from hpe.geometry.affine import transform
from hpe.geometry.camera import project

ARMS = {
    "rand_augment": {"control": "rand_augment", "rand_augment": {"num_operations": 3}},
    "trivial_augment": {"control": "trivial_augment"},
}


def drawn_by(arm, count):
    rng = np.random.default_rng(0)
    return [one for _ in range(count) for one in arm(rng)]


@pytest.mark.parametrize("ranges", [AUTO_AUGMENT, WIDE])
def test_there_are_the_fourteen_published_operations(ranges):
    moves = {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}
    assert set(ranges) == {"identity"} | moves | set(TONES)
    assert len(ranges) == 14


def test_rand_augment_draws_n_operations_uniformly_at_one_strength():
    arm = rand_augment(RandAugmentConfig(num_operations=3, magnitude=5.0))
    draws = drawn_by(arm, 2000)
    assert len(draws) == 6000
    counts = Counter(one.name for one in draws)
    assert len(counts) == 14
    assert 360 < min(counts.values()) <= max(counts.values()) < 500
    amounts = {name: {d.amount for d in draws if d.name == name} for name in counts}
    assert amounts["rotate"] == {-15.0, 15.0}
    assert amounts["posterize"] == {6.0}
    assert amounts["solarize"] == {128.0}
    assert amounts["color"] == {-0.45, 0.45}


def test_trivial_augment_draws_one_operation_at_any_of_31_strengths():
    arm = trivial_augment()
    assert len(arm(np.random.default_rng(0))) == 1
    angles = [abs(d.amount) for d in drawn_by(arm, 9000) if d.name == "rotate"]
    levels = np.unique(np.round(np.array(angles) / 135 * 30, 6))
    np.testing.assert_array_equal(levels, np.arange(31))
    assert np.mean(angles) == pytest.approx(67.5, rel=0.1)


@pytest.mark.parametrize(
    ("drawn", "point", "expected"),
    [
        (Drawn("rotate", 90.0), (0.5, 0.0), (0.0, -0.5)),
        (Drawn("shear_x", 0.3), (0.1, 0.5), (0.25, 0.5)),
        (Drawn("shear_y", 0.3), (0.5, 0.1), (0.5, 0.25)),
        (Drawn("translate_x", 0.1), (0.5, 0.5), (0.7, 0.5)),
        (Drawn("translate_y", -0.1), (0.5, 0.5), (0.5, 0.3)),
    ],
)
def test_a_move_takes_points_where_its_name_says(drawn, point, expected):
    moved = transform(geometry_of([drawn]), np.array([point]))
    np.testing.assert_allclose(moved[0], expected, atol=1e-12)


def test_moves_apply_in_the_order_drawn():
    moves = [Drawn("translate_x", 0.25), Drawn("equalize", 0.0), Drawn("rotate", 90.0)]
    moved = transform(geometry_of(moves), np.zeros((1, 2)))
    np.testing.assert_allclose(moved[0], (0, -0.5), atol=1e-12)
    assert geometry_of([Drawn("identity", 0.0), Drawn("equalize", 0.0)]) is None


def test_tones_apply_in_the_order_drawn():
    image = np.full((8, 8, 3), 100, np.uint8)
    drawn = [Drawn("brightness", 0.9), Drawn("rotate", 9.0), Drawn("solarize", 128.0)]
    np.testing.assert_array_equal(toned(image, drawn), solarize(brightness(image, 0.9), 128.0))


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("seed", range(6))
def test_a_control_arms_views_have_exact_labels(make_sample, compose, arm, seed):
    sample = make_sample()
    reference = compose()(sample, np.random.default_rng(0))
    view = compose(ARMS[arm])(sample, np.random.default_rng(seed))
    moved = transform(view.affine, reference.keypoints_px / 32 - 1)
    np.testing.assert_allclose(moved, view.keypoints_px / 32 - 1, atol=1e-12)
    projected = project(sample.joints_m, view.intrinsics)
    np.testing.assert_allclose(projected, view.keypoints_px, atol=1e-9)


def test_pixels_go_where_a_shear_takes_the_keypoints(make_sample, compose):
    sample = make_sample(image=np.zeros((140, 160, 3), np.uint8))
    joint = np.linalg.norm(sample.keypoints_px - (80, 70), axis=1).argmin()
    column, row = np.floor(sample.keypoints_px[joint]).astype(int)
    sample.image[row - 3 : row + 4, column - 3 : column + 4] = 255
    composition = compose({"control": "trivial_augment"})
    moved = 0
    for seed in range(60):
        view = composition(sample, np.random.default_rng(seed))
        sheared = view.affine[0, 0] * view.affine[0, 1] + view.affine[1, 0] * view.affine[1, 1]
        if abs(sheared) < 0.1:
            continue
        weights = view.image[:, :, 0].astype(float)
        rows, columns = np.mgrid[:64, :64] + 0.5
        center = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
        np.testing.assert_allclose(center, view.keypoints_px[joint], atol=1.0)
        moved += 1
    assert moved >= 4


def test_a_control_arm_is_no_reference_crop():
    assert changes_nothing(CompositionConfig())
    assert not changes_nothing(CompositionConfig(control="trivial_augment"))


def test_rand_augments_settings_mean_nothing_elsewhere():
    settings = {"rand_augment": {"magnitude": 3.0}}
    off = CompositionConfig.model_validate(settings)
    on = CompositionConfig.model_validate(settings | {"control": "rand_augment"})
    assert off.canonical() == CompositionConfig().canonical()
    assert on.canonical().rand_augment.magnitude == 3.0


def test_rand_augment_refuses_a_magnitude_beyond_the_published_range():
    with pytest.raises(ValueError, match="less than or equal to 10"):
        RandAugmentConfig(magnitude=11.0)
