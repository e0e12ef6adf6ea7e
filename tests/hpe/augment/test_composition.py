import dataclasses
import pickle

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hpe.augment.backgrounds import Backgrounds
from hpe.augment.composition import CompositionConfig, build_composition
from hpe.augment.crop import hand_crop
from hpe.geometry.affine import transform
from hpe.geometry.camera import project

GEOMETRY = {
    "flip": {"enabled": True, "horizontal_prob": 0.5, "vertical_prob": 0.5},
    "rotate": {"enabled": True, "max_deg": 180.0},
    "zoom": {"enabled": True, "max_factor": 1.6},
    "translate": {"enabled": True, "max_share": 0.1},
}
APPEARANCE = (
    "sobel",
    "cut_out",
    "blur",
    "color_jitter",
    "hsv_jitter",
    "channel_gain",
    "noise",
    "color_drop",
)


def only(operation, **settings):
    return {operation: {"enabled": True, "prob": 1.0, **settings}}


def dot_at(center_px, *, height, width, sigma_px):
    rows, columns = np.mgrid[:height, :width] + 0.5
    distance = np.square(columns - center_px[0]) + np.square(rows - center_px[1])
    grey = np.rint(255 * np.exp(-distance / (2 * sigma_px**2))).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def centroid_px(image):
    weights = image[:, :, 0].astype(float)
    rows, columns = np.mgrid[: len(image), : len(image)] + 0.5
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


@pytest.mark.parametrize(
    ("height", "width", "focal_px", "image_px"),
    [(140, 160, 260.0, 64), (420, 500, 900.0, 48), (90, 80, 130.0, 128)],
    ids=["shrinking", "shrinking much", "enlarging"],
)
@pytest.mark.parametrize("seed", range(4))
def test_keypoints_land_where_the_pixels_go(
    make_sample, compose, height, width, focal_px, image_px, seed
):
    sample = make_sample(height=height, width=width, focal_px=focal_px, seed=seed)
    composition = compose(GEOMETRY, image_px=image_px)
    _, half_side_px = hand_crop(sample.keypoints_px, sample.visible)
    sigma_px = 1.5 * max(1.0, 2 * half_side_px / image_px)
    reach_px = 4 * sigma_px * image_px / (2 * half_side_px) * 1.6
    compared = 0
    for joint in range(21):
        image = dot_at(sample.keypoints_px[joint], height=height, width=width, sigma_px=sigma_px)
        view = composition(dataclasses.replace(sample, image=image), np.random.default_rng(seed))
        expected = view.keypoints_px[joint]
        if ((expected > reach_px) & (expected < image_px - reach_px)).all():
            compared += 1
            np.testing.assert_allclose(centroid_px(view.image), expected, atol=0.1)
    assert compared >= 3


