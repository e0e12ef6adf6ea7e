"""Joints found by their graph and lifted by a U-Net of graphs."""

import numpy as np
import pytest
import torch

from hpe.geometry.skeleton import BONES
from hpe.models.graph_decoder import GraphDecoder
from hpe.models.graph_unet import GraphConvolution, GraphUNet, hand_adjacency

MEAN = torch.rand(21, 3, generator=torch.Generator().manual_seed(7))


def random(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def maps():
    return torch.zeros(3, 6, 8, 8), random(3, 10, 2, 2)


def decoder(seed=0):
    return GraphDecoder(10, width=8, seed=seed)


def test_joints_are_joined_as_bones_join_them():
    found = hand_adjacency()
    assert found[0, 0].item() == pytest.approx(1 / 6)  # the wrist: five bones and itself
    assert found[0, 5].item() == pytest.approx(1 / np.sqrt(6 * 3))
    assert found[7, 8].item() == pytest.approx(1 / np.sqrt(3 * 2))
    assert found[8, 12].item() == 0
    torch.testing.assert_close(found, found.T)
    assert int((found > 0).sum()) == 21 + 2 * len(BONES)


def test_a_convolution_hears_neighbours_only():
    convolution = GraphConvolution(21, 3, 5)
    nodes = random(1, 21, 3)
    moved = nodes.clone()
    moved[0, 8] += 1  # the index finger's tip
    changed = (convolution(nodes) != convolution(moved)).any(dim=-1)[0]
    assert changed.nonzero().flatten().tolist() == [7, 8]


def test_fewer_nodes_start_on_their_own_and_learn_whom_to_hear():
    convolution = GraphConvolution(7, 2, 2)
    nodes = random(1, 7, 2)
    torch.testing.assert_close(convolution(nodes), convolution.mix(nodes))
    assert convolution.adjacency.requires_grad


def test_the_pyramid_of_nodes_and_features_is_s2s():
    network, seen = GraphUNet(before=2), []
    for module in (*network.pool, network.squeeze, *network.unpool):
        module.register_forward_hook(lambda _module, _input, output: seen.append(output.shape[1:]))
    assert network(random(1, 21, 2)).shape == (1, 21, 4)
    down = [(15, 4), (7, 8), (4, 16), (2, 32), (1, 64)]
    up = [(2, 64), (4, 32), (7, 16), (15, 8), (21, 4)]
    assert [tuple(shape) for shape in seen] == [*down, (1, 20), *up]


def test_it_says_places_in_the_view_and_in_space_but_no_maps():
    decoded = decoder()(*maps())
    assert decoded.plane.shape == (3, 21, 2)
    assert decoded.shares.shape == (3, 21, 3)
    assert decoded.logits.shape == (3, 21, 3, 0)
    assert decoded.heatmaps is None


def test_before_it_has_learnt_it_says_the_mean_pose():
    built = decoder()
    built.start_from(MEAN)
    torch.testing.assert_close(built(*maps()).shares, MEAN.expand(3, -1, -1))


def test_every_weight_is_reached_by_the_error_in_space_alone():
    built = decoder()
    torch.nn.init.normal_(built.space.weight, generator=torch.Generator().manual_seed(0))
    built(*maps()).shares.square().sum().backward()
    unreached = [name for name, w in built.named_parameters() if not w.grad.any()]
    assert unreached == []


def test_weights_depend_on_the_seed_alone():
    first = decoder(seed=1).state_dict()
    torch.manual_seed(9)
    again, other = decoder(seed=1).state_dict(), decoder(seed=2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["guess.weight"], other["guess.weight"])
