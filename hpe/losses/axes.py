"""Losses on points in space and on distributions over the bins of their axes."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

PointLoss = Literal["mse", "l1"]
Divergence = Literal["jensen_shannon", "as_published"]
Softening = Literal["gaussian", "as_published"]


def point_loss(
    points: Float[Tensor, "batch 21 axes"],
    true_points: Float[Tensor, "batch 21 axes"],
    *,
    valid: Bool[Tensor, "batch 21"],
    kind: PointLoss,
) -> Float[Tensor, ""]:
    """Return the mean squared or absolute error of a coordinate, over the batch's valid joints.

    Args:
        points: Predicted, in any unit; `mse` is in its square.
        true_points: Their targets.
        valid: Joints that count; a batch without one has loss 0.
        kind: Which.
    """
    error = points - true_points
    size = error.square() if kind == "mse" else error.abs()
    return _mean_of(size.mean(dim=-1), valid)


def soft_targets(
    true_shares: Float[Tensor, "batch 21 3"],
    *,
    bins: int,
    std_bins: float,
    softening: Softening = "gaussian",
) -> Float[Tensor, "batch 21 3 bins"]:
    """Return distributions over bins around the true places.

    Args:
        true_shares: Places in shares of the axes; the middle of bin i lies at (i + 1/2) / bins.
        bins: Per axis.
        std_bins: Deviation of the Gaussian.
        softening: `gaussian` normalises it. `as_published` is S2's: the softmax of its values,
            which lie between 0 and 1, so that no bin has more than e times another's mass.
    """
    middles = torch.arange(bins, dtype=true_shares.dtype, device=true_shares.device) + 0.5
    distance = (middles - true_shares[..., None] * bins) / std_bins
    exponent = -distance.square() / 2
    values = exponent if softening == "gaussian" else exponent.exp()
    return values.softmax(dim=-1)


def distribution_loss(
    logits: Float[Tensor, "batch 21 3 bins"],
    targets: Float[Tensor, "batch 21 3 bins"],
    *,
    valid: Bool[Tensor, "batch 21"],
    divergence: Divergence,
) -> Float[Tensor, ""]:
    """Return the mean divergence of predicted distributions from their targets, in nats.

    With the mixture m = (p + q) / 2, Jensen and Shannon's is (KL(p || m) + KL(q || m)) / 2, at most
    ln 2. As S2 wrote it, it is (KL(m || p) + KL(m || q)) / 2, which has no bound.

    Args:
        logits: Of the predicted distributions p.
        targets: q.
        valid: Joints that count; a batch without one has loss 0.
        divergence: Which.
    """
    log_p = logits.log_softmax(dim=-1)
    log_q = targets.clamp(min=torch.finfo(targets.dtype).tiny).log()
    log_m = torch.logaddexp(log_p, log_q) - torch.log(log_p.new_tensor(2.0))
    if divergence == "jensen_shannon":
        parts = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
    else:
        parts = log_m.exp() * (2 * log_m - log_p - log_q)
    return _mean_of(parts.sum(dim=-1).mean(dim=-1) / 2, valid)


def _mean_of(errors: Float[Tensor, "*dims"], valid: Bool[Tensor, "*dims"]) -> Float[Tensor, ""]:
    return errors.masked_fill(~valid, 0.0).sum() / valid.sum().clamp(min=1)
