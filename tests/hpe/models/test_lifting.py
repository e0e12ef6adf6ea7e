"""Lifting networks: the graph's messages by hand, standards, and what a seed decides."""

import pytest
import torch

from hpe.models.lifting import (
    LiftingConfig,
    NonLocal,
    SemanticGraphConvolution,
    build_lifter,
)

KINDS = ("residual_mlp", "semantic_graph")


def config(kind, **changes):
    return LiftingConfig.model_validate({"kind": kind, "width": 16, "dropout": 0.0} | changes)


def test_a_graph_convolution_takes_from_neighbours_and_from_nobody_else():
    layer = SemanticGraphConvolution(2, 3)
    features = torch.zeros(1, 17, 2)
    features[0, 12] = 1.0  # the left elbow
    before = layer(torch.zeros(1, 17, 2))
    changed = (layer(features) != before).any(dim=2)[0]
    assert changed.nonzero().flatten().tolist() == [11, 12, 13]


def test_a_graph_convolution_by_hand():
    layer = SemanticGraphConvolution(1, 1)
    with torch.no_grad():
        layer.own.weight.fill_(2.0)
        layer.own.bias.fill_(1.0)
        layer.others.weight.fill_(3.0)
        layer.edges[3, 2] = torch.tensor(3.0).log()
    features = torch.arange(17.0)[None, :, None]
    # The right foot (3) weighs itself 1/4 and the right knee (2) 3/4.
    expected = 0.25 * (2 * 3 + 1) + 0.75 * 3 * 2
    assert layer(features)[0, 3, 0].item() == pytest.approx(expected)
    torch.testing.assert_close(layer.weights().sum(dim=1), torch.ones(17))


def test_a_non_local_layer_starts_as_the_identity_and_then_joins_all_joints():
    layer = NonLocal(8)
    features = torch.randn(2, 17, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer(features), features)
    torch.nn.init.ones_(layer.last.weight)
    moved = features.clone()
    moved[0, 16] += 1.0
    assert bool((layer(moved)[0, 0] != layer(features)[0, 0]).all())


@pytest.mark.parametrize("kind", KINDS)
def test_standards_are_undone_and_what_does_not_vary_is_its_mean(kind):
    lifter = build_lifter(config(kind), seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(50, 17, 2, generator=generator)
    joints = 300 * torch.randn(50, 17, 3, generator=generator) + 40
    joints[:, 0] = 0.0
    lifter.standardise(inputs, joints)
    standard = lifter.standardised_joints(joints)
    torch.testing.assert_close(standard.mean(0), torch.zeros(17, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(standard[:, 1:].std(0, correction=0), torch.ones(16, 3))
    assert bool((lifter.lift(inputs)[:, 0] == 0).all())
    torch.testing.assert_close(
        lifter.lift(inputs)[:, 1:],
        lifter(inputs)[:, 1:] * joints[:, 1:].std(0, correction=0) + joints[:, 1:].mean(0),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_standards_travel_with_the_weights(kind):
    first, second = build_lifter(config(kind), seed=0), build_lifter(config(kind), seed=1)
    inputs = torch.randn(9, 17, 2, generator=torch.Generator().manual_seed(1))
    first.standardise(inputs, 100 * torch.randn(9, 17, 3))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.eval().lift(inputs), second.eval().lift(inputs))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_follow_from_the_seed(kind):
    first, again, other = (build_lifter(config(kind), seed=seed) for seed in (0, 0, 1))
    name = next(iter(dict(first.named_parameters())))
    first, again, other = (net.state_dict() for net in (first, again, other))
    assert all(torch.equal(first[key], again[key]) for key in first)
    key = next(key for key in first if key.endswith("weight") and first[key].ndim == 2)
    assert name in first
    assert not torch.equal(first[key], other[key])


def test_the_mlp_is_that_of_the_paper():
    """4.29 million weights, as Martinez et al.'s with 17 joints in and out, counted by hand."""
    lifter = build_lifter(LiftingConfig(), seed=0)
    linear = 34 * 1024 + 4 * 1024 * 1024 + 1024 * 51
    biases = 5 * 1024 + 51
    norms = 5 * 2 * 1024
    assert sum(p.numel() for p in lifter.parameters()) == linear + biases + norms


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_learns(kind):
    lifter = build_lifter(config(kind), seed=0)
    inputs = torch.randn(8, 17, 2, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.SGD(lifter.parameters(), lr=0.1)
    for _ in range(2):  # a layer that starts at zero lets gradients through from the second on
        optimizer.zero_grad()
        lifter(inputs).square().sum().backward()
        optimizer.step()
    assert all(p.grad is not None and bool(p.grad.any()) for p in lifter.parameters())
