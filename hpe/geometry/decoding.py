"""From a pose head's output to pixels, and from pixels to metres.

A pose head emits (u_n, v_n, zr) per joint: the keypoint in normalised coordinates of a square input
(-1 at the left and top edge, 1 at the right and bottom edge) and the root-relative depth in bone
lengths (see `hpe.geometry.root_depth`).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from hpe.geometry.root_depth import (
    DEPTH_LIMITS,
    bone_length_m,
    lift,
    root_depth_from_25d,
)
from hpe.geometry.skeleton import SCALE_BONE, WRIST


def decode_pose(
    output: Float[Tensor, "batch 21 3"], *, image_px: int, root: int = WRIST
) -> tuple[Float[Tensor, "batch 21 2"], Float[Tensor, "batch 21"]]:
    """Return keypoints in pixels of the network's input, and relative depths.

    The root's relative depth is 0 by definition, so what the head says about it is dropped.
    """
    keypoints_px = (output[..., :2] + 1) * (image_px / 2)
    is_root = torch.arange(output.shape[1], device=output.device) == root
    return keypoints_px, output[..., 2].masked_fill(is_root, 0.0)


def encode_pose(
    keypoints_px: Float[Tensor, "batch 21 2"],
    depth_rel: Float[Tensor, "batch 21"],
    *,
    image_px: int,
) -> Float[Tensor, "batch 21 3"]:
    """Return the head output that `decode_pose` turns into these: its exact inverse."""
    return torch.cat([keypoints_px * (2 / image_px) - 1, depth_rel[..., None]], dim=-1)


def lift_at_true_root(
    keypoints_px: Float[Tensor, "batch 21 2"],
    depth_rel: Float[Tensor, "batch 21"],
    intrinsics: Float[Tensor, "batch 3 3"],
    *,
    true_joints_m: Float[Tensor, "batch 21 3"],
    root: int = WRIST,
    bone: tuple[int, int] = SCALE_BONE,
) -> Float[Tensor, "batch 21 3"]:
    """Lift with the true root depth and scale: what `val/root_epe_mm` scores, after centring.

    The pose alone is judged; `lift_absolute` adds the error of the analytic root depth.
    """
    scale_m = bone_length_m(true_joints_m, bone=bone)
    true_zh = true_joints_m[:, root, 2] / scale_m
    return lift(keypoints_px, depth_rel, true_zh, scale_m, intrinsics)


def lift_absolute(
    keypoints_px: Float[Tensor, "batch 21 2"],
    depth_rel: Float[Tensor, "batch 21"],
    intrinsics: Float[Tensor, "batch 3 3"],
    *,
    scale_m: Float[Tensor, " batch"],
    bone: tuple[int, int] = SCALE_BONE,
    limits: tuple[float, float] = DEPTH_LIMITS,
) -> Float[Tensor, "batch 21 3"]:
    """Lift with the analytic root depth and a given scale (FreiHAND gives it at test time)."""
    zh = root_depth_from_25d(keypoints_px, depth_rel, intrinsics, bone=bone, limits=limits)
    return lift(keypoints_px, depth_rel, zh, scale_m, intrinsics)
