"""The supervised 2.5D loss."""

import pytest
import torch

from hpe.losses.pose import pose_25d_loss, root_depth_loss


def batch(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    valid = torch.rand(3, 21, generator=generator) < 0.7
    return normal(3, 21, 2), normal(3, 21), normal(3, 21, 2), normal(3, 21), valid


def loss_of(keypoints_px, depth_rel, true_px, true_depth, valid, **settings):
    return pose_25d_loss(
        keypoints_px,
        depth_rel,
        true_keypoints_px=true_px,
        true_depth_rel=true_depth,
        valid=valid,
        **settings,
    )


def test_equals_a_loop_over_valid_joints():
    keypoints_px, depth_rel, true_px, true_depth, valid = batch()
    sum_px = sum_rel = count = 0.0
    for b in range(3):
        for k in range(21):
            if valid[b, k]:
                du, dv = (keypoints_px - true_px)[b, k].tolist()
                sum_px += (abs(du) + abs(dv)) / 2
                sum_rel += abs(float(depth_rel[b, k] - true_depth[b, k]))
                count += 1
    terms = loss_of(keypoints_px, depth_rel, true_px, true_depth, valid)
    assert terms.keypoints_px.item() == pytest.approx(sum_px / count)
    assert terms.depth_rel.item() == pytest.approx(sum_rel / count)
    assert terms.total.item() == pytest.approx((sum_px + 5 * sum_rel) / count)


def test_a_weight_scales_the_depth_term_only():
    terms = loss_of(*batch(), depth_weight=0.0)
    assert terms.total == terms.keypoints_px


def test_joints_that_are_not_valid_get_no_gradient():
    keypoints_px, depth_rel, true_px, true_depth, valid = batch()
    keypoints_px.requires_grad_()
    depth_rel.requires_grad_()
    loss_of(keypoints_px, depth_rel, true_px, true_depth, valid).total.backward()
    assert (keypoints_px.grad[~valid] == 0).all()
    assert (depth_rel.grad[~valid] == 0).all()
    assert (keypoints_px.grad[valid] != 0).all()


def test_a_batch_without_valid_joints_has_no_loss():
    *tensors, valid = batch()
    assert loss_of(*tensors, torch.zeros_like(valid)).total.item() == 0.0


def test_depths_are_averaged_over_the_joints_that_have_one():
    zeros = torch.zeros(2, 21)
    depth_valid = torch.zeros(2, 21, dtype=torch.bool)
    depth_valid[0, :4] = True
    depth_rel = torch.zeros(2, 21)
    depth_rel[0, 0], depth_rel[1] = 2.0, 100.0
    terms = pose_25d_loss(
        torch.ones(2, 21, 2),
        depth_rel,
        true_keypoints_px=torch.zeros(2, 21, 2),
        true_depth_rel=zeros,
        valid=torch.ones(2, 21, dtype=torch.bool),
        depth_valid=depth_valid,
    )
    assert (terms.keypoints_px.item(), terms.depth_rel.item()) == (1.0, 0.5)
    assert terms.total.item() == 1.0 + 5 * 0.5


def test_the_root_depth_loss_is_the_mean_of_valid_samples():
    zh = torch.tensor([1.0, 5.0, 100.0], requires_grad=True)
    valid = torch.tensor([True, True, False])
    loss = root_depth_loss(zh, true_zh=torch.tensor([0.0, 8.0, 0.0]), valid=valid)
    loss.backward()
    assert loss.item() == 2.0
    assert zh.grad.tolist() == [0.5, -0.5, 0.0]
    assert root_depth_loss(zh, true_zh=zh.detach() + 1, valid=~valid & valid).item() == 0.0
