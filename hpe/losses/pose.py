"""The supervised loss on 2.5D poses."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Pose25DTerms:
    """The two terms of the 2.5D loss and their sum.

    Attributes:
        total: keypoints_px + depth_weight * depth_rel; what to minimise.
        keypoints_px: Mean absolute error per keypoint coordinate, in pixels.
        depth_rel: Mean absolute error of the relative depth, in bone lengths.
    """

    total: Float[Tensor, ""]
    keypoints_px: Float[Tensor, ""]
    depth_rel: Float[Tensor, ""]


def pose_25d_loss(
    keypoints_px: Float[Tensor, "batch 21 2"],
    depth_rel: Float[Tensor, "batch 21"],
    *,
    true_keypoints_px: Float[Tensor, "batch 21 2"],
    true_depth_rel: Float[Tensor, "batch 21"],
    valid: Bool[Tensor, "batch 21"],
    depth_weight: float = 5.0,
) -> Pose25DTerms:
    """L1 on keypoints and on relative depths, averaged over the batch's valid joints.

    This is the supervised loss of PeCLR's code (5 is its weight), with the keypoints in pixels of
    the network's input, which makes the balance of the terms depend on the input size.

    Args:
        keypoints_px: Predicted keypoints.
        depth_rel: Predicted depths behind the root, in bone lengths.
        true_keypoints_px: Their targets.
        true_depth_rel: Their targets.
        valid: Joints that count; all others get weight and gradient 0. A batch without a valid
            joint has loss 0.
        depth_weight: Weight of the depth term.
    """
    num_valid = valid.sum().clamp(min=1)
    error_px = (keypoints_px - true_keypoints_px).abs().mean(-1)
    error_rel = (depth_rel - true_depth_rel).abs()
    mean_px = error_px.masked_fill(~valid, 0.0).sum() / num_valid
    mean_rel = error_rel.masked_fill(~valid, 0.0).sum() / num_valid
    return Pose25DTerms(mean_px + depth_weight * mean_rel, mean_px, mean_rel)
