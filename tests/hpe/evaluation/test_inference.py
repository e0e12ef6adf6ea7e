"""From photographs to poses: boxes, turned views, second looks."""

import numpy as np
import pytest
import torch

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.evaluation.boxes import (
    Box,
    HandCrop,
    centered_box,
    crop_of_box,
    crop_of_keypoints,
    is_near,
    view_affine,
    view_of,
)
from hpe.evaluation.inference import hands_in_camera, predict_poses, turns_deg
from hpe.evaluation.scored_hands import Looking, first_crop
from hpe.geometry.affine import transform
from tests.hpe.evaluation.untrained import IMAGE_PX, pose_model

PHOTOGRAPH = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
CROP = HandCrop((70.0, 50.0), 30.0)


def test_freihands_first_box_reaches_37_px_to_either_side():
    box = centered_box(height_px=224, width_px=224)
    assert (box.x + box.width / 2, box.y + box.height / 2) == (112, 112)
    assert box.width / 2 == pytest.approx(0.33 * 112)


def test_a_boxs_crop_has_its_corners_where_the_farthest_keypoint_would_be():
    crop = crop_of_box(Box(10.0, 20.0, 6.0, 8.0))
    assert crop.center_px == (13, 24)
    assert crop.half_side_px == pytest.approx(1.25 * 5)


@pytest.mark.parametrize("size", [(0.0, 5.0), (5.0, -1.0), (float("nan"), 5.0)])
def test_refuses_a_box_without_extent(size):
    with pytest.raises(ValueError, match="above 0"):
        Box(1.0, 2.0, *size)


def test_a_view_is_the_one_that_training_makes_of_the_same_hand(rendered):
    sample = rendered.splits["val"][0]
    trained = build_composition(CompositionConfig(), image_px=IMAGE_PX)(
        sample, np.random.default_rng(0)
    )
    affine = view_affine(first_crop(sample, Looking()), image_px=IMAGE_PX)
    np.testing.assert_array_equal(view_of(sample.image, affine, image_px=IMAGE_PX), trained.image)
    np.testing.assert_allclose(transform(affine, sample.keypoints_px), trained.keypoints_px)


def test_a_crop_of_true_keypoints_is_the_reference_crop(rendered):
    sample = rendered.splits["val"][1]
    assert crop_of_keypoints(sample.keypoints_px, root="wrist") == first_crop(sample, Looking())


def test_where_a_palm_is_predicted_the_crop_is_that_of_the_wrist():
    keypoints_px = np.random.default_rng(1).uniform(0, 90, (21, 2))
    with_palm = keypoints_px.copy()
    with_palm[0] = (keypoints_px[0] + keypoints_px[9]) / 2
    expected = crop_of_keypoints(keypoints_px, root="wrist")
    found = crop_of_keypoints(with_palm, root="palm_middle")
    assert found.half_side_px == pytest.approx(expected.half_side_px)
    assert found.center_px == pytest.approx(expected.center_px)


def test_a_refined_crop_stays_near_the_first_one():
    assert is_near(HandCrop((100.0, 20.0), 60.0), CROP)
    assert is_near(HandCrop((70.0, 50.0), 15.0), CROP)
    assert not is_near(HandCrop((100.1, 50.0), 30.0), CROP)
    assert not is_near(HandCrop((70.0, 19.9), 30.0), CROP)
    assert not is_near(HandCrop((70.0, 50.0), 14.9), CROP)
    assert not is_near(HandCrop((70.0, 50.0), 60.1), CROP)


@pytest.mark.parametrize("refinements", [1, 2])
def test_where_a_network_sees_a_speck_its_first_look_is_kept(refinements):
    model = constant_model()
    model.network.head.linear.bias.data.mul_(0.01)
    first = predict_poses(model, [PHOTOGRAPH], [CROP])
    refined = predict_poses(model, [PHOTOGRAPH], [CROP], refinements=refinements)
    assert (first.limited, refined.limited) == ((False,), (True,))
    assert refined.crops == (CROP,)
    assert torch.equal(refined.keypoints_px, first.keypoints_px)


