"""What an encoder-decoder's hands of a split are worth, seen once or from several sides."""

from hpe.augment.geometric import robust_poses
from hpe.data.hands import HandSplit
from hpe.evaluation.axis_model import load_axis_model
from hpe.evaluation.hand_pose_scores import JointErrors, Score, by_finger, by_joint
from hpe.evaluation.split_scores import Asked, SplitScores
from hpe.geometry.skeleton import WRIST
from hpe.metrics.alignment import align_similarity
from hpe.metrics.pose import joint_errors_mm, root_relative
from hpe.phases.axis_scores import AxisEvaluationSet, score_hands
from hpe.phases.loaders import Batch
from hpe.phases.phase import Artifacts

FRAMES = {
    "hand": "the crop around the true keypoints",
    "principal_point": "whole pictures about their principal point",
    "picture": "whole pictures about their middle",
}
PROTOCOLS = {
    "pa_mpjpe_mm": "after scale, proper rotation and translation; mean over samples (S2's is a "
    "mean of its batches' means)",
    "pa_auc": "FreiHAND's area under the PCK curve of the aligned errors",
    "root_epe_mm": "wrists at the origin; nothing of the truth is given",
    "epe_mm": "in camera coordinates, as predicted",
    "epe_2d_px": "predicted joints projected into the first view, in its pixels",
}


def score_axes(artifacts: Artifacts, split: HandSplit, asked: Asked) -> SplitScores:
    """Let an encoder-decoder predict the first samples of a split.

    Raises:
        ValueError: If the artifacts hold none, or no sample has depth.
    """
    model = load_axis_model(artifacts, asked.device)
    evaluation = AxisEvaluationSet(
        split,
        num_samples=asked.num_samples,
        space=model.space,
        frame=model.frame,
        poses=robust_poses(rotations=asked.rotations, mirrored=asked.mirrored),
        workers=asked.workers,
    )
    rows = evaluation.hands(model.points)
    deep = int(rows["has_depth"].sum())
    values = score_hands(rows["hands_m"], rows, template=None)
    kinds = _kinds(rows)
    given = "" if model.space.unit == "mm" else f"; the true length of the {model.space.unit} given"
    return SplitScores(
        looked=_looked(FRAMES[model.frame], asked) + given,
        scores=[Score(name, value, deep, PROTOCOLS[name]) for name, value in values.items()],
        tables={"fingers": by_finger(kinds), "joints": by_joint(kinds)},
    )


def _kinds(rows: Batch) -> tuple[JointErrors, ...]:
    deep = rows["has_depth"]
    predicted_m, true_m, valid = (rows[name][deep] for name in ("hands_m", "joints_m", "visible"))
    aligned_mm = joint_errors_mm(align_similarity(predicted_m, true_m, valid=valid), true_m)
    relative_mm = joint_errors_mm(root_relative(predicted_m), root_relative(true_m))
    absolute_mm = joint_errors_mm(predicted_m, true_m)
    with_wrist = valid & valid[:, WRIST, None]
    return (
        JointErrors("pa_mpjpe_mm", PROTOCOLS["pa_mpjpe_mm"], aligned_mm, valid),
        JointErrors("root_epe_mm", PROTOCOLS["root_epe_mm"], relative_mm, with_wrist),
        JointErrors("epe_mm", PROTOCOLS["epe_mm"], absolute_mm, valid),
    )


def _looked(seen: str, asked: Asked) -> str:
    if asked.has_one_view:
        return f"{seen}; one upright view"
    beside = ", and as many mirrored ones" if asked.mirrored else ""
    return (
        f"{seen}; mean over {asked.rotations} views evenly over a full turn{beside}, each "
        "prediction turned back in space"
    )
