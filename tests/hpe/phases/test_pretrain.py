import math
import multiprocessing

import pytest
import torch
from pydantic import ValidationError

from hpe.phases.averages import Averages, require_finite
from hpe.phases.phase import Diverged
from hpe.phases.pretrain import pretrain
from hpe.phases.pretrain_config import PretrainConfig, pretrain_metrics

TINY = {
    "epochs": 2,
    "batch_size": 8,
    "image_px": 36,
    "encoder": {"width": 4},
    "projection": {"hidden": 8, "out": 8},
    "augment": {"rotate": {"enabled": True}, "translate": {"enabled": True}},
    "probe": {"labels": 10, "val_samples": 6},
}


def settings(**changes):
    return PretrainConfig.model_validate({**TINY, **changes})


def test_reports_every_epoch_with_all_metrics_and_returns_the_weights(make_inputs, drain):
    config = settings(loss={"equivariant_weight": 1.0})
    reports, artifacts = drain(pretrain(config, make_inputs()))
    assert [(report.epoch, report.epochs) for report in reports] == [(1, 2), (2, 2)]
    assert all(set(report.metrics) == set(pretrain_metrics(config)) for report in reports)
    assert set(artifacts.tensors) == {"encoder", "projection"}
    assert artifacts.facts["encoder"] == config.encoder.model_dump(mode="json")
    assert artifacts.facts["feature_dim"] == 4 * 8 * 4


def test_learning_changes_every_weight(make_inputs, drain):
    first, last = (drain(pretrain(settings(epochs=epochs), make_inputs()))[1] for epochs in (1, 2))
    for group in ("encoder", "projection"):
        for name, value in last.tensors[group].items():
            assert not torch.equal(value, first.tensors[group][name]), name


def test_a_probe_is_reported_only_when_due(make_inputs, drain):
    config = settings(epochs=3, probe={**TINY["probe"], "every": 2})
    reports, _ = drain(pretrain(config, make_inputs()))
    assert ["val/probe_root_epe_mm" in report.metrics for report in reports] == [False, True, True]
    silent = settings(probe={"every": 0})
    assert not any("probe" in name for name in pretrain_metrics(silent))


def test_the_seed_decides_everything(make_inputs, drain):
    runs = [drain(pretrain(settings(), make_inputs(seed=seed)))[1] for seed in (1, 1, 2)]
    weights = [run.tensors["projection"]["layers.3.weight"] for run in runs]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_probe_does_not_disturb_training(make_inputs, drain):
    runs = [
        drain(pretrain(settings(probe={**TINY["probe"], "every": every}), make_inputs()))[1]
        for every in (0, 1)
    ]
    for name, value in runs[0].tensors["encoder"].items():
        assert torch.equal(value, runs[1].tensors["encoder"][name]), name


def test_limit_batches_limits_the_steps(make_inputs, drain):
    limited, _ = drain(pretrain(settings(limit_batches=1, batch_size=4), make_inputs()))
    few, _ = drain(pretrain(settings(batch_size=4), make_inputs(unlabelled=16)))
    assert limited[0].metrics["train/loss"] != few[0].metrics["train/loss"]
    assert len(limited) == 2


@pytest.mark.slow
def test_views_made_by_child_processes_train_the_same_network(make_inputs, drain):
    _, here = drain(pretrain(settings(), make_inputs()))
    phase = pretrain(settings(loader_workers=2), make_inputs())
    _, there = drain(phase)
    for name, value in here.tensors["encoder"].items():
        assert torch.equal(value, there.tensors["encoder"][name]), name


@pytest.mark.slow
def test_closing_a_phase_ends_its_child_processes(make_inputs):
    phase = pretrain(settings(loader_workers=1), make_inputs())
    next(phase)
    assert len(multiprocessing.active_children()) == 1
    phase.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("changes", [{"batch_size": 32}, {"accumulate": 3}])
def test_refuses_a_step_larger_than_the_split(make_inputs, changes):
    with pytest.raises(ValueError, match="the unlabelled split has 16: lower one of the two"):
        next(pretrain(settings(**changes), make_inputs()))


def test_a_diverging_run_says_what_and_when(make_inputs):
    config = settings(optimizer={"lr": 1e30, "schedule": "constant"}, epochs=5)
    with pytest.raises(Diverged, match=r"train/loss is nan in epoch \d"):
        for _ in pretrain(config, make_inputs()):
            pass


def test_divergence_is_noticed_within_a_long_epoch():
    averages = Averages(epoch=4)
    with pytest.raises(Diverged, match="train/loss is inf in epoch 4"):
        for _ in range(60):
            averages.add({"train/loss": torch.tensor(math.inf)})


def test_finite_metrics_pass():
    assert require_finite({"a": 1.0}, epoch=1) == {"a": 1.0}


def test_refuses_to_keep_by_a_metric_that_is_not_reported():
    with pytest.raises(ValidationError, match="keep/metric must be one that the phase reports"):
        settings(keep={"best": True, "metric": "val/pa_epe_mm"})


def test_refuses_images_and_weights_that_the_small_network_cannot_have():
    assert settings(image_px=33).image_px == 33
    with pytest.raises(ValidationError, match=r"image_px\n  Input should be greater .* 33"):
        settings(image_px=32)
    with pytest.raises(ValidationError, match="small_resnet has no ImageNet weights"):
        settings(encoder={"init": "imagenet"})


