"""Scores of lifting networks against a loop over samples, and against what their phase reports."""

import numpy as np
import pytest
import torch

from hpe.evaluation.scored_lifts import load_lifting_model, score_lifts
from hpe.evaluation.split_scores import Asked
from hpe.phases.lift import lift
from hpe.phases.lift_config import LIFT_SCORES, LiftConfig
from hpe.phases.phase import Artifacts, PhaseInputs
from tests.hpe.evaluation.untrained_lifters import lifter_artifacts
from tests.hpe.phases.body_fakes import FakeBodies, fake_bodies

CPU = torch.device("cpu")


def told(sample, inputs):
    """2D joints of one sample as its network is told them."""
    if inputs == "camera":
        rays = np.c_[sample.keypoints_px, np.ones(17)] @ np.linalg.inv(sample.intrinsics).T
        return rays[:, :2]
    left, top, width, height = sample.box_px
    return (sample.keypoints_px - [left + width / 2, top + height / 2]) / width


def errors_mm(split, inputs):
    """Errors of the joints of each sample that is known in space, found one at a time."""
    model = load_lifting_model(lifter_artifacts(inputs), CPU)
    found = []
    for sample in [sample for sample in split if sample.has_depth]:
        joints = torch.from_numpy(told(sample, inputs)).float()[None]
        said_mm = model.lifter.lift(joints)[0].double().numpy()
        true_mm = sample.joints_mm()
        apart = (said_mm - said_mm[0]) - (true_mm - true_mm[0])
        found.append(np.linalg.norm(apart, axis=1))
    return np.stack(found)


@pytest.mark.parametrize("inputs", ["camera", "box"])
def test_a_split_is_scored_whole_by_joint_and_by_action(inputs):
    split = FakeBodies(first=0, count=9, flat_every=3)
    scored = score_lifts(lifter_artifacts(inputs), split, Asked(num_samples=8, device=CPU))
    used = FakeBodies(first=0, count=8, flat_every=3)
    expected = errors_mm(used, inputs)
    values = {score.name: score.value for score in scored.scores}
    assert values["mpjpe_mm"] == pytest.approx(expected.mean(), rel=1e-5)
    assert values["pck_150"] == pytest.approx((expected[:, 1:] <= 150).mean())
    by_joint = [row["mpjpe_mm"] for row in scored.tables["joints"].values()]
    np.testing.assert_allclose(by_joint, expected.mean(axis=0), rtol=1e-5, atol=1e-6)
    actions = np.array([sample.action for sample in used if sample.has_depth])
    means = {action: row["mpjpe_mm"] for action, row in scored.tables["actions"].items()}
    wanted = {action: expected[actions == action].mean() for action in np.unique(actions)}
    assert means == pytest.approx(wanted, rel=1e-5)
    assert values["mpjpe_actions_mm"] == pytest.approx(np.mean(list(wanted.values())), rel=1e-5)
    assert all(score.protocol and score.count == 6 for score in scored.scores)
    assert ("true camera" in scored.looked) is (inputs == "camera")


def test_scores_are_those_that_the_phase_reports():
    config = LiftConfig.model_validate(
        {"epochs": 1, "batch_size": 4, "network": {"width": 8, "blocks": 1}}
    )
    data = fake_bodies()
    phase = lift(config, PhaseInputs(data=data, parents={}, seed=0, device=CPU))
    report = next(phase)
    scored = score_lifts(report.artifacts(), data.splits["val"], Asked(num_samples=5, device=CPU))
    phase.close()
    values = {score.name: score.value for score in scored.scores}
    for name in LIFT_SCORES:
        assert values[name] == pytest.approx(report.metrics[f"val/{name}"], rel=1e-6)


def test_what_is_no_lifting_network_is_refused():
    artifacts = lifter_artifacts()
    with pytest.raises(ValueError, match=r"missing: lifter\. Give a stage of the phase lift"):
        load_lifting_model(Artifacts(facts=artifacts.facts), CPU)
    for changed, message in (
        ({"inputs": "sound"}, "its settings are not ones that this program knows"),
        ({"network": {"kind": "semantic_graph"}}, "the weights are not those of semantic_graph"),
    ):
        other = Artifacts(tensors=artifacts.tensors, facts={**artifacts.facts, **changed})
        with pytest.raises(ValueError, match=message):
            load_lifting_model(other, CPU)


def test_a_body_is_not_seen_from_several_sides():
    asked = Asked(num_samples=2, device=CPU, rotations=3)
    with pytest.raises(ValueError, match="leave --rotations and --mirrored out"):
        score_lifts(lifter_artifacts(), FakeBodies(first=0, count=2), asked)
