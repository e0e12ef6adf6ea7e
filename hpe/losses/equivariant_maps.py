"""Undoing a view's geometry in the plane of its maps: equivariance of whole heatmaps (S0)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


def undo_affine_of_maps(
    maps: Float[Tensor, "views channels height width"], affine: Float[Tensor, "views 2 3"]
) -> tuple[Float[Tensor, "views channels height width"], Float[Tensor, "views 1 height width"]]:
    """Resample maps from their views to the reference crop, bilinearly.

    Args:
        maps: Maps whose edges are the edges of their views.
        affine: Reference crop -> view in normalised coordinates. Every cell of the result is looked
            up where this map takes its centre, so that nothing has to be inverted.

    Returns:
        The maps as the reference crop has them, 0 beyond their views' edges; and the share of each
        cell that its view shows, between 0 and 1.
    """
    grid = affine_grid(affine, list(maps.shape), align_corners=False)
    back = grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    with torch.no_grad():
        whole = torch.ones_like(maps[:, :1])
        shown = grid_sample(whole, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return back, shown


def aligned_rows(
    maps: Float[Tensor, "views channels height width"], affine: Float[Tensor, "views 2 3"]
) -> Float[Tensor, "rows cells"]:
    """Return both views' maps over what both show of the reference crop, one channel a row.

    Args:
        maps: Views 0 and 1 are a pair, 2 and 3, and so on.
        affine: The views' maps from the reference crop.

    Returns:
        Rows in the order (pair, channel, view), for a loss that pairs neighbours and normalises
        each: every other row is a negative, other channels of the same image among them.
    """
    back, shown = undo_affine_of_maps(maps, affine)
    by_view = shown.reshape(-1, 2, *shown.shape[1:])
    pairs = back.reshape(-1, 2, *back.shape[1:]) * by_view.prod(dim=1, keepdim=True)
    return pairs.transpose(1, 2).flatten(0, 2).flatten(1)
