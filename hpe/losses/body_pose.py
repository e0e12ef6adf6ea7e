"""The supervised loss on bodies: S4's L1 on coordinates of the volume, and on bone lengths."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hpe.data.bodies import RECTANGLE_MM
from hpe.geometry.body_skeleton import BODY_BONES


@dataclass(frozen=True)
class BodyPoseTerms:
    """The terms of the loss and their weighted sum, in shares of the volume's sides.

    Attributes:
        total: image + depth_weight * depth + bone_weight * bones; what to minimise.
        image: Absolute errors of x and y, summed over joints, per sample.
        depth: The same of z.
        bones: Absolute errors of bone lengths, in shares of the volume's width, summed over bones,
            per sample; 0 where it weighs nothing.
    """

    total: Float[Tensor, ""]
    image: Float[Tensor, ""]
    depth: Float[Tensor, ""]
    bones: Float[Tensor, ""]


def body_pose_loss(
    points: Float[Tensor, "batch 17 3"],
    *,
    true_points: Float[Tensor, "batch 17 3"],
    visible: Bool[Tensor, "batch 17"],
    has_depth: Bool[Tensor, " batch"],
    num_samples: Int[Tensor, ""] | Float[Tensor, ""] | None = None,
    depth_weight: float = 1.0,
    bone_weight: float = 0.0,
    normalised: bool = False,
) -> BodyPoseTerms:
    """Sum errors over joints and coordinates; divide by the samples with any visible joint.

    S4's L1JointRegressionLoss: a sample counts by how many of its joints are annotated, and one
    without depth in x and y alone.

    Args:
        points: Predicted, in S4's coordinates (`hpe.models.volumetric`).
        true_points: Their targets.
        visible: Joints that count; all others get weight and gradient 0.
        has_depth: Samples whose z counts.
        num_samples: What to divide by instead, where this is a part of a larger batch.
        depth_weight: Weight of z (S4's Z_WEIGHT).
        bone_weight: Weight of the bones' lengths, of samples with depth and both ends visible.
        normalised: Divide predictions and targets by their L1 norms over all that counts in this
            batch first (S4's option): then their proportions count, and not their size.
    """
    if num_samples is None:
        num_samples = samples_with_joints(visible)
    per_sample = num_samples.clamp(min=1)
    counts = _counts(visible, has_depth)
    compared, targets = points, true_points
    if normalised:
        compared, targets = _normalised(points, counts), _normalised(true_points, counts)
    errors = (compared - targets).abs().masked_fill(~counts, 0.0).sum(dim=(0, 1)) / per_sample
    image, depth = errors[:2].sum(), errors[2]
    bones = torch.zeros_like(depth)
    if bone_weight > 0:
        bones = _bone_errors(points, true_points, visible & has_depth[:, None]) / per_sample
    return BodyPoseTerms(
        total=image + depth_weight * depth + bone_weight * bones,
        image=image,
        depth=depth,
        bones=bones,
    )


def samples_with_joints(visible: Bool[Tensor, "batch 17"]) -> Int[Tensor, ""]:
    """Return how many samples have a visible joint."""
    return visible.any(dim=1).sum()


def _counts(
    visible: Bool[Tensor, "batch 17"], has_depth: Bool[Tensor, " batch"]
) -> Bool[Tensor, "batch 17 3"]:
    deep = visible & has_depth[:, None]
    return torch.stack([visible, visible, deep], dim=-1)


def _normalised(
    points: Float[Tensor, "batch 17 3"], counts: Bool[Tensor, "batch 17 3"]
) -> Float[Tensor, "batch 17 3"]:
    norm = points.masked_fill(~counts, 0.0).abs().sum()
    return points / norm.clamp(min=torch.finfo(points.dtype).tiny)


def _bone_errors(
    points: Float[Tensor, "batch 17 3"],
    true_points: Float[Tensor, "batch 17 3"],
    known: Bool[Tensor, "batch 17"],
) -> Float[Tensor, ""]:
    parents, children = torch.tensor(BODY_BONES, device=points.device).T
    errors = (bone_lengths(points) - bone_lengths(true_points)).abs()
    return errors.masked_fill(~(known[:, parents] & known[:, children]), 0.0).sum()


def bone_lengths(points: Float[Tensor, "batch 17 3"]) -> Float[Tensor, "batch bones"]:
    """Return the lengths of all bones in shares of the volume's width, which is its depth too.

    The volume is taken for a box, as if the camera were far away.
    """
    parents, children = torch.tensor(BODY_BONES, device=points.device).T
    sides = points.new_tensor([1.0, RECTANGLE_MM[1] / RECTANGLE_MM[0], 1.0])
    lengths: Tensor = torch.linalg.vector_norm(
        (points[:, children] - points[:, parents]) * sides, dim=-1
    )
    return lengths
