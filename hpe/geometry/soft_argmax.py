"""Where a map of logits has its mass: the differentiable form of an argmax."""

import torch
from jaxtyping import Float
from torch import Tensor


def soft_argmax(
    logits: Float[Tensor, "*batch height width"],
) -> Float[Tensor, "*batch 2"]:
    """Return the mean cell (x, y), counted from 0, under a softmax over all cells.

    x, the column, comes first (Sun et al., 2018, eq. 3; S0's code put the row first).
    """
    height, width = logits.shape[-2:]
    mass = logits.flatten(-2).softmax(dim=-1).reshape(logits.shape)
    columns = torch.arange(width, dtype=mass.dtype, device=mass.device)
    rows = torch.arange(height, dtype=mass.dtype, device=mass.device)
    x = (mass.sum(dim=-2) * columns).sum(dim=-1)
    y = (mass.sum(dim=-1) * rows).sum(dim=-1)
    return torch.stack([x, y], dim=-1)


def normalized_from_cells(
    cells: Float[Tensor, "*batch 2"], *, height: int, width: int
) -> Float[Tensor, "*batch 2"]:
    """Return points (x, y) of a map in coordinates that span [-1, 1] from edge to edge.

    The centre of cell 0 lies half a cell inside the left edge, at -1 + 1 / width.
    """
    return (2 * cells + 1) / cells.new_tensor([width, height]) - 1
