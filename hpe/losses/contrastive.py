"""The contrastive objective of SimCLR and PeCLR, and its collapsed level."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from hpe.losses.nt_xent_chunks import MOST_ROWS_AT_ONCE, nearest_rows, nt_xent_in_chunks


def nt_xent(
    anchor: Float[Tensor, "batch dim"],
    positive: Float[Tensor, "batch dim"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """Normalised-temperature cross-entropy over in-batch negatives (Chen et al., 2020, eq. 1).

    Above `MOST_ROWS_AT_ONCE` views the similarities are computed in chunks and never held at once.

    Args:
        anchor: Raw projections of the first view; normalised here.
        positive: Raw projections of the second view; row i pairs with anchor i.
        temperature: Softmax temperature, dimensionless.

    Returns:
        Mean over the 2 * batch anchors, in nats.

    Raises:
        ValueError: If the temperature is not positive or the batch offers no negative.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be > 0, got {temperature}.")
    batch = anchor.shape[0]
    if batch < 2:
        raise ValueError(f"nt_xent needs at least 2 pairs to have a negative, got {batch}.")
    views = normalize(torch.cat([anchor, positive]), dim=-1)
    if len(views) > MOST_ROWS_AT_ONCE:
        return nt_xent_in_chunks(views, temperature=temperature)
    logits = (views @ views.T / temperature).fill_diagonal_(-torch.inf)  # never its own negative
    return cross_entropy(logits, torch.arange(2 * batch, device=views.device).roll(batch))


@torch.no_grad()
def top1_share(
    anchor: Float[Tensor, "batch dim"], positive: Float[Tensor, "batch dim"]
) -> Float[Tensor, ""]:
    """Return the share of the 2 * batch anchors whose positive is the most similar other view."""
    batch = anchor.shape[0]
    views = normalize(torch.cat([anchor, positive]), dim=-1)
    return (
        (nearest_rows(views) == torch.arange(2 * batch, device=views.device).roll(batch))
        .float()
        .mean()
    )


def collapse_level(batch: int) -> float:
    """Return ln(2 * batch - 1): what `nt_xent` gives when all embeddings are the same.

    A loss that stays there has collapsed; alarm on it.
    """
    return math.log(2 * batch - 1)