def test_the_first_look_is_kept_for_no_other_hand():
    def speck_in_the_dark(views):
        is_dark = views.flatten(1).amax(dim=1) == 0
        hand = torch.linspace(-0.6, 0.6, 63).reshape(1, 21, 3)
        return hand * torch.where(is_dark, 0.01, 1.0)[:, None, None]

    model = pose_model()
    model.network.forward = speck_in_the_dark
    poses = predict_poses(model, [PHOTOGRAPH, 0 * PHOTOGRAPH], [CROP, CROP], refinements=2)
    assert poses.limited == (False, True)
    assert poses.crops[0] != CROP
    assert poses.crops[1] == CROP


def test_refuses_fewer_than_no_refinements():
    with pytest.raises(ValueError, match="0 times or more, got -1"):
        predict_poses(pose_model(), [PHOTOGRAPH], [CROP], refinements=-1)


def constant_model():
    """A network that says the same in every view."""
    model = pose_model()
    model.network.head.linear.weight.data.zero_()
    return model


def test_what_is_seen_in_a_turned_view_is_turned_back():
    model = constant_model()
    upright = predict_poses(model, [PHOTOGRAPH], [CROP]).keypoints_px[0].numpy()
    turned = predict_poses(model, [PHOTOGRAPH], [CROP], turns=(90.0,)).keypoints_px[0].numpy()
    offset = upright - CROP.center_px
    # The view is turned counter-clockwise on screen, so back is clockwise: right goes down.
    expected = np.stack([-offset[:, 1], offset[:, 0]], axis=1) + CROP.center_px
    np.testing.assert_allclose(turned, expected, atol=1e-9)


def test_the_mean_over_turned_views_is_that_of_the_single_ones():
    model = pose_model()
    single = [predict_poses(model, [PHOTOGRAPH], [CROP], turns=(t,)) for t in (-20.0, 5.0)]
    mean = predict_poses(model, [PHOTOGRAPH], [CROP], turns=(-20.0, 5.0))
    expected = (single[0].keypoints_px + single[1].keypoints_px) / 2
    torch.testing.assert_close(mean.keypoints_px, expected)
    torch.testing.assert_close(mean.depth_rel, (single[0].depth_rel + single[1].depth_rel) / 2)


def test_turns_are_even_and_upright_where_odd():
    assert turns_deg(1) == (0.0,)
    assert turns_deg(3) == (-30.0, 0.0, 30.0)
    with pytest.raises(ValueError, match="at least 1 view"):
        turns_deg(0)


def test_a_refinement_looks_at_the_crop_around_what_was_predicted():
    model = pose_model()
    first = predict_poses(model, [PHOTOGRAPH], [CROP])
    around = crop_of_keypoints(first.keypoints_px[0].numpy(), root="wrist")
    again = predict_poses(model, [PHOTOGRAPH], [around])
    refined = predict_poses(model, [PHOTOGRAPH], [CROP], refinements=1)
    assert refined.crops == (around,)
    assert torch.equal(refined.keypoints_px, again.keypoints_px)


@pytest.mark.parametrize("root", ["wrist", "palm", "palm_middle"])
def test_hands_in_the_camera_project_onto_their_keypoints(root):
    model = pose_model(root=root)
    poses = predict_poses(model, [PHOTOGRAPH], [CROP])
    intrinsics = torch.tensor([[[200.0, 0, 80], [0, 200, 60], [0, 0, 1]]], dtype=torch.float64)
    scale_m = torch.tensor([0.03], dtype=torch.float64)
    hands_m = hands_in_camera(model, poses, intrinsics, scale_m=scale_m)
    seen = hands_m @ intrinsics[0].T
    seen = seen[..., :2] / seen[..., 2:]
    torch.testing.assert_close(seen[:, 1:], poses.keypoints_px[:, 1:])
    assert torch.allclose(seen[:, 0], poses.keypoints_px[:, 0]) == (root == "wrist")


def test_an_untrained_denoiser_changes_nothing():
    model = pose_model(denoiser=True)
    poses = predict_poses(model, [PHOTOGRAPH], [CROP])
    intrinsics = torch.tensor([[[200.0, 0, 80], [0, 200, 60], [0, 0, 1]]], dtype=torch.float64)
    scale_m = torch.tensor([0.03], dtype=torch.float64)
    plain = hands_in_camera(model, poses, intrinsics, scale_m=scale_m)
    denoised = hands_in_camera(model, poses, intrinsics, scale_m=scale_m, denoised=True)
    torch.testing.assert_close(plain, denoised, rtol=1e-4, atol=1e-5)
