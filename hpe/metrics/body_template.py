"""What one constant body scores: the least that a body network has to beat."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from hpe.metrics.body_pose import mpjpe, pa_mpjpe, root_aligned
from hpe.metrics.template import mean_shape


@dataclass(frozen=True)
class TemplateBody:
    """Constant bodies, in mm, one per metric.

    Attributes:
        root_aligned: Mean of bodies with the pelvis at the origin.
        shape: Mean of mutually aligned bodies: the guess for aligned errors. The other mean would
            be too weak there: it shrinks where bodies face everywhere.
    """

    root_aligned: Float[Tensor, "17 3"]
    shape: Float[Tensor, "17 3"]


def fit_body_template(train_joints_mm: Float[Tensor, "batch 17 3"]) -> TemplateBody:
    """Return the mean bodies of training samples with all joints annotated."""
    bodies_mm = root_aligned(train_joints_mm)
    return TemplateBody(bodies_mm.mean(0), mean_shape(bodies_mm))


def score_body_template(
    template: TemplateBody, joints_mm: Float[Tensor, "batch 17 3"]
) -> dict[str, float]:
    """Return the template's `template_mpjpe_mm` and `template_pa_mpjpe_mm` on a split."""
    guess_mm = template.root_aligned.to(joints_mm).expand_as(joints_mm)
    shape_mm = template.shape.to(joints_mm).expand_as(joints_mm)
    return {
        "template_mpjpe_mm": float(mpjpe(guess_mm, joints_mm)),
        "template_pa_mpjpe_mm": float(pa_mpjpe(shape_mm, joints_mm)),
    }
