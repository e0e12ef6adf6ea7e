"""NT-Xent's memory, measured in processes of their own."""

import pytest
import torch
from torch.nn.functional import normalize

from benchmarks.nt_xent_memory import CHUNKS, REFERENCE, WAYS, cost_in_child


def test_all_ways_compute_the_same_loss_and_gradient():
    generator = torch.Generator().manual_seed(1)
    rows = normalize(torch.randn(600, 16, generator=generator, dtype=torch.float64), dim=-1)
    found = []
    for compute in WAYS.values():
        views = rows.clone().requires_grad_()
        loss = compute(views)
        loss.backward()
        found.append((loss.detach(), views.grad))
    for loss, gradient in found[1:]:
        torch.testing.assert_close(loss, found[0][0])
        torch.testing.assert_close(gradient, found[0][1])


@pytest.mark.slow
def test_a_child_says_what_a_way_cost_it():
    costs = [cost_in_child(way, 600, 16) for way in (REFERENCE, CHUNKS)]
    assert all(cost.extra_bytes >= 0 and cost.seconds > 0 for cost in costs)
    assert costs[0].loss == pytest.approx(costs[1].loss, rel=1e-5)
