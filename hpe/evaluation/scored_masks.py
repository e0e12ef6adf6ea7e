"""What a segmenter's masks of a split are worth: every mIoU, by hand, part and visibility."""

from collections.abc import Sequence
from dataclasses import fields

import torch

from hpe.data.hand_masks import HANDS, NUM_PARTS, MaskedSplit
from hpe.evaluation.hand_pose_scores import Score
from hpe.evaluation.mask_model import load_mask_model
from hpe.evaluation.split_scores import Asked, SplitScores, require_one_view
from hpe.metrics.segmentation import (
    LEAST_TRUE_PIXELS,
    MaskCounts,
    miou,
    miou_fg_pooled,
    part_iou,
)
from hpe.phases.mask_evaluation import MaskEvaluationSet
from hpe.phases.phase import Artifacts

POOLED = "mean over 16 parts of the IoU over all images and both hands, background left out"
PROTOCOLS = {
    "miou": f"S3's: per image and hand, mean over the parts with at least {LEAST_TRUE_PIXELS} true "
    "pixels; then the mean over images and hands that have one",
    "miou_fg_pooled": POOLED,
    "miou_visible": f"{POOLED}; among pixels that are not hidden",
    "miou_occluded": f"{POOLED}; among the pixels of a hand that something hides",
}
"""What each score is; masks are amodal."""

PART_COLUMNS = ("iou", "iou_visible", "iou_occluded")


def score_masks(artifacts: Artifacts, split: MaskedSplit, asked: Asked) -> SplitScores:
    """Let a segmenter predict the first samples of a split.

    Raises:
        ValueError: If the artifacts hold no segmenter, or a sample has no masks.
    """
    require_one_view(asked)
    if split[0].masks is None:
        raise ValueError("masks are scored against true ones, and this split has images alone.")
    model = load_mask_model(artifacts, asked.device)
    evaluation = MaskEvaluationSet(
        split,
        num_samples=asked.num_samples,
        image_px=model.image_px,
        by_visibility=split[0].visible is not None,
        workers=asked.workers,
    )
    return scores_of_counts(
        evaluation.counts(model.network, model.numerics), image_px=model.image_px
    )


def scores_of_counts(kinds: Sequence[MaskCounts], *, image_px: int) -> SplitScores:
    """Return the scores of pixel counts.

    Args:
        kinds: Of all pixels and, where that is known, of those not hidden and of hidden ones.
        image_px: Side of the masks that were counted.
    """
    means = [miou(kinds[0]), *(miou_fg_pooled(counts) for counts in kinds)]
    images = len(kinds[0].true)
    scores = [
        Score(name, float(value), images, protocol)
        for (name, protocol), value in zip(PROTOCOLS.items(), means, strict=False)
    ]
    by_part = [part_iou(counts).tolist() for counts in kinds]
    parts = {
        str(part + 1): dict(zip(PART_COLUMNS, (row[part] for row in by_part), strict=False))
        for part in range(NUM_PARTS)
    }
    hands = {name: _of_hand(kinds[0], hand) for hand, name in enumerate(HANDS)}
    looked = f"the square of each picture, once, at {image_px} px, where masks are compared"
    return SplitScores(looked, scores, {"parts": parts, "hands": hands})


def _of_hand(counts: MaskCounts, hand: int) -> dict[str, float]:
    """Return a hand's scores; the other one is counted as if it were nowhere."""
    own = torch.arange(len(HANDS))[:, None] == hand
    alone = MaskCounts(
        **{field.name: getattr(counts, field.name) * own for field in fields(MaskCounts)}
    )
    return {"miou": float(miou(alone)), "miou_fg_pooled": float(miou_fg_pooled(alone))}
