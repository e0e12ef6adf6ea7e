"""What joints that were predicted in front of the camera are worth on a labelled split."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.augment.crop import Frame
from hpe.augment.geometric import Pose
from hpe.data.hands import HandSplit
from hpe.geometry.camera import project
from hpe.geometry.target_space import TargetSpace
from hpe.metrics.alignment import align_similarity
from hpe.metrics.pose import auc, epe, epe_2d_px, joint_errors_mm, root_epe
from hpe.metrics.template import TemplateHand, score_template
from hpe.phases.distribution import in_original_order, own_rows
from hpe.phases.labelled import Crops, joined
from hpe.phases.loaders import Batch
from hpe.phases.phase import tell_nobody

SCORES = (
    "pa_mpjpe_mm",
    "template_pa_mpjpe_mm",
    "pa_auc",
    "root_epe_mm",
    "template_root_epe_mm",
    "epe_mm",
    "epe_2d_px",
)

Predict = Callable[[Tensor], Tensor]
"""From uint8 images to points in a target space's unit."""


def crops_in_pose(
    split: HandSplit,
    indices: Sequence[int],
    *,
    image_px: int,
    frame: Frame,
    pose: Pose,
    workers: int = 0,
    on_batch: Callable[[], None] = tell_nobody,
    shared_by: int = 1,
) -> Crops:
    """Return views of samples that all lie alike over their reference crops."""
    reference = build_composition(CompositionConfig(), image_px=image_px, frame=frame)
    return Crops(
        split,
        indices,
        image_px=image_px,
        workers=workers,
        on_batch=on_batch,
        composition=reference.always(pose),
        shared_by=shared_by,
    )


class AxisEvaluationSet:
    """A split's first samples, shared by the ranks, seen once or from several sides."""

    def __init__(
        self,
        split: HandSplit,
        *,
        num_samples: int,
        space: TargetSpace,
        frame: Frame,
        poses: Sequence[Pose],
        workers: int = 0,
        on_batch: Callable[[], None] = tell_nobody,
        sets: int = 1,
    ) -> None:
        """Name the samples; none is opened yet.

        Args:
            split: The samples.
            num_samples: How many of them.
            space: Where the network says joints.
            frame: What a reference crop shows.
            poses: How the views lie over it; the prediction is the mean over them.
            workers: Child processes that make views.
            on_batch: See `PhaseInputs`.
            sets: How many such sets are held at once, and share the memory for views.
        """
        self._total = num_samples
        self._space = space
        self._views = [
            crops_in_pose(
                split,
                own_rows(range(num_samples)),
                image_px=space.side_px,
                frame=frame,
                pose=pose,
                workers=workers,
                on_batch=on_batch,
                shared_by=len(poses) * sets,
            )
            for pose in poses
        ]

    def scores(self, predict: Predict, template: TemplateHand) -> dict[str, float]:
        """Return all of `SCORES`."""
        rows = self.hands(predict)
        return score_hands(rows.pop("hands_m"), rows, template=template)

    @torch.no_grad()
    def hands(self, predict: Predict) -> Batch:
        """Return the rows of all ranks, in order, with predicted `hands_m`, the mean over views."""
        views = [predicted_hands(crops, predict, self._space) for crops in self._views]
        rows = views[0] | {"hands_m": torch.stack([rows["hands_m"] for rows in views]).mean(dim=0)}
        return {
            name: in_original_order(values, total=self._total).cpu()
            for name, values in rows.items()
        }


def predicted_hands(crops: Crops, predict: Predict, space: TargetSpace) -> Batch:
    """Return all rows with predicted `hands_m`, in camera coordinates, in place of the image."""
    parts = []
    for batch in crops.batches():
        true_m, intrinsics = batch["joints_m"], batch["intrinsics"]
        points = predict(batch["image"]).to(true_m)
        hands_m = space.joints_m(points, intrinsics, unit_m=space.unit_m(true_m))
        rest = {name: values for name, values in batch.items() if name != "image"}
        parts.append({"hands_m": hands_m, **rest})
    return joined(parts)


def score_hands(
    hands_m: Float[Tensor, "batch 21 3"], rows: Batch, *, template: TemplateHand | None
) -> dict[str, float]:
    """Return all of `SCORES` for a split, the template's without a template left out.

    `pa_mpjpe_mm` aligns by scale, proper rotation and translation. It is each joint's mean over the
    split's samples that have it annotated, then the mean over joints: where hands are annotated
    whole, the mean over samples. S2's is a mean of its batches' means, where those of a last,
    smaller batch weigh more.
    `pa_auc` is FreiHAND's, of the same errors; `root_epe_mm` puts wrists at the origin and takes
    nothing of the truth, unlike finetuning's, whose hands are lifted at the true root and scale;
    `epe_mm` is in camera coordinates as predicted, `epe_2d_px` in the first view's pixels.
    The template is a constant hand, which is given each hand's true scale for `root_epe_mm`.

    Args:
        hands_m: Predicted joints in camera coordinates.
        rows: Labelled rows (`hpe.phases.labelled.LabelledRows`).
        template: Fitted to the labelled samples that the network was trained on.

    Raises:
        ValueError: If no sample has depth.
    """
    deep = rows["has_depth"]
    if not deep.any():
        raise ValueError(
            f"errors in millimetres need samples with depth, got none among {len(deep)}; score on "
            "a data set whose joints are in space."
        )
    hands_m, true_m = hands_m[deep], rows["joints_m"][deep]
    valid, intrinsics = rows["visible"][deep], rows["intrinsics"][deep]
    aligned_m = align_similarity(hands_m, true_m, valid=valid)
    seen_px = project(hands_m, intrinsics)
    scores = {
        "pa_mpjpe_mm": float(epe(aligned_m, true_m, valid=valid)),
        "pa_auc": float(auc(joint_errors_mm(aligned_m, true_m), valid=valid)),
        "root_epe_mm": float(root_epe(hands_m, true_m, valid=valid)),
        "epe_mm": float(epe(hands_m, true_m, valid=valid)),
        "epe_2d_px": float(epe_2d_px(seen_px, project(true_m, intrinsics), valid=valid)),
    }
    if template is None:
        return scores
    constant = score_template(template, true_m, valid=valid)
    scores["template_pa_mpjpe_mm"] = constant.pa_epe_mm
    scores["template_root_epe_mm"] = constant.root_epe_mm
    return {name: scores[name] for name in SCORES}
