"""Similarity (Procrustes) alignment of predicted to true joints: the proper one and FreiHAND's."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def align_similarity(
    predicted_m: Float[Tensor, "batch points 3"],
    true_m: Float[Tensor, "batch points 3"],
    *,
    valid: Bool[Tensor, "batch points"] | None = None,
) -> Float[Tensor, "batch points 3"]:
    """Return predictions under the scale, proper rotation and translation nearest to the truth.

    Least squares over valid points with the determinant fixed to +1 (Umeyama, 1991): a mirrored
    hand stays wrong. A prediction collapsed to one point becomes the truth's centroid.
    """
    weights = _weights(predicted_m, valid)
    predicted, _ = _centred(predicted_m, weights)
    true, true_mean = _centred(true_m, weights)
    u, singular, vt = torch.linalg.svd((weights * true).mT @ predicted)
    sign = torch.ones_like(singular)
    sign[:, 2] = torch.where(torch.linalg.det(u @ vt) < 0, -1.0, 1.0)
    rotation = (u * sign[:, None]) @ vt
    spread = (weights * predicted.square()).sum((1, 2)).clamp(min=torch.finfo(true.dtype).tiny)
    scale = (singular * sign).sum(-1) / spread
    aligned: Tensor = scale[:, None, None] * predicted @ rotation.mT + true_mean
    return aligned


def align_official_freihand(
    predicted_m: Float[Tensor, "batch points 3"], true_m: Float[Tensor, "batch points 3"]
) -> Float[Tensor, "batch points 3"]:
    """Return predictions aligned as FreiHAND's evaluation does, for comparing with its leaderboard.

    As `align_similarity` for all points, but a reflection is allowed: a mirrored hand scores 0.
    Follows `align_w_scale` of its eval code: both sets divided by their norm (+ 1e-8), rotation and
    scale from the orthogonal Procrustes problem without a determinant check.
    """
    weights = _weights(predicted_m, None)
    predicted, _ = _centred(predicted_m, weights)
    true, true_mean = _centred(true_m, weights)
    predicted_norm = torch.linalg.matrix_norm(predicted)[:, None, None] + 1e-8
    true_norm = torch.linalg.matrix_norm(true)[:, None, None] + 1e-8
    u, singular, vt = torch.linalg.svd((true / true_norm).mT @ (predicted / predicted_norm))
    scale = singular.sum(-1)[:, None, None] * true_norm
    aligned: Tensor = scale * (predicted / predicted_norm) @ (u @ vt).mT + true_mean
    return aligned


def _weights(
    points: Float[Tensor, "batch points 3"], valid: Bool[Tensor, "batch points"] | None
) -> Float[Tensor, "batch points 1"]:
    """Return one weight per point, 1 in sum over a sample's valid points."""
    if valid is None:
        return torch.full_like(points[..., :1], 1 / points.shape[1])
    weights = valid.to(points.dtype)[..., None]
    return weights / weights.sum(1, keepdim=True).clamp(min=1)


def _centred(
    points: Float[Tensor, "batch points 3"], weights: Float[Tensor, "batch points 1"]
) -> tuple[Float[Tensor, "batch points 3"], Float[Tensor, "batch 1 3"]]:
    mean = (weights * points).sum(1, keepdim=True)
    return points - mean, mean
