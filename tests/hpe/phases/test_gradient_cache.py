"""Cached gradients, against the graph of all batches kept at once."""

import torch
from torch import nn

from hpe.losses.contrastive import nt_xent
from hpe.phases.gradient_cache import accumulate_as_one_batch


def batches():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(6, 5, generator=generator) for _ in range(3)]


def network(*, dropout=0.0):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 4)
        return nn.Sequential(*layers)


def loss_of(outputs):
    rows = outputs["rows"]
    return {"train/loss": nt_xent(rows[0::2], rows[1::2], temperature=0.5)}


def cached(module):
    terms = accumulate_as_one_batch(
        [lambda net, batch=batch: {"rows": net(batch)} for batch in batches()],
        loss_of,
        network=module,
        parallel=module,
    )
    return terms["train/loss"]


def kept(module):
    """The same with all activations in memory: each batch is normalised by its own rows."""
    loss = loss_of({"rows": torch.cat([module(batch) for batch in batches()])})["train/loss"]
    loss.backward()
    return loss


def assert_same(module, expected):
    for (name, value), other in zip(module.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(value.grad, other.grad, rtol=1e-4, atol=1e-6, msg=name)
    for (name, value), other in zip(module.named_buffers(), expected.buffers(), strict=True):
        torch.testing.assert_close(value, other, msg=name)


def test_has_the_gradients_and_statistics_of_the_graph_kept_whole():
    module, expected = network(), network()
    torch.testing.assert_close(cached(module), kept(expected).detach())
    assert_same(module, expected)


def test_dropout_drops_the_same_in_both_passes():
    module, expected = network(dropout=0.5), network(dropout=0.5)
    torch.manual_seed(7)
    loss = cached(module)
    after = torch.rand(1)
    torch.manual_seed(7)
    torch.testing.assert_close(loss, kept(expected).detach())
    assert torch.equal(after, torch.rand(1))
    assert_same(module, expected)


def test_batch_norm_makes_it_differ_from_one_large_batch():
    module, large = network(), network()
    cached(module)
    loss_of({"rows": large(torch.cat(batches()))})["train/loss"].backward()
    assert not torch.allclose(module[0].weight.grad, large[0].weight.grad, rtol=1e-2)


def test_adds_to_gradients_that_are_there():
    once, twice = network(), network()
    cached(once)
    cached(twice)
    twice.load_state_dict(network().state_dict())
    cached(twice)
    torch.testing.assert_close(twice[0].weight.grad, 2 * once[0].weight.grad)
