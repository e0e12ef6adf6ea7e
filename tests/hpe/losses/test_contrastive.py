"""NT-Xent: vector T5, a slow reference, invariances."""

import math

import pytest
import torch

from hpe.losses.contrastive import collapse_level, nt_xent, top1_share


def projections(batch: int, dim: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, dim, generator=generator, dtype=torch.float64)


def nt_xent_by_loops(anchor, positive, temperature):
    """Equation 1 of Chen et al. (2020), one anchor at a time, without vectorisation."""
    views = [row / row.norm() for row in (*anchor, *positive)]
    batch, total = len(anchor), 0.0
    for i, view in enumerate(views):
        others = [k for k in range(2 * batch) if k != i]
        similarities = {k: math.exp(float(view @ views[k]) / temperature) for k in others}
        total -= math.log(similarities[(i + batch) % (2 * batch)] / sum(similarities.values()))
    return total / (2 * batch)


def test_t5_two_orthogonal_pairs():
    identity = torch.eye(2, dtype=torch.float64)
    loss = nt_xent(identity, identity, temperature=0.5).item()
    assert loss == pytest.approx(0.239544766, abs=1e-9)
    assert loss == pytest.approx(math.log(1 + 2 * math.exp(-2)), abs=1e-12)


@pytest.mark.parametrize("batch", [2, 16, 100])
def test_t5_identical_embeddings_give_the_collapse_level(batch):
    same = torch.ones(batch, 8, dtype=torch.float64)
    assert nt_xent(same, same, temperature=0.5).item() == pytest.approx(collapse_level(batch))
    assert collapse_level(batch) == pytest.approx(math.log(2 * batch - 1))


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_equals_a_loop_over_anchors(temperature):
    anchor, positive = projections(7, 5, seed=0), projections(7, 5, seed=1)
    expected = nt_xent_by_loops(anchor, positive, temperature)
    assert nt_xent(anchor, positive, temperature=temperature).item() == pytest.approx(expected)


def test_does_not_care_about_lengths_order_of_views_or_order_of_pairs():
    anchor, positive = projections(9, 6, seed=2), projections(9, 6, seed=3)
    loss = nt_xent(anchor, positive, temperature=0.3)
    shuffled = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(nt_xent(3 * anchor, positive / 7, temperature=0.3), loss)
    torch.testing.assert_close(nt_xent(positive, anchor, temperature=0.3), loss)
    torch.testing.assert_close(nt_xent(anchor[shuffled], positive[shuffled], temperature=0.3), loss)


def test_has_the_right_gradient():
    anchor = projections(4, 3, seed=4).requires_grad_()
    positive = projections(4, 3, seed=5).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, p: nt_xent(a, p, temperature=0.4), (anchor, positive))


def test_stays_finite_at_a_low_temperature_in_single_precision():
    anchor, positive = projections(32, 16, seed=6).float(), projections(32, 16, seed=7).float()
    assert torch.isfinite(nt_xent(anchor, positive, temperature=0.005))


@pytest.mark.parametrize("temperature", [0.0, -0.1])
def test_rejects_a_temperature_that_is_not_positive(temperature):
    with pytest.raises(ValueError, match=f"temperature must be > 0, got {temperature}"):
        nt_xent(torch.eye(2), torch.eye(2), temperature=temperature)


def test_rejects_a_batch_without_negatives():
    with pytest.raises(ValueError, match="at least 2 pairs"):
        nt_xent(torch.ones(1, 4), torch.ones(1, 4), temperature=0.5)


def test_top1_counts_anchors_whose_positive_ranks_first():
    anchor = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert top1_share(anchor, anchor).item() == 1.0
    swapped = anchor.flip(0)
    assert top1_share(anchor, swapped).item() == 0.0


def test_top1_of_random_projections_is_near_chance():
    share = top1_share(projections(100, 64, seed=8), projections(100, 64, seed=9)).item()
    assert share < 0.05
