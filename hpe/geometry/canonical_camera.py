"""What a picture alone can say about where things are: poses before a camera that is always alike.

A view's K carries everything that was done to its picture: crop, zoom, shift, turn, flip. A network
that is not told K can neither know focal length nor where the optical axis was. Both maps below are
3x3 matrices C per view, exact and invertible: target = C @ joints, joints = C^-1 @ target.

- `own`: the camera is turned about its optical axis until K is upper triangular with a positive
  diagonal, K = U diag(Q, 1), so that C = diag(Q, 1). Lengths and depths are those of the scene. A
  flip of the picture is a reflection of space: the network sees and says the other hand. This is
  S2's target (it turns about the picture's middle and takes the axis to pass there).
- `canonical`: on top of that the scene is seen by one fixed camera, with the optical axis through
  the middle of the view and a focal length of so many view sides: C = (f_c / f) K_c^-1 K. Points
  stay on their pixels; depths, which no picture without K tells apart from the focal length f,
  count in f / f_c (the canonical camera of Yin et al., Metric3D, 2023, section 3.2).
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Camera = Literal["own", "canonical"]


def upright(
    intrinsics: Float[Tensor, "batch 3 3"],
) -> tuple[Float[Tensor, "batch 3 3"], Float[Tensor, "batch 3 3"]]:
    """Return (U, R) with K = U @ R, U upper triangular with positive diagonal, R = diag(Q, 1).

    Q is orthogonal: a turn about the optical axis, with a reflection where K mirrors.
    """
    (a, b), (c, d) = (intrinsics[:, row, :2].unbind(-1) for row in (0, 1))
    length = torch.hypot(c, d)
    determinant = a * d - b * c
    second = torch.stack([c, d], dim=-1) / length[:, None]
    sign = torch.where(determinant < 0, -1.0, 1.0).to(intrinsics)
    first = torch.stack([d, -c], dim=-1) * (sign / length)[:, None]
    turn = torch.eye(3).to(intrinsics).repeat(len(intrinsics), 1, 1)
    turn[:, 0, :2], turn[:, 1, :2] = first, second
    return intrinsics @ turn.mT, turn


def canonical_intrinsics(*, focal: float, side_px: int) -> Float[Tensor, "3 3"]:
    """Return K of the canonical camera.

    Args:
        focal: Its focal length in sides of the view.
        side_px: Side of the view.
    """
    middle = side_px / 2
    return torch.tensor(
        [[focal * side_px, 0.0, middle], [0.0, focal * side_px, middle], [0.0, 0.0, 1.0]],
        dtype=torch.float64,
    )


def target_from_joints(
    intrinsics: Float[Tensor, "batch 3 3"], *, camera: Camera, focal: float, side_px: int
) -> Float[Tensor, "batch 3 3"]:
    """Return the matrix from camera coordinates to those that a network is to say, for each view.

    Args:
        intrinsics: K of the views.
        camera: Whose coordinates these are.
        focal: Focal length of the canonical camera, in sides of the view.
        side_px: Side of the views.
    """
    upper, turn = upright(intrinsics)
    if camera == "own":
        return turn
    focal_px = (upper[:, 0, 0] * upper[:, 1, 1]).sqrt()
    standard = canonical_intrinsics(focal=focal, side_px=side_px).to(intrinsics)
    moved: Tensor = torch.linalg.inv(standard) @ intrinsics
    return moved * (focal * side_px / focal_px)[:, None, None]
