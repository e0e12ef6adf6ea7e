"""Undoing a view's geometry in projection space: what makes a contrastive loss equivariant (PeCLR).

A projection of even length is read as points in the plane of its view, in normalised coordinates (x
right, y down, -1 to 1 across the image). Bringing the points of both views back to the reference
crop before they are compared asks the encoder to move its features as the image moved.

Only elementwise arithmetic is used, so that autocast leaves the precision alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize


def as_points(projections: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch points 2"]:
    """Read each projection as dim / 2 points (x, y).

    Raises:
        ValueError: If the dimension is odd.
    """
    if projections.shape[1] % 2:
        raise ValueError(
            f"an equivariant projection needs an even size, got {projections.shape[1]}."
        )
    return projections.reshape(projections.shape[0], -1, 2)


def undo_affine(
    points: Float[Tensor, "batch points 2"], affine: Float[Tensor, "batch 2 3"]
) -> Float[Tensor, "batch points 2"]:
    """Return the points moved back from their view to the reference crop, exactly.

    Args:
        points: Points in normalised coordinates of the view.
        affine: The view's (A | t), with view = A reference + t in normalised coordinates: rotation,
            zoom and shift together.

    Returns:
        A^-1 (points - t); not a number where A is singular, which no view is.
    """
    x, y = (points - affine[:, None, :, 2]).unbind(-1)
    a, b = affine[:, 0, 0, None], affine[:, 0, 1, None]
    c, d = affine[:, 1, 0, None], affine[:, 1, 1, None]
    determinant = a * d - b * c
    return torch.stack([(d * x - b * y) / determinant, (a * y - c * x) / determinant], dim=-1)


def undo_peclr(
    points: Float[Tensor, "batch points 2"],
    *,
    angle_deg: Float[Tensor, " batch"],
    shift: Float[Tensor, "batch 2"],
) -> Float[Tensor, "batch points 2"]:
    """Undo a view as PeCLR's code does (Spurr et al., ICCV 2021): an approximation, kept by name.

    The steps are: normalise the whole projection to length 1, which is all that is done about zoom;
    move it back by the view's shift as a share of the projection's own range on each axis; turn it
    back about its own mean point. Range and mean are detached. Differs from the original code in
    one point: there the shift is in pixels before resizing but divided by the size after it.

    Args:
        points: Points in normalised coordinates of the view.
        angle_deg: The view's turn, counter-clockwise on screen.
        shift: The view's shift in normalised coordinates (2 is the whole image).

    Returns:
        Points for `nt_xent`, which normalises them once more.
    """
    points = normalize(points.flatten(1)).reshape(points.shape)
    spread = (points.amax(1, keepdim=True) - points.amin(1, keepdim=True)).detach()
    points = points - shift[:, None] / 2 * spread
    return rotate_about_mean(points, -angle_deg)


def rotate_about_mean(
    points: Float[Tensor, "batch points 2"], angle_deg: Float[Tensor, " batch"]
) -> Float[Tensor, "batch points 2"]:
    """Turn points counter-clockwise on screen (y down) about their detached mean point."""
    centre = points.mean(1, keepdim=True).detach()
    x, y = (points - centre).unbind(-1)
    radians = torch.deg2rad(angle_deg)[:, None]
    cos, sin = radians.cos(), radians.sin()
    return centre + torch.stack([cos * x + sin * y, cos * y - sin * x], dim=-1)
