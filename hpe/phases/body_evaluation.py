"""What a body network's output on a split is worth, and some of it to look at."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor, nn

from hpe.data.bodies import BodySplit
from hpe.geometry.body_skeleton import BODY_JOINTS
from hpe.metrics.body_pose import (
    PCKH_JOINTS,
    PROTOCOLS,
    PartScores,
    body_scores,
    keypoint_errors_px,
    pckh,
    pckh_by_joint,
    root_aligned,
)
from hpe.metrics.body_template import TemplateBody, score_body_template
from hpe.phases.body_rows import (
    ReferenceCrops,
    actions_of,
    joints_mm_of,
    keypoints_px_of,
    rows_of,
)
from hpe.phases.distribution import in_original_order, own_rows
from hpe.phases.loaders import Batch
from hpe.phases.phase import tell_nobody

BODY_SCORES = (
    "mpjpe_mm",
    "pa_mpjpe_mm",
    "mpjpe_14_mm",
    "mpjpe_x_mm",
    "mpjpe_y_mm",
    "mpjpe_z_mm",
    "pck_150",
)
SCORES = (*BODY_SCORES, "template_mpjpe_mm", "template_pa_mpjpe_mm", "epe_2d_px")
"""What every epoch reports. Where the data know heads, one of `HEAD_LENGTHS` comes to it."""

HEAD_LENGTHS = MappingProxyType({"pckh_50": "head_px", "pckh_50_head_bone": "head_bone_px"})
"""PCKh by the length that it measures by: the first that is known of any sample is reported."""

RANKING_METRIC = f"val/{SCORES[0]}"
"""Ranks epochs unless the settings say otherwise."""

PROTOCOL = MappingProxyType(
    {
        **{name: PROTOCOLS[name] for name in (*BODY_SCORES, *HEAD_LENGTHS)},
        "lifting": "joints are back-projected with the true depth of the pelvis and the true "
        "intrinsics, from one view that is not augmented; samples with all joints and depth",
        "template_mpjpe_mm": "mpjpe_mm of the mean training body, pelvis at the origin",
        "template_pa_mpjpe_mm": "pa_mpjpe_mm of the mean of aligned training bodies",
        "epe_2d_px": "mean distance of annotated keypoints, in pixels of the network's input",
    }
)
"""What each score is, in words."""

FIGURE_SAMPLES = 12
FIGURE_HEIGHT_PX = 256  # figures are at least this high, whatever the network sees


@dataclass(frozen=True)
class KeypointScores:
    """How a network does on a split in the image.

    Attributes:
        metrics: `epe_2d_px`, and PCKh where the data know heads.
        counts: Samples behind each.
        by_joint: Joint -> the same scores, NaN where there is nothing to score.
    """

    metrics: dict[str, float]
    counts: dict[str, int]
    by_joint: dict[str, dict[str, float]]


@dataclass(frozen=True)
class BodySplitScores:
    """How a network does on a split.

    Attributes:
        metrics: All of `SCORES`, and PCKh where the data know heads.
        by_joint: Of every joint, as `BodyScores` has it.
        by_action: Of every action; empty where actions are not known.
        keypoints: How it does in the image.
    """

    metrics: dict[str, float]
    by_joint: PartScores
    by_action: PartScores
    keypoints: KeypointScores


class BodyEvaluation:
    """A split's first reference crops, shared by the ranks."""

    def __init__(
        self,
        split: BodySplit,
        *,
        num_samples: int,
        width_px: int,
        height_px: int,
        batch_size: int,
        workers: int = 0,
        on_batch: Callable[[], None] = tell_nobody,
    ) -> None:
        """Name the samples; none is opened yet."""
        self._total = num_samples
        self._crops = ReferenceCrops(
            split,
            own_rows(range(num_samples)),
            width_px=width_px,
            height_px=height_px,
            batch_size=batch_size,
            workers=workers,
            on_batch=on_batch,
        )

    def scores(self, network: nn.Module, template: TemplateBody) -> BodySplitScores:
        """Return what the network, which is left in evaluation mode, scores.

        Raises:
            ValueError: If no sample has all its joints in space.
        """
        rows = self.predicted(network)
        return score_bodies(
            rows.pop("output"),
            rows,
            template=template,
            width_px=self._crops.width_px,
            height_px=self._crops.height_px,
        )

    def predicted(self, network: nn.Module) -> Batch:
        """Return the rows of all ranks, in order, with the network's `output`."""
        own = rows_of(self._crops, network)
        return {name: in_original_order(v, total=self._total) for name, v in own.items()}


