"""Hands in photographs: crop, predict, crop again around what was predicted; mean over turns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from hpe.evaluation.boxes import (
    HandCrop,
    crop_of_keypoints,
    refined,
    view_affine,
    view_of,
)
from hpe.evaluation.pose_model import PoseModel
from hpe.geometry.affine import inverse, transform
from hpe.geometry.camera import project
from hpe.geometry.decoding import decode_pose, lift_absolute
from hpe.geometry.palm import with_wrist
from hpe.geometry.root_depth import lift

Photograph = UInt8[np.ndarray, "_height _width 3"]

MAX_TURN_DEG = 30.0
"""Views are turned up to so far to either side; hands turned farther are rare in training."""


@dataclass(frozen=True)
class PredictedPoses:
    """Poses in pixels of their photographs, in the order of these.

    Attributes:
        keypoints_px: (u, v); the first is that of the network's root.
        depth_rel: Depth behind the root in lengths of the scale bone.
        crops: The crops that were looked at last.
        limited: Whether a crop around what was predicted was too far from the first one
            (`hpe.evaluation.boxes.is_near`): the network did not recognise a hand there, and the
            pose is that of the first look.
    """

    keypoints_px: Float[Tensor, "hands 21 2"]
    depth_rel: Float[Tensor, "hands 21"]
    crops: tuple[HandCrop, ...]
    limited: tuple[bool, ...]


def turns_deg(count: int) -> tuple[float, ...]:
    """Return angles spread evenly over both sides of upright; one of them is upright if odd.

    Raises:
        ValueError: If there is to be none.
    """
    if count < 1:
        raise ValueError(f"a prediction is the mean over at least 1 view, got {count}.")
    return (0.0,) if count == 1 else tuple(np.linspace(-MAX_TURN_DEG, MAX_TURN_DEG, count).tolist())


def predict_poses(
    model: PoseModel,
    images: Sequence[Photograph],
    crops: Sequence[HandCrop],
    *,
    turns: Sequence[float] = (0.0,),
    refinements: int = 0,
) -> PredictedPoses:
    """Return the pose of the hand in each photograph.

    Turning a view about its middle changes K alone, not the joints in space, so that keypoints
    turned back and relative depths can be averaged over views.

    Args:
        model: The network.
        images: RGB photographs.
        crops: Where to look first.
        turns: Angles of the views that the result is the mean of, in degrees.
        refinements: How often to crop anew around what was predicted, before the last look.

    Raises:
        ValueError: If the number of refinements is negative.
    """

    def wanted(crops: Sequence[HandCrop]) -> list[HandCrop]:
        seen_px, _ = _look(model, images, crops, (0.0,))
        return [crop_of_keypoints(points, root=model.root) for points in seen_px.numpy()]

    last, limited = refined(crops, wanted, refinements=refinements)
    keypoints_px, depth_rel = _look(model, images, last, turns)
    return PredictedPoses(keypoints_px, depth_rel, last, limited)


def hands_in_camera(
    model: PoseModel,
    poses: PredictedPoses,
    intrinsics: Float[Tensor, "hands 3 3"],
    *,
    scale_m: Float[Tensor, " hands"],
    denoised: bool = False,
) -> Float[Tensor, "hands 21 3"]:
    """Return hands in camera coordinates at the analytic root depth, or at the denoised one.

    Args:
        model: What predicted them.
        poses: What it predicted.
        intrinsics: K of the photographs.
        scale_m: Lengths of the scale bone.
        denoised: Use the model's denoiser, which it must have.
    """
    if not denoised:
        lifted_m = lift_absolute(poses.keypoints_px, poses.depth_rel, intrinsics, scale_m=scale_m)
        return with_wrist(lifted_m, model.root)
    assert model.denoiser is not None
    with torch.no_grad():
        depth: Tensor = model.denoiser(
            poses.keypoints_px.to(model.device, torch.float32),
            poses.depth_rel.to(model.device, torch.float32),
            intrinsics.to(model.device, torch.float32),
        )
    lifted_m = lift(poses.keypoints_px, poses.depth_rel, depth.to(scale_m), scale_m, intrinsics)
    return with_wrist(lifted_m, model.root)


def with_wrist_keypoint(
    keypoints_px: Float[Tensor, "hands 21 2"],
    hands_m: Float[Tensor, "hands 21 3"],
    intrinsics: Float[Tensor, "hands 3 3"],
) -> Float[Tensor, "hands 21 2"]:
    """Return the keypoints with the projection of the hand's wrist in the root's place."""
    return torch.cat([project(hands_m[:, :1], intrinsics), keypoints_px[:, 1:]], dim=1)


@torch.no_grad()
def _look(
    model: PoseModel,
    images: Sequence[Photograph],
    crops: Sequence[HandCrop],
    turns: Sequence[float],
) -> tuple[Float[Tensor, "hands 21 2"], Float[Tensor, "hands 21"]]:
    keypoints, depths = [], []
    for turn in turns:
        affines = [view_affine(crop, image_px=model.image_px, turn_deg=turn) for crop in crops]
        views = [
            view_of(image, affine, image_px=model.image_px)
            for image, affine in zip(images, affines, strict=True)
        ]
        output = model.network(torch.from_numpy(np.stack(views))).double().cpu()
        in_view_px, depth_rel = decode_pose(output, image_px=model.image_px)
        pairs = zip(affines, in_view_px.numpy(), strict=True)
        keypoints.append(np.stack([transform(inverse(a), points) for a, points in pairs]))
        depths.append(depth_rel)
    return torch.from_numpy(np.mean(keypoints, axis=0)), torch.stack(depths).mean(dim=0)
