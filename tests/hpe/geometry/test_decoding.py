"""Head outputs decode to pixels and lift to metres."""

import pytest
import torch

from hpe.geometry.decoding import decode_pose, encode_pose, lift_absolute, lift_at_true_root
from hpe.geometry.root_depth import bone_length_m, to_25d

INTRINSICS = torch.tensor([[300.0, 10, 40], [-5, 310, 36], [0, 0, 1]], dtype=torch.float64)


def hands(count: int = 50) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    spread = 0.05 * torch.randn(count, 21, 3, generator=generator, dtype=torch.float64)
    return spread + torch.tensor([0.02, -0.01, 0.6], dtype=torch.float64)


def test_normalised_coordinates_span_the_image_from_edge_to_edge():
    output = torch.zeros(1, 21, 3)
    output[0, 1] = torch.tensor([-1.0, 1.0, 0.3])
    keypoints_px, depth_rel = decode_pose(output, image_px=64)
    assert keypoints_px[0, 0].tolist() == [32.0, 32.0]
    assert keypoints_px[0, 1].tolist() == [0.0, 64.0]
    assert depth_rel[0, 1].item() == pytest.approx(0.3)


def test_the_roots_own_depth_is_zero_whatever_the_head_says():
    _, depth_rel = decode_pose(torch.ones(2, 21, 3), image_px=64, root=9)
    assert depth_rel[:, 9].tolist() == [0.0, 0.0]
    assert depth_rel.sum().item() == 40.0


def test_encoding_undoes_decoding():
    pose = to_25d(hands(), INTRINSICS.expand(50, 3, 3))
    output = encode_pose(pose.keypoints_px, pose.depth_rel, image_px=96)
    keypoints_px, depth_rel = decode_pose(output, image_px=96)
    torch.testing.assert_close(keypoints_px, pose.keypoints_px, rtol=0, atol=1e-12)
    torch.testing.assert_close(depth_rel, pose.depth_rel, rtol=0, atol=0)


def test_a_perfect_prediction_lifts_to_the_truth():
    true = hands()
    intrinsics = INTRINSICS.expand(50, 3, 3)
    pose = to_25d(true, intrinsics)
    lifted = lift_at_true_root(pose.keypoints_px, pose.depth_rel, intrinsics, true_joints_m=true)
    torch.testing.assert_close(lifted, true, rtol=0, atol=1e-12)


def test_the_absolute_lift_needs_only_the_scale():
    true = hands()
    true[:, 10] = true[:, 9] + torch.tensor([0.0, -0.04, 0.004], dtype=torch.float64)
    intrinsics = INTRINSICS.expand(50, 3, 3)
    pose = to_25d(true, intrinsics)
    lifted = lift_absolute(
        pose.keypoints_px, pose.depth_rel, intrinsics, scale_m=bone_length_m(true)
    )
    torch.testing.assert_close(lifted, true, rtol=0, atol=1e-9)
