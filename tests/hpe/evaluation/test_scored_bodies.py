"""Scores of body networks against a loop over samples that uses no rows of training."""

import numpy as np
import pytest
import torch

from hpe.augment.body_views import BodyViewConfig, build_body_view
from hpe.evaluation.body_model import load_body_model
from hpe.evaluation.scored_bodies import score_body_split
from hpe.evaluation.split_scores import Asked
from hpe.phases.phase import Artifacts
from tests.hpe.evaluation.untrained_bodies import HEIGHT_PX, WIDTH_PX, body_artifacts
from tests.hpe.phases.body_fakes import FakeBodies

CPU = torch.device("cpu")


def errors_mm(split, count):
    """Errors of each sample's joints, pelves aligned, found one sample at a time."""
    model = load_body_model(body_artifacts(), CPU)
    make = build_body_view(BodyViewConfig(), width_px=WIDTH_PX, height_px=HEIGHT_PX, seed=0)
    found = []
    for number in range(count):
        sample = split[number]
        view = make(sample, np.random.default_rng(0))
        points = model.network(torch.from_numpy(view.image)[None])[0].double().numpy()
        keypoints_px = view.source_keypoints_px((points[:, :2] + 0.5) * [WIDTH_PX, HEIGHT_PX])
        z_mm = points[:, 2] * view.depth_range_mm + sample.pelvis_mm[2]
        rays = np.linalg.inv(sample.intrinsics) @ np.c_[keypoints_px, np.ones(17)].T
        joints_mm = (rays * z_mm).T
        apart = (joints_mm - joints_mm[0]) - (sample.joints_mm() - sample.joints_mm()[0])
        found.append(np.linalg.norm(apart, axis=1))
    return np.stack(found)


def test_a_split_is_scored_whole_by_joint_and_by_action():
    split = FakeBodies(first=0, count=5)
    scored = score_body_split(body_artifacts(), split, Asked(num_samples=4, device=CPU))
    expected = errors_mm(split, 4)
    values = {score.name: score.value for score in scored.scores}
    assert values["mpjpe_mm"] == pytest.approx(expected.mean(), rel=1e-5)
    assert values["pck_150"] == pytest.approx((expected[:, 1:] <= 150).mean())
    by_joint = [row["mpjpe_mm"] for row in scored.tables["joints"].values()]
    np.testing.assert_allclose(by_joint, expected.mean(axis=0), rtol=1e-5, atol=1e-6)
    actions = np.array([split[number].action for number in range(4)])
    for action, row in scored.tables["actions"].items():
        assert row["mpjpe_mm"] == pytest.approx(expected[actions == action].mean(), rel=1e-5)
    means = [row["mpjpe_mm"] for row in scored.tables["actions"].values()]
    assert values["mpjpe_actions_mm"] == pytest.approx(np.mean(means))
    assert all(score.protocol and score.count == 4 for score in scored.scores)
    assert "true depth of the pelvis" in scored.looked


def test_keypoints_alone_are_scored_in_the_image_alone():
    split = FakeBodies(first=0, count=3, flat_every=1, head_px=40.0)
    scored = score_body_split(body_artifacts(), split, Asked(num_samples=3, device=CPU))
    model = load_body_model(body_artifacts(), CPU)
    make = build_body_view(BodyViewConfig(), width_px=WIDTH_PX, height_px=HEIGHT_PX, seed=0)
    hits, counted = 0, 0
    for number in range(3):
        view = make(split[number], np.random.default_rng(0))
        points = model.network(torch.from_numpy(view.image)[None])[0].double().numpy()
        found_px = view.source_keypoints_px((points[:, :2] + 0.5) * [WIDTH_PX, HEIGHT_PX])
        errors_px = np.linalg.norm(found_px - split[number].keypoints_px, axis=1)
        counts = [j for j in np.flatnonzero(view.visible) if j not in (0, 7, 8)]
        hits, counted = hits + (errors_px[counts] <= 20).sum(), counted + len(counts)
    values = {score.name: score.value for score in scored.scores}
    assert set(values) == {"epe_2d_px", "pckh_50"}
    assert 0 < values["pckh_50"] < 1
    assert values["pckh_50"] == pytest.approx(hits / counted)
    assert set(scored.tables) == {"keypoints"}
    assert "in 2D alone" in scored.looked


def test_what_is_no_body_network_is_refused():
    artifacts = body_artifacts()
    headless = Artifacts(tensors={"encoder": artifacts.tensors["encoder"]}, facts=artifacts.facts)
    with pytest.raises(ValueError, match=r"missing: head\. Give a stage of the phase body_pose"):
        load_body_model(headless, CPU)
    other = {**artifacts.facts, "head": {**artifacts.facts["head"], "depth": 9}}
    with pytest.raises(ValueError, match="the weights are not those of small_resnet"):
        load_body_model(Artifacts(tensors=artifacts.tensors, facts=other), CPU)
