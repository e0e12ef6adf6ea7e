"""Bins along the axes of a box in space: where a distribution over them has its mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Unit = Literal["mm", "bone"]
Axes = tuple[float, float, float]


@dataclass(frozen=True)
class Box:
    """The part of space that a network can speak of, along x, y and z.

    A share of 0 is the low end of an axis, 1 the high one.

    Attributes:
        low: Where the first bin begins.
        high: Where the last bin ends.
    """

    low: Axes
    high: Axes

    def points(self, shares: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Return the points at these shares of the axes."""
        low = shares.new_tensor(self.low)
        return low + shares * (shares.new_tensor(self.high) - low)

    def shares(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Return at which shares of the axes points lie; outside of the box below 0 or above 1."""
        low = points.new_tensor(self.low)
        return (points - low) / (points.new_tensor(self.high) - low)


S2_BOXES: Mapping[Unit, Box] = MappingProxyType(
    {
        "mm": Box((-127.43, -135.16, 297.07), (121.29, 129.38, 1040.36)),
        "bone": Box((-5.50, -5.79, 8.36), (4.91, 4.52, 52.78)),
    }
)
"""S2's: what its FreiHAND spans, in mm and in lengths of the index finger's MCP-PIP bone."""


def mean_share(
    logits: Float[Tensor, "*batch bins"], *, from_edge: bool = False
) -> Float[Tensor, "*batch"]:
    """Return the mean share of an axis under a softmax over its bins: a soft argmax.

    Bins are counted from 0. The middle of bin i lies at share (i + 1/2) / bins.

    Args:
        logits: One per bin.
        from_edge: Put bin i at share i / bins, as S2 does, half a bin lower; the high end of the
            box is then a whole bin out of reach.
    """
    bins = logits.shape[-1]
    at = torch.arange(bins, dtype=logits.dtype, device=logits.device) + (0.0 if from_edge else 0.5)
    return (logits.softmax(dim=-1) * at).sum(-1) / bins
