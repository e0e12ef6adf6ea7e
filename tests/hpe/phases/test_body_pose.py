"""Body pose as a phase: what it reports and leaves, how it stops, goes on and diverges."""

import json

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from hpe.phases.body_config import TRAIN_METRICS, BodyPoseConfig, body_pose_metrics
from hpe.phases.body_pose import body_pose
from hpe.phases.phase import Diverged, PhaseInputs
from hpe.phases.state import join_state, split_state
from tests.hpe.phases.body_fakes import fake_bodies

TINY = {
    "epochs": 2,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "width_px": 64,
    "height_px": 96,
    "encoder": {"width": 4},
    "head": {"depth": 6, "channels": 8, "upsamplings": 2, "hidden": 16},
    "optimizer": {"milestones": [1]},
}
AUGMENT = {
    "scale": {"enabled": True},
    "rotate": {"enabled": True},
    "flip": {"enabled": True},
    "gain": {"enabled": True},
}


def settings(**changes):
    return BodyPoseConfig.model_validate({**TINY, **changes})


def inputs(**changes):
    return PhaseInputs(data=fake_bodies(**changes), parents={}, seed=3, device=torch.device("cpu"))


def head(**changes):
    return {**TINY["head"], **changes}


@pytest.mark.parametrize("score_test", [False, True])
def test_reports_every_epoch_with_all_metrics(drain, score_test):
    config = settings(score_test=score_test)
    reports, _ = drain(body_pose(config, inputs()))
    assert [report.epoch for report in reports] == [1, 2]
    assert all(set(report.metrics) == set(body_pose_metrics(config)) for report in reports)
    assert any(name.startswith("test/") for name in reports[0].metrics) == score_test


def test_artifacts_hold_weights_predictions_and_their_meaning(drain):
    reports, artifacts = drain(body_pose(settings(), inputs(val=30)))
    assert set(artifacts.tensors) == {"encoder", "head", "predictions"}
    shown = artifacts.tensors["predictions"]
    assert shown["images"].shape == (12, 256, 171, 3)
    assert shown["predicted_px"].shape == shown["keypoints_px"].shape == (12, 17, 2)
    assert not shown["joints_mm"][:, 0].any()
    assert artifacts.facts["metrics"] == reports[-1].metrics
    assert set(artifacts.facts["by_action_mm"]["val"]) == {"Walking", "Sitting"}
    by_joint = artifacts.facts["by_joint_mm"]["val"]
    assert sum(by_joint.values()) / 17 == pytest.approx(reports[-1].metrics["val/mpjpe_mm"])
    assert "pelvi" in artifacts.facts["protocol"]["mpjpe_mm"]


def test_data_that_know_heads_are_scored_by_pckh_beside(drain):
    config = settings(epochs=1, steps_per_epoch=1)
    reports, artifacts = drain(body_pose(config, inputs(val=3, head_px=9.0)))
    assert set(reports[0].metrics) == {*body_pose_metrics(config), "val/pckh_50"}
    assert 0 <= reports[0].metrics["val/pckh_50"] <= 1
    assert "0.6 of the head box" in artifacts.facts["protocol"]["pckh_50"]


