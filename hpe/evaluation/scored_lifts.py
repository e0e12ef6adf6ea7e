"""What the poses that a lifting network says of a split's 2D joints are worth."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

from hpe.data.bodies import BodySplit
from hpe.evaluation.given_network import settings_are_known, weights_are_of
from hpe.evaluation.hand_pose_scores import Score
from hpe.evaluation.split_scores import Asked, SplitScores, body_tables, require_one_view
from hpe.metrics.body_pose import PROTOCOLS, body_scores, mpjpe
from hpe.models.lifting import Lifter, build_lifter
from hpe.phases.lift import lifted_mm
from hpe.phases.lift_batches import lifted_batch
from hpe.phases.lift_config import InputKind, LiftConfig
from hpe.phases.phase import Artifacts
from hpe.phases.recorded_poses import read_poses

TEMPLATE = "template_mpjpe_mm"
PROTOCOL: Mapping[str, str] = MappingProxyType(
    {**PROTOCOLS, TEMPLATE: "mpjpe_mm of one constant pose, the mean of those trained on"}
)
LOOKED: Mapping[InputKind, str] = MappingProxyType(
    {
        "camera": "true 2D joints as rays of the true camera",
        "box": "true 2D joints in widths of each true box",
    }
)


@dataclass(frozen=True)
class LiftingModel:
    """A lifting network in evaluation mode, and how it is told 2D joints."""

    lifter: Lifter
    inputs: InputKind


def load_lifting_model(artifacts: Artifacts, device: torch.device) -> LiftingModel:
    """Return the network that a stage of `lift` describes.

    Raises:
        ValueError: If the artifacts are not those of a lifting network, or do not fit together.
    """
    missing = [] if "lifter" in artifacts.tensors else ["lifter"]
    missing += [f"the fact {name}" for name in ("network", "inputs") if name not in artifacts.facts]
    if missing:
        raise ValueError(
            "a lifting network is made of lifter and what its settings were; missing: "
            f"{', '.join(missing)}. Give a stage of the phase lift."
        )
    known = {name: artifacts.facts[name] for name in ("network", "inputs")}
    with settings_are_known():
        config = LiftConfig.model_validate_json(json.dumps(known))
    lifter = build_lifter(config.network, seed=0)
    with weights_are_of(config.network.kind):
        lifter.load_state_dict(dict(artifacts.tensors["lifter"]))
    return LiftingModel(lifter.to(device).eval().requires_grad_(False), config.inputs)


def score_lifts(artifacts: Artifacts, split: BodySplit, asked: Asked) -> SplitScores:
    """Let a lifting network say the poses of a split's first samples, of their true 2D joints.

    Raises:
        ValueError: If the artifacts hold none, or no sample has all its joints in space.
    """
    require_one_view(asked)
    model = load_lifting_model(artifacts, asked.device)
    poses = read_poses(split, at_most=asked.num_samples)
    batch = lifted_batch(poses, model.inputs)
    true_mm = batch.joints_mm.double()
    predicted_mm = lifted_mm(model.lifter, batch.inputs, device=asked.device).double()
    actions = [action for action in poses.actions if action is not None]
    scored = body_scores(
        predicted_mm, true_mm, actions=actions if len(actions) == len(poses) else None
    )
    template_mm = model.lifter.output_mean.cpu().double().expand_as(true_mm)
    values = {**scored.values, TEMPLATE: float(mpjpe(template_mm, true_mm))}
    return SplitScores(
        looked=f"{LOOKED[model.inputs]}, no picture; samples with all joints and their depths",
        scores=[Score(name, value, len(poses), PROTOCOL[name]) for name, value in values.items()],
        tables=body_tables(scored.by_joint, scored.by_action),
    )
