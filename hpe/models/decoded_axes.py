"""What a decoder says of a batch of hands."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class DecodedAxes(NamedTuple):
    """Where joints are, and what a decoder said on its way there.

    Attributes:
        shares: Where each joint is, in shares of the box's axes.
        logits: Of the distributions behind it; no bins where there are none.
        plane: Where it is seen, x and y in [-1, 1] from edge to edge of the view; None of decoders
            that go straight to space.
        heatmaps: Maps behind `plane`, near 1 where the joint is and 0 elsewhere; None of decoders
            that have none.
    """

    shares: Float[Tensor, "batch 21 3"]
    logits: Float[Tensor, "batch 21 3 bins"]
    plane: Float[Tensor, "batch 21 2"] | None = None
    heatmaps: Float[Tensor, "batch 21 rows columns"] | None = None


def without_bins(
    shares: Float[Tensor, "batch 21 3"],
    *,
    plane: Float[Tensor, "batch 21 2"] | None = None,
    heatmaps: Float[Tensor, "batch 21 rows columns"] | None = None,
) -> DecodedAxes:
    """Return what a decoder says that has no distributions along axes."""
    return DecodedAxes(shares, shares.new_zeros(*shares.shape, 0), plane, heatmaps)
