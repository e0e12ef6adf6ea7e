"""What the adversary gives the segmenter, and what it learns itself."""

import pytest
import torch
from torch import nn

from hpe.losses.segmentation import by_hand
from hpe.models.mask_discriminators import DiscriminatorConfig
from hpe.phases.mask_run import build_adversary
from hpe.phases.precision import Numerics
from hpe.phases.segmentation_config import AdversaryConfig, PairedConfig

NUMERICS = Numerics(torch.device("cpu"), "fp32", channels_last=False)


def adversary(discriminator=None, *, trains=True, **settings):
    return build_adversary(
        DiscriminatorConfig(**(discriminator or {})),
        AdversaryConfig(**settings),
        PairedConfig(),
        numerics=NUMERICS,
        steps_per_epoch=1,
        seed=0,
        trains=trains,
    )


def network_and_logits():
    torch.manual_seed(0)
    network = nn.Conv2d(3, 34, 3, padding=1)
    return network, by_hand(network(torch.rand(2, 3, 64, 64)))


@pytest.mark.parametrize("masks", ["soft", "straight_through"])
@pytest.mark.parametrize("trains", [True, False])
def test_the_adversarial_gradient_reaches_the_segmenter(masks, trains):
    network, logits = network_and_logits()
    adversary({"masks": masks}, trains=trains).heard(logits).backward()
    assert (network.weight.grad.abs() > 0).all()


def test_in_the_original_way_the_adversarial_gradient_is_zero():
    network, logits = network_and_logits()
    term = adversary({"kind": "s3", "compat": "s3"}).heard(logits)
    assert term > 0
    (term + 0 * logits.sum()).backward()
    assert (network.weight.grad == 0).all()


def test_hearing_the_discriminator_leaves_it_without_gradients_and_learning():
    judge = adversary()
    _, logits = network_and_logits()
    judge.heard(logits).backward()
    parameters = list(judge.discriminator.parameters())
    assert all(parameter.grad is None for parameter in parameters)
    assert all(parameter.requires_grad for parameter in parameters)


def test_being_taught_gives_the_segmenter_no_gradient():
    network, logits = network_and_logits()
    adversary().taught([logits], [torch.zeros(2, 2, 64, 64, dtype=torch.uint8)], step=0)
    assert network.weight.grad is None


@pytest.mark.parametrize("loss", ["bce", "least_squares", "hinge"])
def test_it_learns_to_tell_predictions_from_masks(loss):
    judge = adversary(loss=loss, optimizer={"lr": 2e-4})
    _, logits = network_and_logits()
    masks = torch.zeros(2, 2, 64, 64, dtype=torch.uint8)
    masks[:, :, 20:40, 20:40] = 5
    judge.start_epoch()
    losses = [float(judge.taught([logits], [masks], step=step)) for step in range(8)]
    assert losses[-1] < losses[0]


def test_two_batches_of_a_step_teach_as_one_of_both_does():
    _, logits = network_and_logits()
    masks = torch.randint(0, 17, (2, 2, 64, 64), dtype=torch.uint8)
    whole, parts = (adversary(optimizer={"lr": 1e-3}, r1_weight=0.5) for _ in range(2))
    for judge in (whole, parts):
        judge.discriminator.eval()  # power iterations move in training mode
    both = whole.taught([logits], [masks], step=0)
    halves = parts.taught([logits[:1], logits[1:]], [masks[:1], masks[1:]], step=0)
    torch.testing.assert_close(both, halves)
    first, second = whole.discriminator.state_dict(), parts.discriminator.state_dict()
    for name, weight in first.items():
        # Adam's first step is as long as its rate wherever the gradient's sign is sure.
        differs = (weight - second[name]).abs() > 1e-5
        assert differs.float().mean() < 0.01


def test_a_discriminator_that_learns_no_more_is_in_evaluation_mode():
    heard = adversary(trains=False)
    heard.start_epoch()
    assert not heard.discriminator.training
    assert not any(parameter.requires_grad for parameter in heard.discriminator.parameters())
