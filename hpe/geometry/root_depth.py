"""The scale-normalised 2.5D pose and the depth of its root (Iqbal et al., ECCV 2018).

A hand is its keypoints (u, v), each joint's depth behind the root in units of one bone's length,
zr_k = (Z_k - Z_r) / s, and that length s in metres. Bone and root are arguments; the defaults are
the wrist and FreiHAND's middle MCP-PIP, the only bone whose length its test set gives.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hpe.geometry.camera import project, rays
from hpe.geometry.skeleton import SCALE_BONE, WRIST

DEPTH_LIMITS = (3.0, 120.0)
"""Root depths in bone lengths that are believed: for a 4 cm bone 0.12 to 4.8 m.

PeCLR's released model believes (4, 50), which hands seen through a long lens exceed.
"""

FALLBACK_DEPTH = 15.0
"""Root depth in bone lengths where the bone points at the camera: a 4 cm bone at 0.6 m."""

SHORTEST_BONE = 1e-3
"""Bones that look shorter than this on the plane z = 1 (0.5 px at f = 500 px) tell no depth."""


@dataclass(frozen=True)
class Pose25D:
    """Poses in 2.5D.

    Attributes:
        keypoints_px: Projections (u, v).
        depth_rel: Depth behind the root, in lengths of the scale bone; the root's is 0.
        scale_m: Length of the scale bone.
    """

    keypoints_px: Float[Tensor, "batch 21 2"]
    depth_rel: Float[Tensor, "batch 21"]
    scale_m: Float[Tensor, " batch"]


def bone_length_m(
    joints_m: Float[Tensor, "batch 21 3"], *, bone: tuple[int, int] = SCALE_BONE
) -> Float[Tensor, " batch"]:
    """Return the length of the bone between two joints."""
    near, far = bone
    return (joints_m[:, near] - joints_m[:, far]).square().sum(-1).sqrt()


def to_25d(
    joints_m: Float[Tensor, "batch 21 3"],
    intrinsics: Float[Tensor, "batch 3 3"],
    *,
    root: int = WRIST,
    bone: tuple[int, int] = SCALE_BONE,
) -> Pose25D:
    """Return the 2.5D pose of joints in camera coordinates."""
    scale_m = bone_length_m(joints_m, bone=bone)
    depth_m = joints_m[..., 2]
    return Pose25D(
        keypoints_px=project(joints_m, intrinsics),
        depth_rel=(depth_m - depth_m[:, root, None]) / scale_m[:, None],
        scale_m=scale_m,
    )


def root_depth_from_25d(
    keypoints_px: Float[Tensor, "batch 21 2"],
    depth_rel: Float[Tensor, "batch 21"],
    intrinsics: Float[Tensor, "batch 3 3"],
    *,
    bone: tuple[int, int] = SCALE_BONE,
    limits: tuple[float, float] = DEPTH_LIMITS,
    fallback: float = FALLBACK_DEPTH,
) -> Float[Tensor, " batch"]:
    """Return the root's depth, in bone lengths, at which the scale bone has length 1.

    Solves a zh^2 + b zh + c = 0 (eq. 6 and 7 of Iqbal et al., with x, y on the plane z = 1, not in
    pixels) for the larger root. One pixel of error at one end of the bone moves a hand at 0.6 m by
    about 2 cm, so report errors that depend on it beside root-relative ones.

    Where no depth gives the bone length 1 (noisy predictions), the depth that comes closest, the
    parabola's vertex, is returned. Where the bone points at the camera (its image is shorter than
    `SHORTEST_BONE`), its image says nothing about depth and `fallback` is returned.

    Args:
        keypoints_px: Keypoints (u, v) under `intrinsics`.
        depth_rel: Depths behind the root in bone lengths.
        intrinsics: Pixel intrinsics of the (view of the) camera.
        bone: The two joints whose distance is the unit.
        limits: Solutions are clamped to this range, in bone lengths.
        fallback: The depth in the degenerate case, in bone lengths.
    """
    xy = rays(keypoints_px, intrinsics)[..., :2]
    n, m = bone
    xy_n, xy_m, z_n, z_m = xy[:, n], xy[:, m], depth_rel[:, n], depth_rel[:, m]
    inner = (xy_n * xy_m).sum(-1)
    a = (xy_n - xy_m).square().sum(-1)
    b = 2 * (z_n * (xy_n.square().sum(-1) - inner) + z_m * (xy_m.square().sum(-1) - inner))
    along = (xy_n * z_n[:, None] - xy_m * z_m[:, None]).square().sum(-1)
    c = along + (z_n - z_m).square() - 1
    # A positive floor instead of 0 keeps the square root's gradient finite.
    discriminant = (b.square() - 4 * a * c).clamp(min=torch.finfo(a.dtype).tiny)
    shortest = SHORTEST_BONE**2
    depth = (discriminant.sqrt() - b) / (2 * a.clamp(min=shortest))
    depth = depth.clamp(*limits)
    return torch.where(a < shortest, torch.full_like(depth, fallback), depth)


def lift(
    keypoints_px: Float[Tensor, "batch 21 2"],
    depth_rel: Float[Tensor, "batch 21"],
    zh: Float[Tensor, " batch"],
    scale_m: Float[Tensor, " batch"],
    intrinsics: Float[Tensor, "batch 3 3"],
) -> Float[Tensor, "batch 21 3"]:
    """Return camera coordinates J_k = s (zr_k + zh) K^-1 (u_k, v_k, 1), in metres.

    Args:
        keypoints_px: Keypoints (u, v) under `intrinsics`.
        depth_rel: Depths behind the root in bone lengths.
        zh: Root depth in bone lengths, true or from `root_depth_from_25d`.
        scale_m: Bone length in metres.
        intrinsics: Pixel intrinsics of the (view of the) camera.
    """
    depth_m = (depth_rel + zh[:, None]) * scale_m[:, None]
    return rays(keypoints_px, intrinsics) * depth_m[..., None]
