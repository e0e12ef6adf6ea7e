"""The pinhole camera: projection, viewing rays, and mirroring of left hands.

Intrinsics K map camera coordinates (x right, y down, z forward, metres) to pixels whose centres lie
at integer + 0.5. K's last row is (0, 0, 1), but the rest may be any invertible affine map, since a
view that turns, zooms or shifts its source keeps `u ~ K J` by carrying the map in K.

`project` and the `mirrored_*` functions take torch tensors and numpy arrays alike.
"""

from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def project(
    joints_m: Float[Array, "*batch points 3"], intrinsics: Float[Array, "*batch 3 3"]
) -> Float[Array, "*batch points 2"]:
    """Return the pixels (u, v) where points in front of the camera appear."""
    homogeneous = joints_m @ intrinsics.swapaxes(-1, -2)
    keypoints_px: Array = homogeneous[..., :2] / homogeneous[..., 2:]
    return keypoints_px


def rays(
    keypoints_px: Float[Tensor, "*batch points 2"], intrinsics: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch points 3"]:
    """Return K^-1 (u, v, 1): each pixel's viewing ray, scaled so that its z is exactly 1."""
    inverse = torch.linalg.inv(intrinsics)
    xy = keypoints_px @ inverse[..., :2, :2].mT + inverse[..., None, :2, 2]
    return torch.cat([xy, torch.ones_like(xy[..., :1])], dim=-1)


def mirrored_joints(joints_m: Float[Array, "*batch points 3"]) -> Float[Array, "*batch points 3"]:
    """Return the joints of the mirror image (x -> -x): a left hand becomes a right one."""
    flipped = 0 - joints_m[..., :1]
    return _concatenate(flipped, joints_m[..., 1:])


def mirrored_keypoints(
    keypoints_px: Float[Array, "*batch points 2"], *, width_px: int
) -> Float[Array, "*batch points 2"]:
    """Return where keypoints lie once the image of this width is flipped left to right."""
    return _concatenate(width_px - keypoints_px[..., :1], keypoints_px[..., 1:])


def mirrored_intrinsics(
    intrinsics: Float[Array, "*batch 3 3"], *, width_px: int
) -> Float[Array, "*batch 3 3"]:
    """Return the K that projects mirrored joints onto the flipped image.

    With F the flip of the image and M = diag(-1, 1, 1) that of space, it is F K M, whose focal
    lengths keep their signs; the principal point moves to width - cx.
    """
    first, rest = intrinsics[..., :1, :], intrinsics[..., 1:, :]
    flipped = _concatenate_rows(width_px * intrinsics[..., 2:, :] - first, rest)
    return _concatenate(0 - flipped[..., :1], flipped[..., 1:])


def _concatenate(left: Array, right: Array) -> Array:
    if isinstance(left, Tensor):
        return torch.cat([left, right], dim=-1)
    return np.concatenate([left, right], axis=-1)


def _concatenate_rows(top: Array, bottom: Array) -> Array:
    if isinstance(top, Tensor):
        return torch.cat([top, bottom], dim=-2)
    return np.concatenate([top, bottom], axis=-2)
