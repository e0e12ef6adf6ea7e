"""What a pose network's output on a labelled split is worth."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from hpe.data.hands import HandSplit
from hpe.geometry.decoding import decode_pose, lift_absolute, lift_at_true_root
from hpe.geometry.root_depth import bone_length_m, to_25d
from hpe.metrics.alignment import align_similarity
from hpe.metrics.pose import auc, epe, epe_2d_px, joint_errors_mm, root_epe
from hpe.metrics.template import TemplateHand, score_template
from hpe.phases.distribution import in_original_order, own_rows
from hpe.phases.labelled import Crops, encoded_rows
from hpe.phases.loaders import Batch
from hpe.phases.phase import tell_nobody
from hpe.phases.precision import EncodedHead

SCORES = (
    "root_epe_mm",
    "template_root_epe_mm",
    "pa_epe_mm",
    "template_pa_epe_mm",
    "pa_auc",
    "epe_mm",
    "auc",
    "epe_2d_px",
)

RANKING_METRIC = f"val/{SCORES[0]}"
"""Ranks epochs unless the settings say otherwise."""

FIGURE_SAMPLES = 16
FIGURE_PX = 128  # figures are at least this large, whatever the network sees


class EvaluationSet:
    """A split's first reference crops, shared by the ranks, and how a network does on them."""

    def __init__(
        self,
        split: HandSplit,
        *,
        num_samples: int,
        image_px: int,
        workers: int,
        encoder_is_frozen: bool,
        on_batch: Callable[[], None] = tell_nobody,
    ) -> None:
        """Name the samples; none is opened yet."""
        self._total = num_samples
        self._image_px = image_px
        self._crops = Crops(
            split,
            own_rows(range(num_samples)),
            image_px=image_px,
            workers=workers,
            on_batch=on_batch,
        )
        self._encoder_is_frozen = encoder_is_frozen
        self._encoded_once: Batch | None = None

    @torch.no_grad()
    def scores(self, network: EncodedHead, template: TemplateHand) -> dict[str, float]:
        """Return all of `SCORES`; the network is left in evaluation mode."""
        network.eval()
        own = self._encoded(network)
        columns = {
            "output": network.head(own["features"]),
            **{name: values for name, values in own.items() if name != "features"},
        }
        rows = {
            name: in_original_order(values, total=self._total).cpu()
            for name, values in columns.items()
        }
        return score_poses(rows.pop("output"), rows, image_px=self._image_px, template=template)

    def _encoded(self, network: EncodedHead) -> Batch:
        if self._encoded_once is not None:
            return self._encoded_once
        rows = encoded_rows(self._crops, network.encoder, network.numerics)
        if self._encoder_is_frozen:
            self._encoded_once = rows
        return rows


class FigureSet:
    """A few samples of a split, spread over it, with images large enough to look at."""

    def __init__(self, split: HandSplit, *, image_px: int) -> None:
        """Name the samples; none is opened yet."""
        chosen = range(0, len(split), max(len(split) // FIGURE_SAMPLES, 1))[:FIGURE_SAMPLES]
        self._crops = Crops(split, chosen, image_px=image_px)
        self._figures = Crops(split, chosen, image_px=max(image_px, FIGURE_PX))

    @torch.no_grad()
    def predictions(self, network: EncodedHead) -> dict[str, Tensor]:
        """Return images with true and predicted poses; the network is left in evaluation mode.

        Returns:
            `images` (uint8), and in their pixels `keypoints_px`, `predicted_px` and `intrinsics`;
            `joints_m`; `predicted_m` (lifted with the true root depth and scale); `visible`.
        """
        network.eval()
        rows, figures = self._crops.rows(), self._figures.rows()
        true_m = rows["joints_m"]
        output = network(rows["image"]).to(true_m)
        keypoints_px, depth_rel = decode_pose(output, image_px=self._crops.image_px)
        return {
            "images": figures["image"],
            "intrinsics": figures["intrinsics"],
            "joints_m": true_m,
            "visible": rows["visible"],
            "keypoints_px": to_25d(true_m, figures["intrinsics"]).keypoints_px,
            "predicted_px": keypoints_px * (self._figures.image_px / self._crops.image_px),
            "predicted_m": lift_at_true_root(
                keypoints_px, depth_rel, rows["intrinsics"], true_joints_m=true_m
            ),
        }


def score_poses(
    output: Float[Tensor, "batch 21 3"], rows: Batch, *, image_px: int, template: TemplateHand
) -> dict[str, float]:
    """Return all of `SCORES` for a split.

    `root_epe_mm` lifts with the true root depth and scale; `epe_mm` with the analytic root depth
    and the true scale, which FreiHAND gives at test time; `auc` and `pa_auc` are FreiHAND's, of the
    errors behind `epe_mm` and `pa_epe_mm`; `pa_epe_mm` aligns the hand of `root_epe_mm` by scale,
    proper rotation and translation; template scores are what one constant hand gets.

    Args:
        output: The pose head's output for each row's image.
        rows: Labelled rows (`hpe.phases.labelled.LabelledRows`).
        image_px: Side of the network's input.
        template: Fitted to the labelled samples that the network was trained on.
    """
    true_m, intrinsics, valid = rows["joints_m"], rows["intrinsics"], rows["visible"]
    keypoints_px, depth_rel = decode_pose(output.to(true_m), image_px=image_px)
    scale_m = bone_length_m(true_m)
    relative_m = lift_at_true_root(keypoints_px, depth_rel, intrinsics, true_joints_m=true_m)
    absolute_m = lift_absolute(keypoints_px, depth_rel, intrinsics, scale_m=scale_m)
    aligned_m = align_similarity(relative_m, true_m, valid=valid)
    true_px = to_25d(true_m, intrinsics).keypoints_px
    constant = score_template(template, true_m, valid=valid)
    return {
        "epe_2d_px": float(epe_2d_px(keypoints_px, true_px, valid=valid)),
        "root_epe_mm": float(root_epe(relative_m, true_m, valid=valid)),
        "epe_mm": float(epe(absolute_m, true_m, valid=valid)),
        "auc": float(auc(joint_errors_mm(absolute_m, true_m), valid=valid)),
        "pa_epe_mm": float(epe(aligned_m, true_m, valid=valid)),
        "pa_auc": float(auc(joint_errors_mm(aligned_m, true_m), valid=valid)),
        "template_root_epe_mm": constant.root_epe_mm,
        "template_pa_epe_mm": constant.pa_epe_mm,
    }
