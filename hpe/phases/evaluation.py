"""What a pose network's output on a labelled split is worth."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hpe.data.hands import HandSplit
from hpe.geometry.camera import project
from hpe.geometry.decoding import decode_pose, lift_absolute, lift_at_true_root
from hpe.geometry.palm import Root, with_root, with_wrist
from hpe.geometry.root_depth import bone_length_m, lift, to_25d
from hpe.metrics.alignment import align_similarity
from hpe.metrics.pose import auc, epe, epe_2d_px, joint_errors_mm, root_epe
from hpe.metrics.template import TemplateHand, score_template
from hpe.models.root_denoiser import RootDenoiser
from hpe.phases.distribution import in_original_order, own_rows
from hpe.phases.labelled import Crops, encoded_rows, predicted_rows
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

DENOISED_SCORES = ("denoised_epe_mm", "denoised_auc")
"""`epe_mm` and `auc` at the denoised root depth, where there is a denoiser."""

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
        root: Root = "wrist",
        on_batch: Callable[[], None] = tell_nobody,
    ) -> None:
        """Name the samples; none is opened yet."""
        self._total = num_samples
        self._image_px = image_px
        self._root: Root = root
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
    def scores(
        self, network: EncodedHead, template: TemplateHand, denoiser: RootDenoiser | None = None
    ) -> dict[str, float]:
        """Return all of `SCORES`, with a denoiser `DENOISED_SCORES` too.

        Network and denoiser are left in evaluation mode.
        """
        columns = self._predicted(network)
        if denoiser is not None:
            columns["root_depth"] = self._denoised(columns, denoiser)
        rows = {
            name: in_original_order(values, total=self._total).cpu()
            for name, values in columns.items()
        }
        return score_poses(
            rows.pop("output"),
            rows,
            image_px=self._image_px,
            template=template,
            root=self._root,
            root_depth=rows.pop("root_depth", None),
        )

    def _predicted(self, network: EncodedHead) -> Batch:
        network.eval()
        if network.on_maps:
            return predicted_rows(self._crops, network)
        own = self._encoded(network)
        return {
            "output": network.head(own["features"]),
            **{name: values for name, values in own.items() if name != "features"},
        }

    def _denoised(self, rows: Batch, denoiser: RootDenoiser) -> Float[Tensor, " batch"]:
        denoiser.eval()
        output = rows["output"]
        keypoints_px, depth_rel = decode_pose(output, image_px=self._image_px)
        depth: Tensor = denoiser(keypoints_px, depth_rel, rows["intrinsics"].to(output.device))
        return depth

    def _encoded(self, network: EncodedHead) -> Batch:
        if self._encoded_once is not None:
            return self._encoded_once
        rows = encoded_rows(self._crops, network.encoder, network.numerics)
        if self._encoder_is_frozen:
            self._encoded_once = rows
        return rows


class FigureSet:
    """A few samples of a split, spread over it, with images large enough to look at."""

    def __init__(self, split: HandSplit, *, image_px: int, root: Root = "wrist") -> None:
        """Name the samples; none is opened yet."""
        self._root: Root = root
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
        keypoints_px, predicted_m = hands_at_true_root(
            network(rows["image"]).to(true_m),
            rows["intrinsics"],
            true_joints_m=true_m,
            image_px=self._crops.image_px,
            root=self._root,
        )
        return {
            "images": figures["image"],
            "intrinsics": figures["intrinsics"],
            "joints_m": true_m,
            "visible": rows["visible"],
            "keypoints_px": to_25d(true_m, figures["intrinsics"]).keypoints_px,
            "predicted_px": keypoints_px * (self._figures.image_px / self._crops.image_px),
            "predicted_m": predicted_m,
        }


def hands_at_true_root(
    output: Float[Tensor, "batch 21 3"],
    intrinsics: Float[Tensor, "batch 3 3"],
    *,
    true_joints_m: Float[Tensor, "batch 21 3"],
    image_px: int,
    root: Root,
) -> tuple[Float[Tensor, "batch 21 2"], Float[Tensor, "batch 21 3"]]:
    """Return predicted keypoints, in pixels, and hands lifted with the true root depth and scale.

    Both with a wrist: where the network predicts a palm, the wrist's keypoint is the projection of
    the wrist that the lifted hand has.
    """
    keypoints_px, depth_rel = decode_pose(output, image_px=image_px)
    lifted_m = lift_at_true_root(
        keypoints_px, depth_rel, intrinsics, true_joints_m=with_root(true_joints_m, root)
    )
    hands_m = with_wrist(lifted_m, root)
    if root != "wrist":
        wrist_px = project(hands_m[:, :1], intrinsics)
        keypoints_px = torch.cat([wrist_px, keypoints_px[:, 1:]], dim=1)
    return keypoints_px, hands_m


def score_poses(
    output: Float[Tensor, "batch 21 3"],
    rows: Batch,
    *,
    image_px: int,
    template: TemplateHand,
    root: Root = "wrist",
    root_depth: Float[Tensor, " batch"] | None = None,
) -> dict[str, float]:
    """Return all of `SCORES` for a split, and `DENOISED_SCORES` where a root depth is given.

    `root_epe_mm` lifts with the true root depth and scale; `epe_mm` with the analytic root depth
    and the true scale, which FreiHAND gives at test time; `auc` and `pa_auc` are FreiHAND's, of the
    errors behind `epe_mm` and `pa_epe_mm`; `pa_epe_mm` aligns the hand of `root_epe_mm` by scale,
    proper rotation and translation; template scores are what one constant hand gets. Samples
    without depth count for `epe_2d_px` alone.

    Args:
        output: The pose head's output for each row's image.
        rows: Labelled rows (`hpe.phases.labelled.LabelledRows`).
        image_px: Side of the network's input.
        template: Fitted to the labelled samples that the network was trained on.
        root: The joint that the head predicts in the wrist's place.
        root_depth: Denoised, in bone lengths.

    Raises:
        ValueError: If no sample has depth.
    """
    true_m, intrinsics, valid = rows["joints_m"], rows["intrinsics"], rows["visible"]
    output = output.to(true_m)
    keypoints_px, relative_m = hands_at_true_root(
        output, intrinsics, true_joints_m=true_m, image_px=image_px, root=root
    )
    true_px = to_25d(true_m, intrinsics).keypoints_px
    keypoints = {"epe_2d_px": float(epe_2d_px(keypoints_px, true_px, valid=valid))}
    deep = rows["has_depth"]
    if not deep.any():
        raise ValueError(
            f"errors in millimetres need samples with depth, got none among {len(deep)}; score on "
            "a data set whose joints are in space."
        )
    absolute = {"": None, "denoised_": root_depth} if root_depth is not None else {"": None}
    scores = keypoints | _relative_scores(relative_m[deep], true_m[deep], valid[deep], template)
    for prefix, depth in absolute.items():
        hands_m = _absolute_hands(
            output[deep],
            intrinsics[deep],
            scale_m=bone_length_m(true_m[deep]),
            image_px=image_px,
            root=root,
            root_depth=None if depth is None else depth[deep].to(true_m),
        )
        errors_mm = joint_errors_mm(hands_m, true_m[deep])
        scores[f"{prefix}epe_mm"] = float(epe(hands_m, true_m[deep], valid=valid[deep]))
        scores[f"{prefix}auc"] = float(auc(errors_mm, valid=valid[deep]))
    return scores


def _relative_scores(
    relative_m: Float[Tensor, "batch 21 3"],
    true_m: Float[Tensor, "batch 21 3"],
    valid: Bool[Tensor, "batch 21"],
    template: TemplateHand,
) -> dict[str, float]:
    aligned_m = align_similarity(relative_m, true_m, valid=valid)
    constant = score_template(template, true_m, valid=valid)
    return {
        "root_epe_mm": float(root_epe(relative_m, true_m, valid=valid)),
        "pa_epe_mm": float(epe(aligned_m, true_m, valid=valid)),
        "pa_auc": float(auc(joint_errors_mm(aligned_m, true_m), valid=valid)),
        "template_root_epe_mm": constant.root_epe_mm,
        "template_pa_epe_mm": constant.pa_epe_mm,
    }


def _absolute_hands(
    output: Float[Tensor, "batch 21 3"],
    intrinsics: Float[Tensor, "batch 3 3"],
    *,
    scale_m: Float[Tensor, " batch"],
    image_px: int,
    root: Root,
    root_depth: Float[Tensor, " batch"] | None,
) -> Float[Tensor, "batch 21 3"]:
    """Return hands in the camera, at a given root depth or else at the analytic one."""
    keypoints_px, depth_rel = decode_pose(output, image_px=image_px)
    if root_depth is None:
        lifted_m = lift_absolute(keypoints_px, depth_rel, intrinsics, scale_m=scale_m)
    else:
        lifted_m = lift(keypoints_px, depth_rel, root_depth, scale_m, intrinsics)
    return with_wrist(lifted_m, root)
