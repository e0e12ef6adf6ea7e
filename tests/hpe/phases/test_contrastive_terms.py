"""SimCLR's and PeCLR's terms on projections that are given."""

import pytest
import torch

from hpe.losses.contrastive import collapse_level, nt_xent
from hpe.phases.contrastive_terms import ContrastiveLossConfig, contrastive_terms


def pair_batch(pairs=3):
    """Two views of each sample: turned by some angle, zoomed and shifted."""
    generator = torch.Generator().manual_seed(0)
    affine = torch.eye(2, 3).expand(pairs, 2, 2, 3).clone()
    affine[..., :2] *= 1.2
    affine[..., 2] += 0.1 * torch.randn(pairs, 2, 2, generator=generator)
    return {
        "image": torch.zeros(pairs, 2, 4, 4, 3, dtype=torch.uint8),
        "affine": affine,
        "angle_deg": 30 * torch.randn(pairs, 2, generator=generator),
        "shift": affine[..., 2].clone(),
    }


def projections(pairs=3, dim=8):
    return torch.randn(2 * pairs, dim, generator=torch.Generator().manual_seed(1))


def test_invariance_alone_is_simclr():
    rows = projections()
    config = ContrastiveLossConfig(temperature=0.5)
    terms = contrastive_terms(rows, pair_batch(), config)
    expected = nt_xent(rows[0::2], rows[1::2], temperature=0.5)
    assert terms["train/loss"].item() == pytest.approx(expected.item())
    assert terms["train/loss_invariant"].item() == pytest.approx(expected.item())


def test_exact_undoing_finds_points_that_moved_with_their_views_in_place():
    batch = pair_batch()
    reference = projections(pairs=3)[0::2].reshape(3, 1, 4, 2).expand(3, 2, 4, 2)
    seen = torch.einsum("nvij,nvpj->nvpi", batch["affine"][..., :2], reference)
    seen = seen + batch["affine"][..., None, :, 2]
    config = ContrastiveLossConfig(invariant_weight=0.0, equivariant_weight=1.0, temperature=0.1)
    terms = contrastive_terms(seen.flatten(0, 1).flatten(1), batch, config)
    rows = reference[:, 0].flatten(1)
    expected = nt_xent(rows, rows, temperature=0.1)
    torch.testing.assert_close(terms["train/loss"], expected)
    assert terms["train/top1"].item() == 1.0


def test_both_ways_to_undo_agree_where_nothing_moved():
    batch = pair_batch()
    batch["affine"] = torch.eye(2, 3).expand(3, 2, 2, 3)
    batch["angle_deg"], batch["shift"] = torch.zeros(3, 2), torch.zeros(3, 2, 2)
    losses = [
        contrastive_terms(
            projections(),
            batch,
            ContrastiveLossConfig(invariant_weight=0.0, equivariant_weight=1.0, undo=undo),
        )["train/loss"].item()
        for undo in ("exact", "peclr")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_loss_is_the_weighted_sum_and_unweighted_terms_get_no_gradient():
    weights = {"invariant_weight": 0.25, "equivariant_weight": 2.0}
    terms = contrastive_terms(projections(), pair_batch(), ContrastiveLossConfig(**weights))
    expected = 0.25 * terms["train/loss_invariant"] + 2 * terms["train/loss_equivariant"]
    torch.testing.assert_close(terms["train/loss"], expected)
    alone = contrastive_terms(
        projections().requires_grad_(), pair_batch(), ContrastiveLossConfig(invariant_weight=1.0)
    )
    assert alone["train/loss_invariant"].requires_grad
    assert not alone["train/loss_equivariant"].requires_grad


def test_equal_embeddings_are_at_the_collapse_level():
    terms = contrastive_terms(torch.ones(6, 8), pair_batch(), ContrastiveLossConfig())
    assert terms["train/loss_invariant"].item() == pytest.approx(collapse_level(3), rel=1e-5)
    assert terms["train/collapse_share"].item() == pytest.approx(1.0, rel=1e-5)