@pytest.mark.parametrize("keep", [{"best": True}, {"top_k": 2}])
def test_refuses_to_rank_epochs_by_a_probe_that_never_runs(keep):
    probe = {**TINY["probe"], "every": 0}
    with pytest.raises(ValidationError, match="by the probe, but probe/every is 0; probe at"):
        settings(keep=keep, probe=probe)
    settings(keep={**keep, "metric": "train/loss"}, probe=probe)
    settings(keep={"every": 1}, probe=probe)


RELATIVE = {"weight": 1.0, "hidden": 8}
NO_CONTRAST = {"invariant_weight": 0.0}
KINDS = {
    "simclr": {},
    "pairwise": {"loss": NO_CONTRAST, "relative": RELATIVE},
    "hybrid1": {
        "relative": {
            **RELATIVE,
            "own_views": True,
            "balance": "learned",
            "augment": {"hsv_jitter": {"enabled": True}},
        }
    },
    "simclr on heatmaps": {"projection": {"hidden": 8, "out": 8, "kind": "points"}},
    "peclr on heatmaps": {
        "projection": {"hidden": 8, "out": 8, "kind": "points"},
        "loss": {**NO_CONTRAST, "equivariant_weight": 1.0},
    },
    "equivariant heatmaps": {
        "projection": {"hidden": 8, "out": 8, "kind": "maps"},
        "loss": {**NO_CONTRAST, "equivariant_weight": 1.0},
    },
    "pairwise on heatmaps": {
        "projection": {"hidden": 8, "out": 8, "kind": "points"},
        "loss": NO_CONTRAST,
        "relative": RELATIVE,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_reports_all_its_metrics_and_learns(kind, make_inputs, drain):
    config = settings(**KINDS[kind])
    reports, artifacts = drain(pretrain(config, make_inputs()))
    assert all(set(report.metrics) == set(pretrain_metrics(config)) for report in reports)
    groups = {"encoder"}
    groups |= {"projection"} if config.loss.enabled else set()
    groups |= {"relative"} if config.relative.enabled else set()
    assert set(artifacts.tensors) == groups
    _, shorter = drain(pretrain(settings(**KINDS[kind], epochs=1), make_inputs()))
    for group in groups:
        for name, value in artifacts.tensors[group].items():
            assert not torch.equal(value, shorter.tensors[group][name]), name


def test_a_method_reports_what_it_has_and_nothing_else():
    assert "train/collapse_share" not in pretrain_metrics(settings(**KINDS["pairwise"]))
    assert "train/loss_invariant" not in pretrain_metrics(settings(**KINDS["equivariant heatmaps"]))
    hybrid1 = pretrain_metrics(settings(**KINDS["hybrid1"]))
    weights = {name for name in hybrid1 if name.startswith("train/weight")}
    parts = ("color", "contrastive", "relative")
    assert weights == {f"train/weight_{part}" for part in parts}


def test_learned_weights_follow_from_their_losses(make_inputs, drain):
    config = settings(**KINDS["pairwise"], optimizer={"lr": 0.05, "schedule": "constant"}, epochs=3)
    reports, _ = drain(pretrain(config, make_inputs()))
    assert reports[0].metrics["train/error_rotation_deg"] > 1
    weights = [report.metrics["train/weight_rotation"] for report in reports]
    assert weights == sorted(weights, reverse=True)  # degrees are many, so they come to weigh less
    assert weights[-1] < 1


def test_fixed_weights_add_the_parts(make_inputs, drain):
    relative = {**RELATIVE, "weight": 0.25}
    reports, _ = drain(pretrain(settings(relative=relative), make_inputs()))
    for report in reports:
        metrics = report.metrics
        whole = metrics["train/loss_invariant"] + 0.25 * metrics["train/loss_relative"]
        assert metrics["train/loss"] == pytest.approx(whole, rel=1e-5)


def test_a_steps_negatives_are_more_than_a_batchs(make_inputs, drain):
    losses = [
        drain(
            pretrain(
                settings(epochs=1, batch_size=4, accumulate=4, loss={"negatives": negatives}),
                make_inputs(),
            )
        )[0][0].metrics["train/loss"]
        for negatives in ("batch", "step")
    ]
    assert losses[0] < losses[1]


def test_warns_of_embeddings_that_stay_the_same(make_inputs, drain):
    config = settings(epochs=4, loss={"temperature": 1e6})  # all similarities look alike
    reports, _ = drain(pretrain(config, make_inputs()))
    assert [r.metrics["train/is_collapsed"] for r in reports] == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": NO_CONTRAST}, "relative/weight are all 0, which leaves no loss"),
        (
            {"relative": {**RELATIVE, "color": True}},
            "relative/color is regressed only where views differ in it",
        ),
        (
            {"relative": {**RELATIVE, "augment": {"zoom": {"enabled": True}}}},
            "only where relative/own_views is true",
        ),
        (
            {"loss": NO_CONTRAST, "relative": {**RELATIVE, "balance": "learned"}},
            "relative/balance: learned needs a contrastive part",
        ),
        (
            {
                "loss": NO_CONTRAST,
                "relative": {**RELATIVE, "own_views": True, "augment": TINY["augment"]},
            },
            "relative/own_views: true needs a contrastive part",
        ),
        (
            {"encoder": {"name": "vit_small"}, "projection": {"kind": "points"}},
            "projection/kind: points needs an encoder with maps, and vit_small has none",
        ),
        ({"projection": {"kind": "maps"}}, "maps has the equivariant term alone"),
        (
            {
                "projection": {"kind": "maps"},
                "loss": {**NO_CONTRAST, "equivariant_weight": 1.0, "undo": "peclr"},
            },
            "maps is moved back exactly, but loss/undo is peclr",
        ),
    ],
)
def test_refuses_parts_that_do_not_go_together(changes, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changes)
