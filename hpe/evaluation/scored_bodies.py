"""What predicted bodies of a split are worth: whole, by joint and by action."""

from hpe.data.bodies import BodySplit
from hpe.evaluation.body_model import BodyModel, load_body_model
from hpe.evaluation.hand_pose_scores import Score
from hpe.evaluation.split_scores import Asked, SplitScores, require_one_view
from hpe.metrics.body_pose import PROTOCOLS
from hpe.phases.body_evaluation import PROTOCOL, BodyEvaluation, score_bodies
from hpe.phases.loaders import Batch
from hpe.phases.phase import Artifacts

BATCH = 64
OF_ACTIONS = "mpjpe_actions_mm"


def score_body_split(artifacts: Artifacts, split: BodySplit, asked: Asked) -> SplitScores:
    """Let a body network predict the first samples of a split.

    Raises:
        ValueError: If the artifacts hold none, or no sample has all its joints in space.
    """
    require_one_view(asked)
    model = load_body_model(artifacts, asked.device)
    rows = predicted_rows(model, split, asked)
    deep = int((rows["visible"].all(dim=1) & rows["has_depth"]).sum())
    count = {"epe_2d_px": int(rows["visible"].any(dim=1).sum())}
    scored = score_bodies(
        rows["output"], rows, template=None, width_px=model.width_px, height_px=model.height_px
    )
    scores = [
        Score(name, value, count.get(name, deep), PROTOCOL[name])
        for name, value in scored.metrics.items()
    ]
    tables = {"joints": {name: {"mpjpe_mm": v} for name, v in scored.by_joint_mm.items()}}
    if scored.by_action_mm:
        mean_mm = sum(scored.by_action_mm.values()) / len(scored.by_action_mm)
        scores.append(Score(OF_ACTIONS, mean_mm, deep, PROTOCOLS[OF_ACTIONS]))
        tables["actions"] = {name: {"mpjpe_mm": v} for name, v in scored.by_action_mm.items()}
    looked = (
        f"the crop of each true box, once, at {model.width_px} x {model.height_px} px; "
        f"{PROTOCOL['lifting']}"
    )
    return SplitScores(looked, scores, tables)


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