@pytest.mark.parametrize("seed", range(3))
def test_the_views_intrinsics_project_the_unturned_joints(make_sample, compose, seed):
    sample = make_sample(seed=seed)
    view = compose(GEOMETRY)(sample, np.random.default_rng(seed))
    projected = project(sample.joints_m, view.intrinsics)
    np.testing.assert_allclose(projected, view.keypoints_px, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_affine_takes_reference_keypoints_to_the_views_exactly(make_sample, compose, seed):
    sample = make_sample(seed=seed)
    reference = compose()(sample, np.random.default_rng(0))
    view = compose(GEOMETRY)(sample, np.random.default_rng(seed))
    moved = transform(view.affine, reference.keypoints_px / 32 - 1)
    np.testing.assert_allclose(moved, view.keypoints_px / 32 - 1, atol=1e-12)


def test_the_affine_is_made_of_the_recorded_zoom_angle_and_shift(make_sample, compose):
    unflipped = {name: value for name, value in GEOMETRY.items() if name != "flip"}
    view = compose(unflipped)(make_sample(), np.random.default_rng(5))
    turn = Rotation.from_euler("z", -view.angle_deg, degrees=True).as_matrix()[:2, :2]
    np.testing.assert_allclose(view.affine[:, :2], view.zoom * turn)
    np.testing.assert_allclose(view.affine[:, 2], view.shift)


def test_no_operation_gives_the_reference_crop(make_sample, compose):
    sample = make_sample()
    view = compose()(sample, np.random.default_rng(0))
    center, half_side_px = hand_crop(sample.keypoints_px, sample.visible)
    np.testing.assert_allclose(view.affine, [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(
        view.keypoints_px, (sample.keypoints_px - center) / half_side_px * 32 + 32
    )
    distances = np.linalg.norm(view.keypoints_px - view.keypoints_px.mean(axis=0), axis=1)
    np.testing.assert_allclose(view.keypoints_px.mean(axis=0), (32, 32))
    np.testing.assert_allclose(distances.max(), 32 / 1.25)


def test_the_same_generator_state_gives_the_same_view(make_sample, compose):
    settings = GEOMETRY
    for operation in APPEARANCE:
        settings = settings | only(operation)
    sample, composition = make_sample(), compose(settings)
    first, again, other = (composition(sample, np.random.default_rng([1, k])) for k in (2, 2, 3))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.affine, again.affine)
    assert (first.image != other.image).any()


def test_a_composition_works_the_same_in_another_process(make_sample, compose):
    bank = Backgrounds(np.random.default_rng(0).integers(0, 256, (2, 70, 70, 3), dtype=np.uint8))
    settings = GEOMETRY | only("color_jitter") | only("replace_background")
    sample = make_sample(foreground=np.ones((140, 160), bool))
    composition = compose(settings, backgrounds=bank)
    sent = pickle.loads(pickle.dumps(composition))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(
        sent(sample, np.random.default_rng(1)).image,
        composition(sample, np.random.default_rng(1)).image,
    )


def test_colours_do_not_change_where_a_view_lies(make_sample, compose):
    plain = compose(GEOMETRY)(make_sample(), np.random.default_rng(4))
    colourful = compose(GEOMETRY | only("hsv_jitter"))(make_sample(), np.random.default_rng(4))
    np.testing.assert_array_equal(plain.affine, colourful.affine)


def test_switching_off_one_geometric_operation_leaves_the_others_as_they_were(make_sample, compose):
    every = compose(GEOMETRY)(make_sample(), np.random.default_rng(4))
    settings = {name: value for name, value in GEOMETRY.items() if name != "zoom"}
    unzoomed = compose(settings)(make_sample(), np.random.default_rng(4))
    assert unzoomed.zoom == 1.0 != every.zoom
    assert unzoomed.angle_deg == every.angle_deg
    np.testing.assert_array_equal(unzoomed.shift, every.shift)


@pytest.mark.parametrize("operation", APPEARANCE)
def test_each_operation_changes_pixels_and_no_geometry(make_sample, compose, operation):
    sample = make_sample()
    plain = compose()(sample, np.random.default_rng(1))
    changed = compose(only(operation))(sample, np.random.default_rng(1))
    assert (plain.image != changed.image).any()
    np.testing.assert_array_equal(plain.keypoints_px, changed.keypoints_px)
    np.testing.assert_array_equal(plain.intrinsics, changed.intrinsics)


@pytest.mark.parametrize("operation", APPEARANCE)
def test_operations_apply_to_their_share_of_the_views(make_sample, compose, operation):
    sample = make_sample()
    plain = compose()(sample, np.random.default_rng(0)).image
    composition = compose({operation: {"enabled": True, "prob": 0.3}})
    rng = np.random.default_rng(0)
    changed = [(composition(sample, rng).image != plain).any() for _ in range(400)]
    assert 0.23 < np.mean(changed) < 0.37  # three standard deviations of a share of 400


def test_an_operation_with_probability_zero_never_applies(make_sample, compose):
    composition = compose({"color_drop": {"enabled": True, "prob": 0.0}})
    plain = compose()(make_sample(), np.random.default_rng(0)).image
    for seed in range(20):
        view = composition(make_sample(), np.random.default_rng(seed))
        np.testing.assert_array_equal(view.image, plain)


def test_operations_apply_in_the_order_of_their_keys(make_sample, compose):
    sample = make_sample()

    def has_colour(drop_order):
        settings = only("color_drop", order=drop_order) | only("noise", order=5.0)
        image = compose(settings)(sample, np.random.default_rng(0)).image
        return (np.ptp(image, axis=2) > 0).any()

    assert has_colour(drop_order=4.0)  # noise after the drop brings colours back
    assert not has_colour(drop_order=6.0)


def test_equal_keys_keep_the_listed_order():
    config = CompositionConfig.model_validate(
        only("color_drop", order=1.0) | only("sobel", order=1.0) | only("noise", order=0.5)
    )
    composition = build_composition(config, image_px=32)
    assert composition.appearance == (config.noise, config.sobel, config.color_drop)


def test_backgrounds_are_needed_only_where_they_are_replaced():
    config = CompositionConfig.model_validate({"replace_background": {"enabled": True}})
    with pytest.raises(ValueError, match="replace_background is enabled"):
        build_composition(config, image_px=32)
    bank = Backgrounds(np.zeros((1, 64, 64, 3), np.uint8))
    assert build_composition(config, image_px=32, backgrounds=bank).backgrounds is bank
    assert build_composition(CompositionConfig(), image_px=32, backgrounds=bank).backgrounds is None


def test_a_hand_at_the_images_edge_is_shown_on_black(make_sample, compose):
    sample = make_sample(image=np.full((140, 160, 3), 200, np.uint8))
    sample = dataclasses.replace(sample, keypoints_px=sample.keypoints_px - (90, 0))
    image = compose()(sample, np.random.default_rng(0)).image
    assert (image[:, 0] == 0).all()
    assert (image[30:34, -1] == 200).all()


def test_settings_that_make_the_same_views_have_one_canonical_form():
    by_default = CompositionConfig.model_validate(
        {"blur": {"enabled": True}, "noise": {"enabled": True}, "cut_out": {"max_share": 0.3}}
    )
    in_ranks = CompositionConfig.model_validate(
        {"blur": {"enabled": True, "order": 0.0}, "noise": {"enabled": True, "order": 1.0}}
    )
    assert by_default != in_ranks
    assert by_default.canonical() == in_ranks
    assert in_ranks.canonical() == in_ranks


def test_another_order_has_another_canonical_form():
    swapped = CompositionConfig.model_validate(
        {"blur": {"enabled": True, "order": 9.0}, "noise": {"enabled": True}}
    )
    usual = CompositionConfig.model_validate(
        {"blur": {"enabled": True}, "noise": {"enabled": True}}
    )
    assert swapped.canonical() != usual.canonical()