CASES = {
    "volumes, augmented": {"augment": AUGMENT},
    "volumes, bf16, frozen, accumulating": {
        "precision": "bf16",
        "frozen_stages": 3,
        "frozen_statistics": False,
        "accumulate": 2,
        "loss": {"bone_weight": 0.1},
        "score_test": True,
    },
    "direct, occluded": {
        "head": head(kind="direct"),
        "augment": {"occlude": {"enabled": True}},
        "loss": {"normalised": True},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_resumed_phase_equals_the_uninterrupted_one(case, drain, tmp_path):
    config = settings(**CASES[case])

    def save(report):
        tensors, skeleton = split_state(report.state())
        save_file({k: v.contiguous() for k, v in tensors.items()}, tmp_path / f"{report.epoch}.st")
        (tmp_path / f"{report.epoch}.json").write_text(json.dumps(skeleton, allow_nan=False))

    given = inputs(flat_every=3)
    reports, whole = drain(body_pose(config, given), each=save)
    for stop in (1, 2):
        torch.manual_seed(stop)  # whatever the process did meanwhile
        skeleton = json.loads((tmp_path / f"{stop}.json").read_text())
        state = join_state(load_file(tmp_path / f"{stop}.st"), skeleton)
        resumed, end = drain(body_pose(config, given, resume=state))
        assert [r.metrics for r in resumed] == [r.metrics for r in reports[stop:]]
        assert end.facts == whole.facts
        for group, tensors in whole.tensors.items():
            for key, value in tensors.items():
                assert torch.equal(value, end.tensors[group][key]), (stop, group, key)


def test_regression_starts_from_the_mean_body_which_the_template_is(drain):
    config = settings(
        epochs=1,
        steps_per_epoch=1,
        head=head(kind="direct"),
        optimizer={"lr": 1e-12, "milestones": [1]},
    )
    metrics = next(body_pose(config, inputs())).metrics
    assert metrics["val/mpjpe_mm"] == pytest.approx(metrics["val/template_mpjpe_mm"], rel=0.02)
    assert metrics["val/pa_mpjpe_mm"] == pytest.approx(
        metrics["val/template_pa_mpjpe_mm"], rel=0.05
    )


def test_learning_lowers_the_training_loss(drain):
    config = settings(epochs=3, steps_per_epoch=8, optimizer={"lr": 1e-2, "schedule": "constant"})
    losses = [r.metrics["train/loss"] for r in drain(body_pose(config, inputs()))[0]]
    assert losses[2] < 0.8 * losses[0]


@pytest.mark.parametrize("statistics", [True, False])
def test_frozen_stages_keep_their_weights_and_their_statistics_if_asked(statistics):
    frozen = ("trunk.stem.", "trunk.stages.0.", "trunk.stages.1.")
    config = settings(frozen_stages=3, frozen_statistics=statistics, optimizer={"lr": 1e-2})
    phase = body_pose(config, inputs())
    first, last = ({**report.artifacts().tensors["encoder"]} for report in phase)
    for name, value in first.items():
        is_statistic = "running" in name or "num_batches" in name
        kept = name.startswith(frozen) and (statistics or not is_statistic)
        assert torch.equal(value, last[name]) is kept, name


def test_accumulated_batches_make_the_step_of_one_large_batch():
    options = {"frozen_stages": 5, "head": head(kind="direct"), "steps_per_epoch": 1, "epochs": 1}
    large, small = (
        settings(**options, batch_size=batch_size, accumulate=accumulate)
        for batch_size, accumulate in ((12, 1), (4, 3))
    )
    one, many = (next(body_pose(c, inputs(flat_every=3))) for c in (large, small))
    for name in TRAIN_METRICS:
        assert many.metrics[name] == pytest.approx(one.metrics[name], rel=1e-5), name
    weights = [report.state()["optimizer"]["state"].values() for report in (one, many)]
    moments = [torch.cat([w["exp_avg"].flatten() for w in of_one]) for of_one in weights]
    assert moments[0].any()
    torch.testing.assert_close(*moments, rtol=1e-4, atol=1e-7)


def test_keypoints_alone_are_trained_on_and_scored_in_2d(drain):
    metrics = drain(body_pose(settings(), inputs(flat_every=2)))[0][-1].metrics
    whole = drain(body_pose(settings(), inputs()))[0][-1].metrics
    assert metrics["train/loss_depth"] < 0.8 * whole["train/loss_depth"]


def test_a_data_set_without_depth_is_refused_with_a_way_out():
    with pytest.raises(ValueError, match=r"got none in 12; .* mixture with one that knows depths"):
        next(body_pose(settings(), inputs(flat_every=1)))


def test_a_loss_that_is_not_finite_diverges(drain):
    config = settings(optimizer={"lr": 1e30, "milestones": [1]}, steps_per_epoch=4)
    with pytest.raises(Diverged, match="training diverged"):
        drain(body_pose(config, inputs()))


def test_the_defaults_are_s4s():
    config = BodyPoseConfig()
    assert (config.width_px, config.height_px, config.head.depth) == (288, 384, 72)
    assert (config.epochs, config.batch_size, config.accumulate) == (65, 16, 1)
    optimizer = config.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.weight_decay) == ("adam", 1e-4, 0)
    assert (optimizer.schedule, optimizer.milestones) == ("multistep", (55, 60))
    assert optimizer.factor == 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": {"name": "vit_small"}}, "use a convolutional encoder"),
        (
            {"encoder": {"name": "efficientnet_b0"}, "frozen_stages": 2},
            "got 2 for efficientnet_b0; use 0",
        ),
        ({"height_px": 100}, "must be multiples of 32, got 64 and 100"),
        ({"keep": {"best": True, "metric": "val/epe_mm"}}, "keep/metric must be one"),
    ],
)
def test_impossible_settings_are_refused_with_a_way_out(changes, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changes)


def test_statistics_mean_nothing_where_nothing_is_frozen():
    assert settings(frozen_statistics=False).canonical() == settings().canonical()
    frozen = settings(frozen_stages=1, frozen_statistics=False)
    assert frozen.canonical() != settings(frozen_stages=1).canonical()
