"""The fixed-template baseline: what one constant hand scores, beside every result.

A model that does worse than it, or an aligned error that is no better, has learnt nothing about
pose, however small the number looks.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hpe.geometry.root_depth import bone_length_m
from hpe.geometry.skeleton import SCALE_BONE, WRIST
from hpe.metrics.alignment import align_similarity
from hpe.metrics.pose import pa_epe, root_epe, root_relative

ALIGNMENT_ROUNDS = 5


@dataclass(frozen=True)
class TemplateHand:
    """Constant hands, in lengths of the scale bone, one per metric.

    Attributes:
        root_relative: Mean root-relative hand: the guess that knows the root and the scale only.
        shape: Mean of mutually aligned hands: the guess for aligned errors. The mean root-relative
            hand would be too weak there: it shrinks when hands point everywhere.
        root: The joint at the origin of `root_relative`.
        bone: The bone whose length is the unit.
    """

    root_relative: Float[Tensor, "21 3"]
    shape: Float[Tensor, "21 3"]
    root: int
    bone: tuple[int, int]


@dataclass(frozen=True)
class TemplateScores:
    """The template's errors on a split, in mm."""

    root_epe_mm: float
    pa_epe_mm: float


def fit_template(
    train_joints_m: Float[Tensor, "batch 21 3"],
    *,
    root: int = WRIST,
    bone: tuple[int, int] = SCALE_BONE,
) -> TemplateHand:
    """Return the average hands of the labelled training samples.

    Args:
        train_joints_m: Joints of the samples that the model is trained on, all 21 annotated.
        root: The joint to centre on.
        bone: The bone whose length each hand is divided by; scoring multiplies by the true one,
            as it does for the model (`hpe.geometry.decoding.lift_at_true_root`).
    """
    scale_m = bone_length_m(train_joints_m, bone=bone)
    hands = root_relative(train_joints_m, root=root) / scale_m[:, None, None]
    return TemplateHand(hands.mean(0), mean_shape(hands), root, bone)


def score_template(
    template: TemplateHand,
    joints_m: Float[Tensor, "batch 21 3"],
    *,
    valid: Bool[Tensor, "batch 21"] | None = None,
) -> TemplateScores:
    """Return the template's root-relative and aligned errors on a split.

    The root-relative guess is given each hand's true scale, as the model's is.
    """
    scale_m = bone_length_m(joints_m, bone=template.bone)
    guess_m = template.root_relative.to(joints_m) * scale_m[:, None, None]
    shape = template.shape.to(joints_m).expand_as(joints_m)
    return TemplateScores(
        root_epe_mm=float(root_epe(guess_m, joints_m, valid=valid, root=template.root)),
        pa_epe_mm=float(pa_epe(shape, joints_m, valid=valid)),
    )


def mean_shape(poses: Float[Tensor, "batch joints 3"]) -> Float[Tensor, "joints 3"]:
    """Return the mean of poses aligned to it by rotation and scale (generalised Procrustes)."""
    centred = poses - poses.mean(1, keepdim=True)
    sizes = torch.linalg.matrix_norm(centred)
    size = sizes.mean()
    mean: Tensor = centred[0] * size / sizes[0]
    for _ in range(ALIGNMENT_ROUNDS):
        mean = align_similarity(centred, mean.expand_as(centred)).mean(0)
        mean = mean * size / torch.linalg.matrix_norm(mean)
    return mean
