"""From pixels and depths back into the camera's space, for torch tensors and numpy arrays."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hpe.geometry.camera import Array


def back_project(
    keypoints_px: Float[Array, "*batch points 2"],
    depth: Float[Array, "*batch points"],
    intrinsics: Float[Array, "*batch 3 3"],
) -> Float[Array, "*batch points 3"]:
    """Return the points in camera coordinates that appear at these pixels at these depths.

    Args:
        keypoints_px: (u, v) in pixels.
        depth: Distance along the optical axis (z), in the unit of the result.
        intrinsics: K with the last row (0, 0, 1); otherwise any invertible affine map.
    """
    linear, offset = intrinsics[..., :2, :2], intrinsics[..., None, :2, 2]
    if isinstance(keypoints_px, Tensor):
        inverse = torch.linalg.inv(linear)
        xy = (keypoints_px - offset) @ inverse.mT
        return torch.cat([xy * depth[..., None], depth[..., None]], dim=-1)
    xy = (keypoints_px - offset) @ np.linalg.inv(linear).swapaxes(-1, -2)
    return np.concatenate([xy * depth[..., None], depth[..., None]], axis=-1)


def body_joints_mm(
    keypoints_px: Float[Array, "*batch points 2"],
    depth_mm: Float[Array, "*batch points"],
    intrinsics: Float[Array, "*batch 3 3"],
    pelvis_depth_mm: Float[Array, "*batch"],
) -> Float[Array, "*batch points 3"]:
    """Return camera-space joints in mm, given depths relative to a pelvis whose depth is known.

    This is how S4 and most "root-relative" papers turn a volumetric prediction into joints: the
    true depth of the pelvis is taken as given.
    """
    return back_project(keypoints_px, depth_mm + pelvis_depth_mm[..., None], intrinsics)
