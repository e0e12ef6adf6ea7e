"""Projection and pose heads."""

import pytest
import torch
from pydantic import ValidationError

from hpe.models.heads import PoseHead, ProjectionHead, ProjectionHeadConfig


def features(count: int = 6, dim: int = 10) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(0))


def test_a_projection_has_the_configured_length():
    head = ProjectionHead(10, ProjectionHeadConfig(hidden=7, out=4), seed=0)
    assert head(features()).shape == (6, 4)
    assert head.layers[-1].bias is None


def test_projection_weights_depend_on_the_seed_alone():
    config = ProjectionHeadConfig(hidden=7, out=4)
    torch.manual_seed(1)
    once = ProjectionHead(10, config, seed=3)
    torch.manual_seed(2)
    again = ProjectionHead(10, config, seed=3)
    other = ProjectionHead(10, config, seed=4)
    assert torch.equal(once.layers[0].weight, again.layers[0].weight)
    assert not torch.equal(once.layers[0].weight, other.layers[0].weight)


def test_projections_must_be_readable_as_points():
    with pytest.raises(ValidationError, match="multiple of 2"):
        ProjectionHeadConfig(out=127)


def test_a_new_pose_head_gives_its_starting_pose_for_any_feature():
    head = PoseHead(10)
    assert (head(features()) == 0).all()
    pose = torch.randn(21, 3, generator=torch.Generator().manual_seed(1))
    head.start_from(pose)
    assert torch.equal(head(features()), pose.expand(6, 21, 3))


def test_a_pose_head_passes_no_gradient_to_the_encoder_at_first_but_learns():
    head = PoseHead(10)
    inputs = features().requires_grad_()
    (head(inputs) - 1).square().sum().backward()
    assert (inputs.grad == 0).all()
    assert (head.linear.weight.grad != 0).all()


def test_building_a_pose_head_leaves_the_callers_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    PoseHead(10)
    assert torch.equal(torch.rand(3), expected)
