"""Losses of both sides against formulas and torch's, and what flows through each reading."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from hpe.losses.adversarial import (
    discriminator_loss,
    generator_loss,
    num_channels,
    r1_penalty,
    read_masks,
    read_prediction,
)

FAKE, REAL = torch.tensor([[0.5, -2.0]]), torch.tensor([[1.5, 0.25]])


def logits_of(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 2, 17, 8, 8, generator=generator, requires_grad=True)


def test_cross_entropies_are_torchs():
    zeros, ones = torch.zeros_like(FAKE), torch.ones_like(FAKE)
    bce = functional.binary_cross_entropy_with_logits
    torch.testing.assert_close(
        discriminator_loss(FAKE, REAL, "bce"), bce(FAKE, zeros) + bce(REAL, ones)
    )
    torch.testing.assert_close(generator_loss(FAKE, "bce"), bce(FAKE, ones))


def test_least_squares_aim_at_zero_and_one():
    assert float(discriminator_loss(FAKE, REAL, "least_squares")) == pytest.approx(
        (0.25 + 4.0) / 2 + (0.25 + 0.5625) / 2
    )
    assert float(generator_loss(FAKE, "least_squares")) == pytest.approx((0.25 + 9.0) / 2)


def test_hinges_stop_at_a_margin_of_one():
    assert float(discriminator_loss(FAKE, REAL, "hinge")) == pytest.approx(
        (1.5 + 0.0) / 2 + (0.0 + 0.75) / 2
    )
    assert float(generator_loss(FAKE, "hinge")) == pytest.approx((-0.5 + 2.0) / 2)


@pytest.mark.parametrize("kind", ["bce", "least_squares", "hinge"])
def test_both_sides_want_the_opposite_of_a_fake_patch(kind):
    fake = torch.full((1, 1), 0.5, requires_grad=True)
    (from_d,) = torch.autograd.grad(discriminator_loss(fake, REAL[:, :1], kind), fake)
    (from_g,) = torch.autograd.grad(generator_loss(fake, kind), fake)
    assert from_d.item() * from_g.item() < 0


@pytest.mark.parametrize("reading", ["soft", "straight_through"])
def test_a_gradient_reaches_every_logit(reading):
    logits = logits_of()
    read = read_prediction(logits, reading)
    read.mul(torch.randn_like(read)).sum().backward()
    assert (logits.grad.abs() > 0).all()


def test_no_gradient_passes_through_class_ids():
    assert not read_prediction(logits_of(), "ids").requires_grad


@pytest.mark.parametrize("reading", ["soft", "straight_through", "ids"])
def test_certain_predictions_read_as_true_masks_do(reading):
    masks = torch.randint(0, 17, (2, 2, 8, 8), dtype=torch.uint8)
    certain = 200.0 * functional.one_hot(masks.long(), 17).movedim(-1, 2).float()
    read = read_prediction(certain, reading)
    assert read.shape == (2, num_channels(reading), 8, 8)
    torch.testing.assert_close(read, read_masks(masks, reading))


def test_straight_through_is_one_hot_and_soft_is_not():
    logits = logits_of()
    hard = read_prediction(logits, "straight_through").detach()
    torch.testing.assert_close(hard, hard.round())
    assert hard.sum() == 2 * 2 * 64
    soft = read_prediction(logits, "soft").detach()
    assert 0 < soft.min() < soft.max() < 1


def test_the_penalty_of_a_linear_discriminator_is_half_the_square_of_its_weights():
    weights = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
    real = torch.rand(5, 2, 1, 1, requires_grad=True)
    assert float(r1_penalty(real, (weights * real).sum(dim=1))) == pytest.approx(12.5)


def test_the_penalty_teaches_the_discriminator():
    layer = nn.Conv2d(2, 1, 1, bias=False)
    real = torch.rand(2, 2, 1, 1, requires_grad=True)
    r1_penalty(real, layer(real)).backward()
    torch.testing.assert_close(layer.weight.grad, layer.weight.detach())


def test_an_undecided_discriminator_loses_two_logarithms_of_two():
    even = torch.zeros(2, 1, 3, 3)
    assert float(discriminator_loss(even, even, "bce")) == pytest.approx(2 * math.log(2))