def score_bodies(
    output: Float[Tensor, "batch 17 3"],
    rows: Batch,
    *,
    template: TemplateBody | None,
    width_px: int,
    height_px: int,
) -> BodySplitScores:
    """Return what points in S4's coordinates are worth; `PROTOCOL` says what each score is.

    Samples without depth count for `epe_2d_px` alone.

    Args:
        output: Predictions for each row's view.
        rows: Rows of reference crops (`hpe.phases.body_rows.BodyRows`).
        template: Fitted to the samples that the network was trained on; None scores none.
        width_px: Width of the views.
        height_px: Height of the views.

    Raises:
        ValueError: If no sample has all its joints in space.
    """
    whole = rows["visible"].all(dim=1) & rows["has_depth"]
    if not whole.any():
        raise ValueError(
            f"errors in millimetres need samples with all joints and their depths, got none among "
            f"{len(whole)}; score on a data set whose joints are in space, such as h36m, alone or "
            "in a mixture."
        )
    deep = {name: values[whole] for name, values in rows.items()}
    predicted_mm, true_mm = (
        joints_mm_of(points, deep, width_px=width_px, height_px=height_px)
        for points in (output[whole].double(), deep["points"])
    )
    actions = actions_of(deep)
    scored = body_scores(predicted_mm, true_mm, actions=actions if all(actions) else None)
    keypoints = score_keypoints(output, rows, width_px=width_px, height_px=height_px)
    metrics = {
        **{name: scored.values[name] for name in BODY_SCORES},
        **({} if template is None else score_body_template(template, true_mm)),
        **keypoints.metrics,
    }
    return BodySplitScores(metrics, scored.by_joint, scored.by_action, keypoints)


def score_keypoints(
    output: Float[Tensor, "batch 17 3"], rows: Batch, *, width_px: int, height_px: int
) -> KeypointScores:
    """Return what points in S4's coordinates are worth in the image; see `score_bodies`.

    Raises:
        ValueError: If no joint is annotated.
    """
    if not rows["visible"].any():
        raise ValueError(
            f"scores in the image need annotated joints, got none in {len(output)} samples."
        )
    predicted_px, true_px = (
        keypoints_px_of(points.double(), width_px=width_px, height_px=height_px)
        for points in (output, rows["points"])
    )
    seen = rows["visible"]
    errors_px = keypoint_errors_px(predicted_px, true_px)
    means_px = ((errors_px * seen).sum(dim=0) / seen.sum(dim=0)).tolist()
    metrics = {"epe_2d_px": float(errors_px[seen].mean())}
    counts = {"epe_2d_px": int(seen.any(dim=1).sum())}
    by_joint = {
        name: {"epe_2d_px": mean_px} for name, mean_px in zip(BODY_JOINTS, means_px, strict=True)
    }
    for name, length in HEAD_LENGTHS.items():
        known = rows[length].isfinite() & seen[:, PCKH_JOINTS].any(dim=1)
        if not known.any():
            continue
        points_px = (predicted_px[known], true_px[known])
        visible, head_px = seen[known], rows[length][known]
        metrics[name] = float(pckh(*points_px, visible=visible, head_px=head_px))
        counts[name] = int(known.sum())
        shares = pckh_by_joint(*points_px, visible=visible, head_px=head_px)
        for joint, share in shares.items():
            by_joint[joint][name] = share
        break
    return KeypointScores(metrics, counts, by_joint)


class BodyFigures:
    """A few samples of a split, spread over it, with images large enough to look at."""

    def __init__(self, split: BodySplit, *, width_px: int, height_px: int) -> None:
        """Name the samples; none is opened yet."""
        chosen = range(0, len(split), max(len(split) // FIGURE_SAMPLES, 1))[:FIGURE_SAMPLES]
        enlargement = max(1.0, FIGURE_HEIGHT_PX / height_px)
        self._crops, self._figures = (
            ReferenceCrops(
                split,
                chosen,
                width_px=round(factor * width_px),
                height_px=round(factor * height_px),
                batch_size=FIGURE_SAMPLES,
            )
            for factor in (1.0, enlargement)
        )

    def predictions(self, network: nn.Module) -> dict[str, Tensor]:
        """Return images with true and predicted bodies; the network is left in evaluation mode.

        Returns:
            `images` (uint8); in their pixels `keypoints_px` and `predicted_px`; `joints_mm` and
            `predicted_mm`, pelvis at the origin, nothing where `has_depth` is unset; `visible`.
        """
        rows = rows_of(self._crops, network)
        (figures,) = self._figures.batches()
        size = {"width_px": self._figures.width_px, "height_px": self._figures.height_px}
        true, predicted = figures["points"], rows["output"].double()
        return {
            "images": figures["image"],
            "keypoints_px": keypoints_px_of(true, **size),
            "predicted_px": keypoints_px_of(predicted, **size),
            "joints_mm": root_aligned(joints_mm_of(true, figures, **size)),
            "predicted_mm": root_aligned(joints_mm_of(predicted, figures, **size)),
            "visible": figures["visible"],
            "has_depth": figures["has_depth"],
        }
