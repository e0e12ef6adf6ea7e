"""Mask losses against torch's and segmentation-models-pytorch's, and hand-computed cases."""

import math

import pytest
import torch
from torch.nn import functional

from hpe.losses.segmentation import CLASS_WEIGHTS, by_hand, dice_loss, jaccard_loss, mask_loss
from hpe.models.torchvision_on_cpu import make_torchvision_importable

make_torchvision_importable()
from segmentation_models_pytorch.losses import DiceLoss, JaccardLoss  # noqa: E402


def batch_of(seed=0, num_classes=17, present=12, side=6):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(3, num_classes, side, side, generator=generator)
    masks = torch.randint(0, present, (3, side, side), generator=generator)
    return logits, masks


def certain(masks, num_classes, logit=200.0):
    return logit * functional.one_hot(masks, num_classes).movedim(-1, 1).float()


@pytest.mark.parametrize(
    ("ours", "reference", "smooth"),
    # The package writes Dice as a Tversky index now, in which its smoothing counts twice.
    [(dice_loss, DiceLoss, 0.05), (jaccard_loss, JaccardLoss, 0.1)],
)
def test_region_losses_are_those_that_s3_took_from_a_package(ours, reference, smooth):
    logits, masks = batch_of()
    expected = reference(mode="multiclass", from_logits=True, smooth=smooth)(logits, masks)
    torch.testing.assert_close(ours(logits, masks), expected)


def test_dice_of_a_hand_computed_case():
    masks = torch.tensor([[[0, 0, 1, 1]]])
    predicted = torch.tensor([[[0, 1, 1, 1]]])
    # background: I 1, P 1, T 2; part 1: I 2, P 3, T 2; part 2 is absent and counts as 0.
    expected = ((1 - 2.1 / 3.1) + (1 - 4.1 / 5.1) + 0) / 3
    assert float(dice_loss(certain(predicted, 3), masks)) == pytest.approx(expected)


def test_jaccard_of_a_hand_computed_case():
    masks = torch.tensor([[[0, 0, 1, 1]]])
    predicted = torch.tensor([[[0, 1, 1, 1]]])
    expected = ((1 - 1.1 / 2.1) + (1 - 2.1 / 3.1) + 0) / 3
    assert float(jaccard_loss(certain(predicted, 3), masks)) == pytest.approx(expected)


def test_predicting_an_absent_class_costs_nothing_in_its_own_region_term():
    masks = torch.zeros(1, 1, 4, dtype=torch.long)
    predicted = torch.tensor([[[0, 0, 0, 2]]])
    assert float(dice_loss(certain(predicted, 3), masks)) == pytest.approx((1 - 6.1 / 7.1) / 3)


def test_a_perfect_prediction_has_no_loss():
    masks = torch.randint(0, 17, (2, 2, 8, 8), dtype=torch.uint8)
    logits = torch.stack([certain(masks[:, hand].long(), 17) for hand in range(2)], dim=1)
    for region in ("dice", "jaccard"):
        terms = mask_loss(
            logits, masks, class_weights=torch.tensor(CLASS_WEIGHTS["s3"]), region=region
        )
        assert float(terms.ce) == pytest.approx(0.0, abs=1e-6)
        assert float(terms.region) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", CLASS_WEIGHTS)
def test_cross_entropy_is_weighted_and_averaged_by_weight_for_each_hand(name):
    left, right = batch_of(1), batch_of(2)
    weights = torch.tensor(CLASS_WEIGHTS[name])
    expected = 0.0
    for logits, masks in (left, right):
        log_probs = logits.log_softmax(dim=1)
        total, weight_sum = 0.0, 0.0
        for image in range(3):
            for v in range(6):
                for u in range(6):
                    part = int(masks[image, v, u])
                    total -= float(weights[part] * log_probs[image, part, v, u])
                    weight_sum += float(weights[part])
        expected += total / weight_sum
    terms = mask_loss(
        torch.stack([left[0], right[0]], dim=1),
        torch.stack([left[1], right[1]], dim=1).to(torch.uint8),
        class_weights=weights,
        region="dice",
    )
    assert float(terms.ce) == pytest.approx(expected, rel=1e-5)
    assert float(terms.region) == pytest.approx(float(dice_loss(*left) + dice_loss(*right)))


def test_a_network_that_knows_nothing_loses_the_logarithm_of_the_classes_per_hand():
    masks = torch.zeros(1, 2, 4, 4, dtype=torch.uint8)
    terms = mask_loss(
        torch.zeros(1, 2, 17, 4, 4), masks, class_weights=torch.ones(17), region="dice"
    )
    assert float(terms.ce) == pytest.approx(2 * math.log(17))


def test_class_weights_are_the_published_ones():
    assert CLASS_WEIGHTS["s3"] == (
        *(0.1, 0.8, 0.8, 0.8, 0.8, 1.0, 1.0, 1.0, 0.35),
        *(0.35, 0.8, 0.8, 1.0, 0.8, 0.8, 0.8, 0.8),
    )
    assert CLASS_WEIGHTS["s3_alternative"] == (
        *(0.07, 4.2, 4.2, 4.2, 4.2, 4.2, 4.2, 4.2, 0.4),
        *(0.4, 4.2, 4.2, 4.2, 4.2, 4.2, 4.2, 4.2),
    )
    assert CLASS_WEIGHTS["uniform"] == (1.0,) * 17


def test_the_first_seventeen_channels_are_the_left_hands():
    channels = torch.arange(34.0).reshape(1, 34, 1, 1)
    hands = by_hand(channels)
    assert hands[0, 0].flatten().tolist() == list(range(17))
    assert hands[0, 1].flatten().tolist() == list(range(17, 34))
