import numpy as np
import pytest

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.augment.crop import hand_crop, normalized_from_source, reference_square
from hpe.data.hands import HandSample
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


def picture(**changes):
    joints_m = np.random.default_rng(0).normal([0.0, 0.0, 0.5], 0.03, (21, 3))
    intrinsics = np.array([[90.0, 0, 26.0], [0, 90.0, 20.0], [0, 0, 1]])
    seen = joints_m @ intrinsics.T
    fields = {
        "image": np.zeros((40, 60, 3), np.uint8),
        "joints_m": joints_m,
        "intrinsics": intrinsics,
        "keypoints_px": seen[:, :2] / seen[:, 2:],
        "visible": np.ones(21, bool),
        "foreground": None,
        "unique_id": 0,
    }
    return HandSample(**{**fields, **changes})


@pytest.mark.parametrize(
    ("frame", "has_depth", "center"),
    [
        ("principal_point", True, (26, 20)),
        ("principal_point", False, (30, 20)),
        ("picture", True, (30, 20)),
    ],
)
def test_a_whole_picture_is_framed_about_its_principal_point_or_its_middle(
    frame, has_depth, center
):
    center_px, half_side_px = reference_square(picture(has_depth=has_depth), frame)
    np.testing.assert_array_equal(center_px, center)
    assert half_side_px == 30


@pytest.mark.parametrize("frame", ["principal_point", "picture"])
def test_turned_about_the_principal_point_it_stays_in_the_middle(frame):
    config = CompositionConfig.model_validate({"rotate": {"enabled": True, "max_deg": 180.0}})
    make = build_composition(config, image_px=32, frame=frame)
    views = [make(picture(), np.random.default_rng(seed)) for seed in range(4)]
    axes_px = np.array([view.intrinsics[:2, 2] for view in views])
    assert np.allclose(axes_px, 16) == (frame == "principal_point")
