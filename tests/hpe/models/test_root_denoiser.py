"""The denoiser: starts at the analytic depth (T1), reads what S0's reads, teaches nothing else."""

import pytest
import torch

from hpe.geometry.camera import rays
from hpe.geometry.root_depth import root_depth_from_25d, to_25d
from hpe.losses.pose import root_depth_loss
from hpe.models.root_denoiser import RootDenoiser

INTRINSICS = torch.tensor([[[500.0, 0, 112], [0, 500, 112], [0, 0, 1]]])


def hands(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.06 * torch.randn(count, 21, 3, generator=generator) + torch.tensor([0.0, 0.0, 0.7])


def t1_hand() -> torch.Tensor:
    hand = torch.zeros(1, 21, 3)
    hand[..., 2] = 0.6
    hand[0, 9] = torch.tensor([0.020, -0.080, 0.610])
    hand[0, 10] = torch.tensor([0.022, -0.115, 0.590])
    return hand


def test_t1_a_fresh_denoiser_says_the_analytic_depth():
    pose = to_25d(t1_hand(), INTRINSICS)
    denoiser = RootDenoiser(seed=0).eval()
    depth = denoiser(pose.keypoints_px, pose.depth_rel, INTRINSICS)
    assert depth.item() == pytest.approx(14.865882925, abs=1e-3)


def test_reads_root_depth_then_normalised_keypoints_then_relative_depths():
    joints = hands(4)
    intrinsics = INTRINSICS.expand(4, 3, 3)
    pose = to_25d(joints, intrinsics)
    denoiser = RootDenoiser(seed=0)
    read = []
    denoiser.layers[0].register_forward_hook(lambda *call: read.append(call[1][0]))
    denoiser(pose.keypoints_px, pose.depth_rel, intrinsics)
    assert read[0].shape == (4, 64)
    depth = root_depth_from_25d(pose.keypoints_px, pose.depth_rel, intrinsics)
    xy = rays(pose.keypoints_px, intrinsics)[..., :2]
    torch.testing.assert_close(read[0][:, 0], depth)
    torch.testing.assert_close(read[0][:, 1:43].reshape(4, 21, 2), xy)
    assert torch.equal(read[0][:, 43:], pose.depth_rel)


def test_the_layers_are_those_of_s0():
    shapes = [tuple(p.shape) for p in RootDenoiser(seed=0).parameters() if p.ndim == 2]
    assert shapes == [(128, 64), (128, 128), (1, 128)]


def test_the_pose_does_not_learn_from_the_root_depth():
    pose = to_25d(hands(4), INTRINSICS.expand(4, 3, 3))
    keypoints_px = pose.keypoints_px.requires_grad_()
    denoiser = RootDenoiser(seed=0)
    denoiser(keypoints_px, pose.depth_rel, INTRINSICS.expand(4, 3, 3)).sum().backward()
    assert keypoints_px.grad is None
    assert denoiser.layers[-1].weight.grad.any()


def test_learns_an_offset_that_the_analytic_depth_has():
    joints, intrinsics = hands(64), INTRINSICS.expand(64, 3, 3)
    pose = to_25d(joints, intrinsics)
    analytic = root_depth_from_25d(pose.keypoints_px, pose.depth_rel, intrinsics)
    denoiser = RootDenoiser(seed=0)
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=1e-2)
    valid = torch.ones(64, dtype=torch.bool)
    losses = []
    for _ in range(150):
        depth = denoiser(pose.keypoints_px, pose.depth_rel, intrinsics)
        loss = root_depth_loss(depth, true_zh=analytic - 2, valid=valid)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(2.0, abs=1e-4)
    assert losses[-1] < 0.3


def test_the_seed_decides_the_weights():
    first, same, other = (RootDenoiser(seed=seed).layers[0].weight for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
