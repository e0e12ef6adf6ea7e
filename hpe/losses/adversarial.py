"""What a discriminator of masks reads, and the losses of both sides of a GAN."""

from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from hpe.data.hand_masks import NUM_CLASSES

AdversarialLoss = Literal["bce", "least_squares", "hinge"]
MaskReading = Literal["soft", "straight_through", "ids"]
"""How masks are given to a discriminator: `soft` as probabilities of each class; `straight_through`
as one-hot masks of the most probable class with the gradient of the probabilities (Bengio et al.,
2013); `ids` as S3 did, one map of class ids per hand, through which no gradient flows."""


def read_prediction(
    logits: Float[Tensor, "batch 2 17 height width"], reading: MaskReading
) -> Float[Tensor, "batch channels height width"]:
    """Return a segmenter's output as a discriminator reads it."""
    if reading == "ids":
        return logits.argmax(dim=2).to(logits)
    probs = logits.softmax(dim=2)
    if reading == "straight_through":
        hard = functional.one_hot(logits.argmax(dim=2), NUM_CLASSES).movedim(-1, 2).to(probs)
        probs = hard + probs - probs.detach()
    return probs.flatten(1, 2)


def read_masks(
    masks: UInt8[Tensor, "batch 2 height width"], reading: MaskReading
) -> Float[Tensor, "batch channels height width"]:
    """Return true masks as a discriminator reads them."""
    if reading == "ids":
        return masks.float()
    return functional.one_hot(masks.long(), NUM_CLASSES).movedim(-1, 2).flatten(1, 2).float()


def num_channels(reading: MaskReading) -> int:
    """Return the channels of what a discriminator reads."""
    return 2 if reading == "ids" else 2 * NUM_CLASSES


def discriminator_loss(
    fake: Float[Tensor, "batch *patches"],
    real: Float[Tensor, "real_batch *patches"],
    kind: AdversarialLoss,
) -> Float[Tensor, ""]:
    """Return what a discriminator minimises, the sum of its means over fake and real patches.

    Args:
        fake: Its logits of predictions.
        real: Its logits of true masks.
        kind: Cross-entropy (Goodfellow et al., 2014), least squares with targets 0 and 1 (Mao et
            al., 2017, eq. 2 without its halves) or hinge (Lim and Ye, 2017).
    """
    match kind:
        case "bce":
            return functional.softplus(fake).mean() + functional.softplus(-real).mean()
        case "least_squares":
            return fake.square().mean() + (real - 1).square().mean()
        case "hinge":
            return functional.relu(1 + fake).mean() + functional.relu(1 - real).mean()


def generator_loss(
    fake: Float[Tensor, "batch *patches"], kind: AdversarialLoss
) -> Float[Tensor, ""]:
    """Return what a segmenter minimises so that the discriminator takes its masks for true ones.

    For cross-entropy this is the non-saturating loss.
    """
    match kind:
        case "bce":
            return functional.softplus(-fake).mean()
        case "least_squares":
            return (fake - 1).square().mean()
        case "hinge":
            return -fake.mean()


def r1_penalty(
    real: Float[Tensor, "batch channels height width"],
    logits: Float[Tensor, "batch *patches"],
) -> Float[Tensor, ""]:
    """Return half the mean squared norm of the logits' gradient at real masks.

    Mescheder et al., 2018, eq. 9, without gamma; a map of logits counts as its mean.

    Args:
        real: What the discriminator read; it requires gradients.
        logits: What it said.
    """
    of_images = logits.flatten(1).mean(dim=1)
    (gradient,) = torch.autograd.grad(of_images.sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() / 2
