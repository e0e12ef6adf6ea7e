"""Views of bodies: one affine map, exact labels, S4's spreads, and a way back to the source."""

import numpy as np
import pytest

from hpe.augment.body_views import BodyViewConfig, at_aspect, build_body_view
from hpe.augment.occluders import Occluders
from hpe.augment.occlusion import Occlude, OccludeConfig
from hpe.augment.warp import warp, warp_to
from hpe.data.bodies import BodySample, rectangle_box_px
from hpe.geometry.affine import similarity
from hpe.geometry.body_skeleton import MIRRORED_FROM_BODY
from hpe.geometry.camera import project

K = np.array([[1145.0, 0.0, 512.5], [0.0, 1145.0, 515.5], [0.0, 0.0, 1.0]])
ALL = BodyViewConfig.model_validate(
    {name: {"enabled": True} for name in ("scale", "rotate", "flip", "gain")}
)


def body(seed=0):
    rng = np.random.default_rng(seed)
    pelvis = np.array([200.0, -100.0, 4500.0])
    joints = pelvis + np.vstack([np.zeros(3), rng.uniform(-600, 600, (16, 3))])
    return BodySample(
        image=rng.integers(0, 256, (1002, 1000, 3), dtype=np.uint8),
        keypoints_px=project(joints, K),
        depth_mm=joints[:, 2] - pelvis[2],
        visible=np.ones(17, bool),
        has_depth=True,
        intrinsics=K,
        pelvis_mm=pelvis,
        box_px=rectangle_box_px(pelvis, K),
        unique_id=3,
    )


def view_of(config, sample, *, seed=0, size=(72, 96)):
    make = build_body_view(config, width_px=size[0], height_px=size[1], seed=0)
    return make(sample, np.random.default_rng(seed))


def test_the_joints_of_a_sample_come_back_from_pixels_and_depths():
    sample = body()
    assert sample.joints_mm()[0] == pytest.approx(sample.pelvis_mm)
    assert project(sample.joints_mm(), K) == pytest.approx(sample.keypoints_px)


def test_a_sample_without_depth_has_no_joints():
    flat = BodySample(**{**vars(body()), "has_depth": False})
    with pytest.raises(ValueError, match="sample 3 has no depth"):
        flat.joints_mm()


def test_without_augmentation_the_box_fills_the_patch():
    sample = body()
    view = view_of(BodyViewConfig(), sample)
    left, top, width, height = sample.box_px
    expected = (sample.keypoints_px - [left, top]) / [width / 72, height / 96]
    assert view.keypoints_px == pytest.approx(expected)
    assert view.depth == pytest.approx(sample.depth_mm / 1485)
    assert view.keypoints_px[0] == pytest.approx([36, 48])


def test_a_patch_of_another_aspect_is_not_stretched():
    view = view_of(BodyViewConfig(), body(), size=(64, 64))
    (a, b), (c, d) = view.source_to_view[:, :2]
    assert (a, b) == pytest.approx((d, -c))
    assert view.depth_range_mm == pytest.approx(1980)


def test_a_box_is_widened_about_its_centre_to_the_patchs_aspect():
    assert at_aspect(np.array([10.0, 20.0, 30.0, 80.0]), (3, 4)) == pytest.approx([-5, 20, 60, 80])


@pytest.mark.parametrize("seed", range(6))
def test_predictions_in_the_patch_go_back_to_source_pixels_and_millimetres(seed):
    sample = body()
    view = view_of(ALL, sample, seed=seed)
    assert view.source_keypoints_px(view.keypoints_px) == pytest.approx(sample.keypoints_px)
    assert view.source_depth_mm(view.depth) == pytest.approx(sample.depth_mm)


def test_a_flipped_view_mirrors_x_and_swaps_left_and_right():
    sample = body()
    flip = {"flip": {"enabled": True, "prob": 1.0}}
    plain = view_of(BodyViewConfig(), sample)
    view = view_of(BodyViewConfig.model_validate(flip), sample)
    mirrored = plain.keypoints_px * [-1, 1] + [72, 0]
    assert view.keypoints_px == pytest.approx(mirrored[list(MIRRORED_FROM_BODY)])
    assert view.image[:, ::-1] == pytest.approx(plain.image, abs=1)


def test_the_picture_moves_with_the_keypoints():
    sample = body()
    marked = np.zeros_like(sample.image)
    u, v = sample.keypoints_px[5]
    marked[int(v) - 12 : int(v) + 13, int(u) - 12 : int(u) + 13] = 255
    sample = BodySample(**{**vars(sample), "image": marked})
    config = BodyViewConfig.model_validate(
        {"scale": {"enabled": True}, "rotate": {"enabled": True, "prob": 1.0, "std_deg": 20}}
    )
    view = view_of(config, sample, seed=4, size=(288, 384))
    rows, columns = np.nonzero(view.image[:, :, 0] > 127)
    middle = np.array([columns.mean(), rows.mean()]) + 0.5
    assert middle == pytest.approx(view.keypoints_px[5], abs=0.6)


def test_draws_are_s4s_clipped_normals():
    small = {"image": np.zeros((16, 12, 3), np.uint8), "box_px": np.array([3.0, 4.0, 6.0, 8.0])}
    sample = BodySample(**{**vars(body()), **small})
    make = build_body_view(ALL, width_px=6, height_px=8, seed=0)
    rng = np.random.default_rng(5)
    views = [make(sample, rng) for _ in range(400)]
    scales = np.array([view.scale for view in views])
    matrices = np.stack([view.source_to_view[:, :2] for view in views])
    angles = np.degrees(np.arctan2(-matrices[:, 1, 0], np.abs(matrices[:, 1, 1])))
    signs = np.array([-1 if view.flipped else 1 for view in views])
    assert scales.min() == 0.75 and scales.max() == 1.25
    at_the_ends = ((scales == 0.75) | (scales == 1.25)).mean()
    assert at_the_ends == pytest.approx(0.317, abs=0.08)
    assert (angles == 0).mean() == pytest.approx(0.4, abs=0.08)
    assert np.abs(angles).max() == pytest.approx(60)
    assert (signs < 0).mean() == pytest.approx(0.5, abs=0.08)
    assert (np.linalg.det(matrices) * signs > 0).all()


