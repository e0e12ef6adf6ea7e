"""The 2.5D pose and its root depth: vector T1, round trips and the degenerate cases."""

import math

import pytest
import torch

from hpe.geometry.root_depth import (
    FALLBACK_DEPTH,
    lift,
    root_depth_from_25d,
    to_25d,
)

INTRINSICS = torch.tensor([[[500.0, 0, 112], [0, 500, 112], [0, 0, 1]]], dtype=torch.float64)
BONE = (9, 10)


def t1_hand(far: tuple[float, float, float] = (0.022, -0.115, 0.590)) -> torch.Tensor:
    """The hand of vector T1: root, n and m given, the other joints anywhere in front."""
    hand = torch.zeros(1, 21, 3, dtype=torch.float64)
    hand[..., 2] = 0.6
    hand[0, 9] = torch.tensor([0.020, -0.080, 0.610], dtype=torch.float64)
    hand[0, 10] = torch.tensor(far, dtype=torch.float64)
    return hand


def random_hands(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    hands = 0.06 * torch.randn(count, 21, 3, generator=generator, dtype=torch.float64)
    return hands + torch.tensor([0.0, 0.0, 0.7], dtype=torch.float64)


def test_t1_gives_the_recorded_25d_pose():
    pose = to_25d(t1_hand(), INTRINSICS)
    assert pose.scale_m.item() == pytest.approx(0.040360872, abs=1e-9)
    assert pose.keypoints_px[0, 9].tolist() == pytest.approx([128.393443, 46.426230], abs=1e-6)
    assert pose.keypoints_px[0, 10].tolist() == pytest.approx([130.644068, 14.542373], abs=1e-6)
    depths = pose.depth_rel[0, [0, 9, 10]].tolist()
    assert depths == pytest.approx([0, 0.247765, -0.247765], abs=1e-6)


def test_t1_recovers_the_root_depth_and_the_hand():
    hand = t1_hand()
    pose = to_25d(hand, INTRINSICS)
    zh = root_depth_from_25d(pose.keypoints_px, pose.depth_rel, INTRINSICS)
    assert zh.item() == pytest.approx(14.865882925, abs=1e-8)
    assert (zh * pose.scale_m).item() == pytest.approx(0.6, abs=1e-12)
    lifted = lift(pose.keypoints_px, pose.depth_rel, zh, pose.scale_m, INTRINSICS)
    torch.testing.assert_close(lifted, hand, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("error_px", "root_m"), [(0.5, 0.6094), (1.0, 0.6190), (2.0, 0.6393)])
def test_t1_pixel_noise_moves_the_root_as_recorded(error_px, root_m):
    pose = to_25d(t1_hand(), INTRINSICS)
    noisy_px = pose.keypoints_px.clone()
    noisy_px[0, 10, 1] += error_px
    zh = root_depth_from_25d(noisy_px, pose.depth_rel, INTRINSICS)
    assert (zh * pose.scale_m).item() == pytest.approx(root_m, abs=5e-5)


def test_t1_a_bone_along_the_ray_falls_back():
    pose = to_25d(t1_hand(far=(0.0210, -0.0840, 0.6405)), INTRINSICS)  # 1.05 times the other end
    zh = root_depth_from_25d(pose.keypoints_px, pose.depth_rel, INTRINSICS)
    assert zh.item() == FALLBACK_DEPTH


@pytest.mark.parametrize(("root", "bone"), [(0, (9, 10)), (9, (0, 9)), (0, (0, 5))])
def test_25d_and_back_is_the_identity_for_any_root_and_bone(root, bone):
    hands = random_hands(200, seed=0)
    intrinsics = INTRINSICS.expand(200, 3, 3)
    pose = to_25d(hands, intrinsics, root=root, bone=bone)
    zh = root_depth_from_25d(
        pose.keypoints_px, pose.depth_rel, intrinsics, bone=bone, limits=(0.0, math.inf)
    )
    true_zh = hands[:, root, 2] / pose.scale_m
    # The larger solution is the true one unless the bone is seen nearly end-on.
    solved = (zh - true_zh).abs() < 1e-6
    assert solved.double().mean() > 0.95
    lifted = lift(pose.keypoints_px, pose.depth_rel, true_zh, pose.scale_m, intrinsics)
    torch.testing.assert_close(lifted, hands, rtol=0, atol=1e-12)


def test_the_recovered_depth_makes_the_bone_one_unit_long():
    hands = random_hands(200, seed=1)
    intrinsics = INTRINSICS.expand(200, 3, 3)
    pose = to_25d(hands, intrinsics)
    zh = root_depth_from_25d(pose.keypoints_px, pose.depth_rel, intrinsics, limits=(0.0, math.inf))
    lifted = lift(pose.keypoints_px, pose.depth_rel, zh, pose.scale_m, intrinsics)
    lengths = torch.linalg.vector_norm(lifted[:, 9] - lifted[:, 10], dim=-1)
    torch.testing.assert_close(lengths, pose.scale_m, rtol=1e-6, atol=0)


def test_a_turned_and_zoomed_view_recovers_the_same_depth():
    hand = t1_hand()
    view = torch.tensor([[0.6, 0.8, 5], [-0.8, 0.6, 90], [0, 0, 1]], dtype=torch.float64)
    view[:2] *= 1.7
    seen = view @ INTRINSICS
    pose = to_25d(hand, seen)
    zh = root_depth_from_25d(pose.keypoints_px, pose.depth_rel, seen)
    assert zh.item() == pytest.approx(14.865882925, abs=1e-8)


def test_solutions_are_clamped_to_the_limits():
    pose = to_25d(t1_hand(), INTRINSICS)
    zh = root_depth_from_25d(pose.keypoints_px, pose.depth_rel, INTRINSICS, limits=(4.0, 10.0))
    assert zh.item() == 10


def test_an_impossible_bone_gets_the_nearest_depth_and_finite_gradients():
    pose = to_25d(t1_hand(), INTRINSICS)
    depth_rel = pose.depth_rel.clone()
    depth_rel[0, 10] = -3.0  # three bone lengths apart in depth alone: no depth makes it one long
    depth_rel.requires_grad_()
    keypoints_px = pose.keypoints_px.clone().requires_grad_()
    zh = root_depth_from_25d(keypoints_px, depth_rel, INTRINSICS)
    zh.sum().backward()
    assert torch.isfinite(zh).all()
    assert torch.isfinite(depth_rel.grad).all()
    assert torch.isfinite(keypoints_px.grad).all()
