"""What the scores of each phase are, in words; docs/evaluation.md has further ones."""

from collections.abc import Mapping

from hpe.metrics import body_pose

HANDS: Mapping[str, str] = {
    "root_epe_mm": "wrists at the origin, the wrist's 0 counted; true root depth and scale given",
    "pa_epe_mm": "after scale, proper rotation and translation; a mirrored hand stays wrong",
    "epe_mm": "in the camera, at the analytic root depth, true scale given",
    "epe_2d_px": "keypoints, in pixels of the network's input",
    "auc": "area under epe_mm's PCK curve: <=, 100 thresholds, 0 to 50 mm",
    "pa_auc": "area under pa_epe_mm's PCK curve: <=, 100 thresholds, 0 to 50 mm",
    "template_root_epe_mm": "root_epe_mm of a fixed hand that sees no picture",
    "template_pa_epe_mm": "pa_epe_mm of a fixed hand that sees no picture",
}
WHOLE_HANDS: Mapping[str, str] = {
    "root_epe_mm": "wrists at the origin, the wrist's 0 counted; nothing of the truth is given, "
    "but for a bone's length where that is the unit",
    "pa_mpjpe_mm": "after scale, proper rotation and translation; a mirrored hand stays wrong",
    "epe_2d_px": "keypoints, in pixels of the network's input",
}
MASKS: Mapping[str, str] = {
    "miou": "mean IoU over the parts of each image and hand that have at least 20 true pixels, "
    "then over images and hands (S3)",
    "miou_fg_pooled": "mean over parts of the IoU over all images together",
}

PROTOCOLS: Mapping[str, Mapping[str, str]] = {
    "finetune": HANDS,
    "encoder_decoder": WHOLE_HANDS,
    "body_pose": body_pose.PROTOCOLS,
    "lift": body_pose.PROTOCOLS,
    **dict.fromkeys(("generator", "pseudo_labels", "paired"), MASKS),
}
"""Phase -> score -> how it is computed."""


def protocol_of(phase: str, score: str) -> str | None:
    """Return how a phase's score is computed, if it is known here.

    Args:
        phase: Such as `finetune`.
        score: Its name without the split, such as `root_epe_mm`.
    """
    return PROTOCOLS.get(phase, {}).get(score)