def test_a_larger_box_shows_a_smaller_and_flatter_body():
    sample = body()
    config = BodyViewConfig.model_validate({"scale": {"enabled": True}})
    view, plain = view_of(config, sample, seed=4), view_of(BodyViewConfig(), sample)
    assert view.scale != 1
    middle = np.array([36.0, 48.0])
    assert (view.keypoints_px - middle) * view.scale == pytest.approx(plain.keypoints_px - middle)
    assert view.depth == pytest.approx(sample.depth_mm / (1485 * view.scale))


def test_switching_one_operation_leaves_the_others_draws():
    sample = body()
    without = ALL.model_copy(update={"flip": BodyViewConfig().flip})
    assert view_of(ALL, sample, seed=1).scale == view_of(without, sample, seed=1).scale


def test_channels_are_multiplied_by_their_own_gains():
    grey = BodySample(**{**vars(body()), "image": np.full((1002, 1000, 3), 100, np.uint8)})
    config = BodyViewConfig.model_validate({"gain": {"enabled": True, "spread": 0.2}})
    found = np.array([view_of(config, grey, seed=s).image[48, 36] for s in range(40)])
    assert found.min() >= 80 and found.max() <= 120 and found.std() > 5
    assert (found[:, 0] != found[:, 1]).any()


def test_occluders_leave_labels_and_what_they_do_not_cover():
    sample = body()
    config = BodyViewConfig.model_validate({"occlude": {"enabled": True}})
    plain, covered = view_of(BodyViewConfig(), sample), view_of(config, sample)
    changed = (plain.image != covered.image).any(axis=2)
    assert 0 < changed.mean() < 1
    assert np.array_equal(plain.keypoints_px, covered.keypoints_px)
    assert np.array_equal(plain.depth, covered.depth)


def test_an_occluders_size_goes_with_the_shorter_side_of_the_patch():
    white = Occluders((np.full((40, 40, 4), 255, np.uint8),))
    one_of_full_size = {"min_count": 1, "max_count": 1, "min_scale": 1.0, "max_scale": 1.0}
    occlude = Occlude(OccludeConfig(enabled=True, **one_of_full_size), white)
    patch = np.zeros((512, 128, 3), np.uint8)
    sizes, rows = [], []
    for seed in range(30):
        covered = occlude.over(patch, np.random.default_rng(seed))[:, :, 0] > 0
        sizes.append((covered.any(axis=1).sum(), covered.any(axis=0).sum()))
        rows.append(np.flatnonzero(covered.any(axis=1)).mean())
    assert np.max(sizes, axis=0).tolist() == [20, 20]
    assert min(rows) < 128 and max(rows) > 384  # centres lie all over the longer side


def test_a_patch_is_the_part_of_the_square_view_that_it_covers():
    image = body().image
    tilted = similarity(angle_deg=20.0, zoom=0.31, shift=np.array([-40.0, 30.0]))
    square = warp(image, source_to_view=tilted, side_px=160).image
    wide = warp_to(image, source_to_view=tilted, size_px=(160, 90)).image
    assert wide == pytest.approx(square[:90], abs=1)


def test_occluders_that_are_missing_are_named(tmp_path):
    voc = {"occlude": {"enabled": True, "source": "voc", "folder": str(tmp_path / "VOC2012")}}
    with pytest.raises(FileNotFoundError, match="VOC2012"):
        build_body_view(BodyViewConfig.model_validate(voc), width_px=6, height_px=8, seed=0)


SCALED = {"scale": {"enabled": True, "spread": 0.1}}
BOTH = {"gain": {"enabled": True}, "occlude": {"enabled": True}}


def canonical(**settings):
    return BodyViewConfig.model_validate(settings).canonical()


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        ({"scale": {"spread": 0.1}, "occlude": {"source": "voc", "folder": "/a"}}, {}),
        ({"rotate": {"prob": 0.1}, "flip": {"prob": 0.2}, **SCALED}, SCALED),
        ({"gain": {"order": 9.0, "spread": 0.1}}, {}),
        ({"gain": {"enabled": True, "order": 9.0}}, {"gain": {"enabled": True}}),
        ({"occlude": {"enabled": True, "order": 1.0}}, {"occlude": {"enabled": True}}),
        ({**BOTH, "gain": {"enabled": True, "order": 6.0}}, BOTH),
    ],
)
def test_settings_that_make_the_same_views_are_one(settings, same):
    assert canonical(**settings) == BodyViewConfig.model_validate(same)


def test_objects_that_change_colour_too_make_other_views():
    last = canonical(**{**BOTH, "gain": {"enabled": True, "order": 9.0}})
    assert last == canonical(**{**BOTH, "occlude": {"enabled": True, "order": 0.5}})
    assert last.canonical() == last != canonical(**BOTH)
    sample = body()
    assert (view_of(last, sample).image != view_of(canonical(**BOTH), sample).image).any()


def test_settings_that_say_the_usual_are_canonical_as_they_are():
    for config in (BodyViewConfig(), ALL, BodyViewConfig.model_validate(BOTH)):
        assert config.canonical() == config
