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
    depth_valid: Bool[Tensor, "batch 21"] | None = None,
    depth_weight: float = 5.0,
) -> Pose25DTerms:
    """L1 on keypoints and on relative depths, each averaged over the batch's valid joints.

    This is the supervised loss of PeCLR's code (5 is its weight), with the keypoints in pixels of
    the network's input, which makes the balance of the terms depend on the input size.

    Args:
        keypoints_px: Predicted keypoints.
        depth_rel: Predicted depths behind the root, in lengths of a bone.
        true_keypoints_px: Their targets.
        true_depth_rel: Their targets.
        valid: Joints that count; all others get weight and gradient 0. A batch without a valid
            joint has loss 0.
        depth_valid: Joints whose depth counts; all that are valid where left out.
        depth_weight: Weight of the depth term.
    """
    if depth_valid is None:
        depth_valid = valid
    error_px = (keypoints_px - true_keypoints_px).abs().mean(-1)
    error_rel = (depth_rel - true_depth_rel).abs()
    mean_px, mean_rel = _mean_of(error_px, valid), _mean_of(error_rel, depth_valid)
    return Pose25DTerms(mean_px + depth_weight * mean_rel, mean_px, mean_rel)


def root_depth_loss(
    zh: Float[Tensor, " batch"],
    *,
    true_zh: Float[Tensor, " batch"],
    valid: Bool[Tensor, " batch"],
) -> Float[Tensor, ""]:
    """L1 on the root's depth in bone lengths, averaged over the batch's valid samples.

    Args:
        zh: Denoised depths (`hpe.models.root_denoiser`).
        true_zh: Depth of the root / length of the scale bone.
        valid: Samples whose root and scale bone are annotated; a batch without one has loss 0.
    """
    return _mean_of((zh - true_zh).abs(), valid)


def _mean_of(errors: Float[Tensor, "*dims"], valid: Bool[Tensor, "*dims"]) -> Float[Tensor, ""]:
    return errors.masked_fill(~valid, 0.0).sum() / valid.sum().clamp(min=1)
