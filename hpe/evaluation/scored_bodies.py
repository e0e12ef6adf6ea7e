"""What predicted bodies of a split are worth: whole, by joint and by action."""

from hpe.data.bodies import BodySplit
from hpe.evaluation.body_model import BodyModel, load_body_model
from hpe.evaluation.hand_pose_scores import Score
from hpe.evaluation.split_scores import Asked, SplitScores, body_tables, require_one_view
from hpe.metrics.body_pose import PROTOCOLS
from hpe.phases.body_evaluation import (
    PROTOCOL,
    BodyEvaluation,
    KeypointScores,
    score_bodies,
    score_keypoints,
)
from hpe.phases.loaders import Batch
from hpe.phases.phase import Artifacts

BATCH = 64
OF_ACTIONS = "mpjpe_actions_mm"


def score_body_split(artifacts: Artifacts, split: BodySplit, asked: Asked) -> SplitScores:
    """Let a body network predict the first samples of a split.

    Data sets that know keypoints alone, such as MPII, are scored in the image alone.

    Raises:
        ValueError: If the artifacts hold none, or no sample has an annotated joint.
    """
    require_one_view(asked)
    model = load_body_model(artifacts, asked.device)
    rows = predicted_rows(model, split, asked)
    size = {"width_px": model.width_px, "height_px": model.height_px}
    deep = int((rows["visible"].all(dim=1) & rows["has_depth"]).sum())
    if not deep:
        return _in_the_image(score_keypoints(rows["output"], rows, **size), model)
    scored = score_bodies(rows["output"], rows, template=None, **size)
    scores = [
        Score(name, value, scored.keypoints.counts.get(name, deep), PROTOCOL[name])
        for name, value in scored.metrics.items()
    ]
    tables = body_tables(scored.by_joint, scored.by_action)
    if scored.by_action:
        of_actions = [means["mpjpe_mm"] for means in scored.by_action.values()]
        mean_mm = sum(of_actions) / len(of_actions)
        scores.append(Score(OF_ACTIONS, mean_mm, deep, PROTOCOLS[OF_ACTIONS]))
    tables["keypoints"] = scored.keypoints.by_joint
    return SplitScores(f"{_looked(model)}; {PROTOCOL['lifting']}", scores, tables)


def _in_the_image(flat: KeypointScores, model: BodyModel) -> SplitScores:
    scores = [
        Score(name, value, flat.counts[name], PROTOCOL[name])
        for name, value in flat.metrics.items()
    ]
    looked = f"{_looked(model)}; in 2D alone: no sample has all joints and their depths"
    return SplitScores(looked, scores, {"keypoints": flat.by_joint})


def _looked(model: BodyModel) -> str:
    return f"the crop of each true box, once, at {model.width_px} x {model.height_px} px"


def predicted_rows(model: BodyModel, split: BodySplit, asked: Asked) -> Batch:
    """Return the rows of a split's first samples, in order, with the network's `output`."""
    evaluation = BodyEvaluation(
        split,
        num_samples=asked.num_samples,
        width_px=model.width_px,
        height_px=model.height_px,
        batch_size=BATCH,
        workers=asked.workers,
    )
    return evaluation.predicted(model.network)
