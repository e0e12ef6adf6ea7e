"""Joints found by heatmaps and lifted."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from hpe.geometry.skeleton import NUM_JOINTS
from hpe.models.lifted_decoder import LiftedDecoder

MEAN = torch.rand(21, 3, generator=torch.Generator().manual_seed(7))


def maps():
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(3, 6, 8, 8, generator=generator),
        torch.randn(3, 10, 2, 2, generator=generator),
    )


def decoder(*, seed=0, beta=100.0, blocks=3):
    return LiftedDecoder(6, 10, width=8, blocks=blocks, lite=False, beta=beta, seed=seed)


def test_each_block_doubles_the_heatmaps_and_there_is_one_per_joint():
    decoded = decoder()(*maps())
    assert decoded.heatmaps.shape == (3, 21, 16, 16)
    assert decoded.plane.shape == (3, 21, 2)
    assert decoded.shares.shape == (3, 21, 3)
    assert decoded.logits.shape == (3, 21, 3, 0)
    assert decoder(blocks=4)(*maps()).heatmaps.shape == (3, 21, 32, 32)


@pytest.mark.parametrize("beta", [100.0, 3.0])
def test_points_are_the_means_of_cells_under_a_softmax_of_beta_times_the_heatmaps(beta):
    decoded = decoder(beta=beta)(*maps())
    heatmaps = decoded.heatmaps.detach().double().numpy()
    mass = softmax(beta * heatmaps, axis=(-2, -1))
    middles = (np.arange(16) + 0.5) / 8 - 1
    expected = np.stack([mass.sum(-2) @ middles, mass.sum(-1) @ middles], axis=-1)
    np.testing.assert_allclose(decoded.plane.detach(), expected, atol=1e-5)


def test_before_it_has_learnt_it_says_the_mean_pose():
    built = decoder()
    built.start_from(MEAN)
    torch.testing.assert_close(built(*maps()).shares, MEAN.expand(3, -1, -1))


def test_every_weight_is_reached_by_the_error_in_space_alone():
    built = decoder(beta=1.0)
    torch.nn.init.normal_(built.pose.linear.weight, generator=torch.Generator().manual_seed(0))
    built(*maps()).shares.square().sum().backward()
    unreached = [name for name, w in built.named_parameters() if not w.grad.any()]
    assert unreached == []


def test_space_hears_of_the_maps_that_are_read_at_the_points():
    built = decoder(beta=1.0)
    torch.nn.init.normal_(built.pose.linear.weight, generator=torch.Generator().manual_seed(0))
    before = built(*maps())
    built.maps.bias.data[NUM_JOINTS:] += 1
    after = built(*maps())
    torch.testing.assert_close(before.plane, after.plane)
    assert not torch.allclose(before.shares, after.shares)


def test_weights_depend_on_the_seed_alone():
    first = decoder(seed=1).state_dict()
    torch.manual_seed(9)
    again, other = decoder(seed=1).state_dict(), decoder(seed=2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["maps.weight"], other["maps.weight"])
