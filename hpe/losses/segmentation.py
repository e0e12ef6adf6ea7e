"""Supervised losses on part masks of two hands, as S3 combines them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional

from hpe.data.hand_masks import NUM_CLASSES

SMOOTH = 0.1
"""Added to numerator and denominator of Dice and Jaccard: S3's code."""

ClassWeights = Literal["uniform", "s3", "s3_alternative"]
RegionLoss = Literal["dice", "jaccard"]

CLASS_WEIGHTS: Mapping[ClassWeights, tuple[float, ...]] = MappingProxyType(
    {
        "uniform": (1.0,) * NUM_CLASSES,
        "s3": (0.1, *(0.8,) * 4, *(1.0,) * 3, *(0.35,) * 2, *(0.8,) * 2, 1.0, *(0.8,) * 4),
        "s3_alternative": (0.07, *(4.2,) * 7, *(0.4,) * 2, *(4.2,) * 7),
    }
)
"""Weights of the background and the 16 parts: both of S3's code, and none."""


@dataclass(frozen=True)
class MaskLossTerms:
    """The terms of the supervised loss, each summed over the two hands.

    Attributes:
        ce: Cross-entropy, in nats.
        region: Dice or Jaccard loss, in [0, 2].
    """

    ce: Float[Tensor, ""]
    region: Float[Tensor, ""]


def by_hand(
    logits: Float[Tensor, "batch 34 height width"],
) -> Float[Tensor, "batch 2 17 height width"]:
    """Return a network's output with an axis for the hand, left first, and one for its classes."""
    batch, _, height, width = logits.shape
    return logits.reshape(batch, 2, NUM_CLASSES, height, width)


def mask_loss(
    logits: Float[Tensor, "batch 2 17 height width"],
    masks: UInt8[Tensor, "batch 2 height width"],
    *,
    class_weights: Float[Tensor, " 17"],
    region: RegionLoss,
) -> MaskLossTerms:
    """Return cross-entropy and region loss, each the sum of left and right hand's.

    Args:
        logits: Of each class.
        masks: Class ids.
        class_weights: Of the cross-entropy.
        region: Which loss on regions.
    """
    of_region = dice_loss if region == "dice" else jaccard_loss
    hands = [(logits[:, hand], masks[:, hand].long()) for hand in range(2)]
    return MaskLossTerms(
        ce=torch.stack(
            [functional.cross_entropy(*hand, weight=class_weights) for hand in hands]
        ).sum(),
        region=torch.stack([of_region(*hand) for hand in hands]).sum(),
    )


def dice_loss(
    logits: Float[Tensor, "batch classes height width"],
    masks: Int64[Tensor, "batch height width"],
) -> Float[Tensor, ""]:
    """Return the mean over classes of 1 - (2 I + 0.1) / (P + T + 0.1).

    I, P and T are sums over batch and pixels of the product of softmax and truth, of the softmax,
    and of the truth. A class without a true pixel counts as 0, the background as any other (S3's
    code, after segmentation-models-pytorch).
    """
    both, predicted, true = _sums(logits, masks)
    return _mean_where_true(1 - (2 * both + SMOOTH) / (predicted + true + SMOOTH), true)


def jaccard_loss(
    logits: Float[Tensor, "batch classes height width"],
    masks: Int64[Tensor, "batch height width"],
) -> Float[Tensor, ""]:
    """Return the mean over classes of 1 - (I + 0.1) / (P + T - I + 0.1), as in `dice_loss`."""
    both, predicted, true = _sums(logits, masks)
    return _mean_where_true(1 - (both + SMOOTH) / (predicted + true - both + SMOOTH), true)


def _sums(
    logits: Float[Tensor, "batch classes height width"], masks: Int64[Tensor, "batch height width"]
) -> tuple[Float[Tensor, " classes"], Float[Tensor, " classes"], Float[Tensor, " classes"]]:
    probs = logits.softmax(dim=1)
    truth = functional.one_hot(masks, logits.shape[1]).movedim(-1, 1).to(probs)
    axes = (0, 2, 3)
    return (probs * truth).sum(axes), probs.sum(axes), truth.sum(axes)


def _mean_where_true(
    losses: Float[Tensor, " classes"], true: Float[Tensor, " classes"]
) -> Float[Tensor, ""]:
    return losses.masked_fill(true == 0, 0.0).mean()
