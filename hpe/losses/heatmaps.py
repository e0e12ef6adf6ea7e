"""The loss on heatmaps of joints."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def gaussian_maps(
    points: Float[Tensor, "*batch 2"], *, height: int, width: int, std_cells: float
) -> Float[Tensor, "*batch height width"]:
    """Return maps that are 1 at a point and fall off as a Gaussian does; all but 0 for points afar.

    Args:
        points: x and y in [-1, 1] from edge to edge of the maps; cells' centres lie half a cell
            inside theirs.
        height: Of the maps, in cells.
        width: Likewise.
        std_cells: Deviation of the Gaussian.
    """
    along = []
    for axis, cells in enumerate((width, height)):
        at = torch.arange(cells, dtype=points.dtype, device=points.device) + 0.5
        place = (points[..., axis, None] + 1) * cells / 2
        along.append((-((at - place) / std_cells).square() / 2).exp())
    return along[1][..., :, None] * along[0][..., None, :]


def heatmap_loss(
    maps: Float[Tensor, "batch 21 height width"],
    true_plane: Float[Tensor, "batch 21 2"],
    *,
    valid: Bool[Tensor, "batch 21"],
    std_cells: float,
) -> Float[Tensor, ""]:
    """Return the mean squared difference of a cell from `gaussian_maps`, over the valid joints.

    Args:
        maps: Predicted.
        true_plane: Where joints are seen, in [-1, 1].
        valid: Joints that count; a batch without one has loss 0.
        std_cells: Deviation of the Gaussians.
    """
    height, width = maps.shape[-2:]
    wanted = gaussian_maps(true_plane, height=height, width=width, std_cells=std_cells)
    errors = (maps - wanted).square().mean(dim=(-2, -1))
    return errors.masked_fill(~valid, 0.0).sum() / valid.sum().clamp(min=1)
