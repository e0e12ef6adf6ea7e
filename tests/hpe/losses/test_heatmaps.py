import math

import pytest
import torch

from hpe.losses.heatmaps import gaussian_maps, heatmap_loss

ALL = torch.ones(2, 21, dtype=torch.bool)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_map_is_one_at_its_point_and_a_gaussian_around_it():
    at = torch.tensor([2 * 3.5 / 8 - 1, 2 * 1.5 / 4 - 1]).double()  # the centre of column 3, row 1
    found = gaussian_maps(at, height=4, width=8, std_cells=3.0)
    assert found[1, 3].item() == 1
    assert found[1, 5].item() == pytest.approx(math.exp(-(2**2) / 18))
    assert found[3, 2].item() == pytest.approx(math.exp(-(2**2 + 1**2) / 18))


def test_a_joint_far_outside_of_the_view_has_an_empty_map():
    assert gaussian_maps(torch.tensor([9.0, 0.0]), height=8, width=8, std_cells=3.0).max() < 1e-12


def test_the_loss_of_empty_maps_is_the_mean_square_of_the_gaussians():
    plane = torch.zeros(2, 21, 2).double()
    squares = [
        math.exp(-((column - 1.5) ** 2 + (row - 0.5) ** 2) / (2 * 0.5**2)) ** 2
        for row in range(2)
        for column in range(4)
    ]
    loss = heatmap_loss(torch.zeros(2, 21, 2, 4).double(), plane, valid=ALL, std_cells=0.5)
    assert loss.item() == pytest.approx(sum(squares) / 8)


def test_joints_that_are_not_annotated_neither_count_nor_get_a_gradient():
    maps = random(2, 21, 3, 3).requires_grad_()
    plane = random(2, 21, 2, seed=1)
    valid = ALL.clone()
    valid[1] = False
    loss = heatmap_loss(maps, plane, valid=valid, std_cells=1.0)
    alone = heatmap_loss(maps[:1], plane[:1], valid=ALL[:1], std_cells=1.0)
    assert loss.item() == pytest.approx(alone.item())
    loss.backward()
    assert maps.grad[0].any()
    assert not maps.grad[1].any()
    assert heatmap_loss(maps, plane, valid=~ALL, std_cells=1.0).item() == 0
