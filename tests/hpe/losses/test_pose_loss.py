"""The supervised 2.5D loss."""

import pytest
import torch

from hpe.losses.pose import pose_25d_loss


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
