"""Finetuning other heads: on maps, with hidden layers, of the palm, with a denoised root depth."""

import pytest
import torch
from pydantic import ValidationError

from hpe.geometry.decoding import encode_pose
from hpe.geometry.palm import with_root
from hpe.geometry.root_depth import to_25d
from hpe.metrics.template import fit_template
from hpe.models.encoders import build_encoder
from hpe.phases.evaluation import DENOISED_SCORES, SCORES, score_poses
from hpe.phases.finetune import finetune
from hpe.phases.finetune_config import FinetuneConfig, finetune_metrics
from hpe.phases.labelled import Crops, mean_pose, pose_targets
from hpe.phases.phase import Artifacts

TINY = {
    "epochs": 2,
    "steps_per_epoch": 3,
    "batch_size": 4,
    "image_px": 36,
    "encoder": {"width": 4},
}
CPU = torch.device("cpu")

HEADS = {
    "mlp": {"kind": "mlp", "hidden": 8},
    "heatmap": {"kind": "heatmap", "hidden": 8},
    "denoiser": {"denoiser": True},
    "palm": {"root": "palm"},
    "all": {"kind": "heatmap", "hidden": 8, "denoiser": True, "root": "palm_middle"},
}


def settings(**changes):
    return FinetuneConfig.model_validate({**TINY, **changes})


def rows_of(inputs, **options):
    return Crops(inputs.data.splits["train"], range(12), image_px=36, **options).rows()


def perfect_output(rows, root):
    pose = to_25d(with_root(rows["joints_m"], root), rows["intrinsics"])
    return encode_pose(pose.keypoints_px, pose.depth_rel, image_px=36)


@pytest.mark.parametrize("train_encoder", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_every_head_reports_all_its_metrics_and_learns(make_inputs, drain, head, train_encoder):
    config = settings(head=HEADS[head], train_encoder=train_encoder)
    inputs = make_inputs(partly_visible=True)
    reports, artifacts = drain(finetune(config, inputs))
    assert all(set(report.metrics) == set(finetune_metrics(config)) for report in reports)
    assert ("denoiser" in artifacts.tensors) == config.head.denoiser
    assert artifacts.facts["head"]["kind"] == config.head.kind
    assert reports[1].metrics["train/loss"] < reports[0].metrics["train/loss"]


def test_a_denoiser_changes_nothing_about_the_pose(make_inputs, drain):
    plain, denoised = (
        drain(finetune(settings(head={"denoiser": on}), make_inputs())) for on in (False, True)
    )
    for group in ("encoder", "head", "predictions"):
        for name, value in plain[1].tensors[group].items():
            assert torch.equal(value, denoised[1].tensors[group][name]), name
    shared = {name: denoised[0][1].metrics[name] for name in plain[0][1].metrics}
    assert shared == plain[0][1].metrics
    weights = denoised[1].tensors["denoiser"]["layers.6.weight"]
    assert weights.any()


def test_before_learning_the_denoised_error_is_the_analytic_one(make_inputs):
    config = settings(
        head={"denoiser": True}, optimizer={"lr": 1e-12, "warmup_epochs": 2}, steps_per_epoch=1
    )
    metrics = next(finetune(config, make_inputs())).metrics
    assert metrics["val/denoised_epe_mm"] == pytest.approx(metrics["val/epe_mm"], rel=1e-4)
    assert metrics["val/denoised_auc"] == pytest.approx(metrics["val/auc"], abs=1e-3)


@pytest.mark.parametrize("root", ["wrist", "palm", "palm_middle"])
def test_a_perfect_output_has_no_error_whatever_the_root(make_inputs, root):
    rows = rows_of(make_inputs())
    scores = score_poses(
        perfect_output(rows, root),
        rows,
        image_px=36,
        template=fit_template(rows["joints_m"]),
        root=root,
        root_depth=with_root(rows["joints_m"], root)[:, 0, 2] / to_25d(**pose_of(rows)).scale_m,
    )
    assert set(scores) == {*SCORES, *DENOISED_SCORES}
    for name in ("epe_2d_px", "root_epe_mm", "epe_mm", "pa_epe_mm", "denoised_epe_mm"):
        assert scores[name] == pytest.approx(0.0, abs=1e-3), name
    assert scores["template_root_epe_mm"] > 1


def pose_of(rows):
    return {"joints_m": rows["joints_m"], "intrinsics": rows["intrinsics"]}


def test_a_wrong_root_depth_moves_the_hand_along_its_rays(make_inputs):
    rows = rows_of(make_inputs())
    scale_m = to_25d(**pose_of(rows)).scale_m
    true = rows["joints_m"][:, 0, 2] / scale_m
    scores = score_poses(
        perfect_output(rows, "wrist"),
        rows,
        image_px=36,
        template=fit_template(rows["joints_m"]),
        root_depth=true + 0.01 / scale_m,
    )
    rays = rows["joints_m"] / rows["joints_m"][..., 2:]
    assert scores["denoised_epe_mm"] == pytest.approx(float(10 * rays.norm(dim=-1).mean()))


def test_targets_of_a_palm_are_those_of_its_joints(make_inputs):
    rows = rows_of(make_inputs())
    rows["visible"][3, 5] = False
    targets = pose_targets(rows, CPU, root="palm")
    pose = to_25d(with_root(rows["joints_m"], "palm"), rows["intrinsics"])
    torch.testing.assert_close(targets.keypoints_px, pose.keypoints_px.float())
    torch.testing.assert_close(targets.depth_rel, pose.depth_rel.float())
    palm_m = (rows["joints_m"][:, 0, 2] + rows["joints_m"][:, 5, 2]) / 2
    torch.testing.assert_close(targets.root_depth, (palm_m / pose.scale_m).float())
    assert targets.valid[:, 0].tolist() == [index != 3 for index in range(12)]
    expected = encode_pose(pose.keypoints_px, pose.depth_rel, image_px=36).mean(0).float()
    assert torch.equal(mean_pose(rows, image_px=36, root="palm"), expected)


@pytest.mark.parametrize("root", ["wrist", "palm"])
def test_s0_counts_depth_errors_in_lengths_of_root_to_index_knuckle(make_inputs, root):
    rows = rows_of(make_inputs())
    joints_m = with_root(rows["joints_m"], root)
    targets = pose_targets(rows, CPU, root=root)
    s0_m = (joints_m[:, 5] - joints_m[:, 0]).norm(dim=-1)
    behind_m = joints_m[..., 2] - joints_m[:, :1, 2]
    torch.testing.assert_close(
        targets.depth_unit[:, None] * targets.depth_rel, (behind_m / s0_m[:, None]).float()
    )


def test_depth_errors_are_trained_on_in_the_unit_that_is_set(make_inputs):
    still = {"optimizer": {"lr": 1e-12}, "steps_per_epoch": 1}
    ours, s0 = (
        next(finetune(settings(loss={"compat": compat}, **still), make_inputs())).metrics
        for compat in ("none", "s0")
    )
    unit = pose_targets(rows_of(make_inputs()), CPU).depth_unit
    assert ours["train/loss_2d_px"] == s0["train/loss_2d_px"]
    ratio = s0["train/loss_depth"] / ours["train/loss_depth"]
    assert float(unit.min()) - 1e-6 <= ratio <= float(unit.max()) + 1e-6 < 1.0


def test_before_learning_the_head_says_the_mean_palm(make_inputs):
    config = settings(
        head={"root": "palm"}, optimizer={"lr": 1e-12, "warmup_epochs": 2}, steps_per_epoch=1
    )
    inputs = make_inputs()
    bias = next(finetune(config, inputs)).artifacts().tensors["head"]["linear.bias"]
    expected = mean_pose(rows_of(inputs), image_px=36, root="palm")
    torch.testing.assert_close(bias.reshape(21, 3), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("joint", [0, 9, 10])
def test_root_depth_is_taught_where_wrist_and_scale_bone_are_annotated(make_inputs, joint):
    rows = rows_of(make_inputs())
    rows["visible"][2, joint] = False
    rows["visible"][4, 20] = False
    targets = pose_targets(rows, CPU)
    assert targets.root_valid.tolist() == [index != 2 for index in range(12)]


def test_samples_without_depth_teach_and_score_keypoints_alone(make_inputs):
    rows = rows_of(make_inputs())
    rows["has_depth"][:2] = False
    targets = pose_targets(rows, CPU)
    assert not targets.depth_valid[:2].any() and targets.depth_valid[2:].all()
    assert targets.depth_unit[:2].eq(1).all() and targets.depth_unit[2:].lt(1).all()
    assert targets.valid.all() and not targets.root_valid[:2].any()
    output = perfect_output(rows, "wrist")
    output[:2] += 0.5
    template = fit_template(rows["joints_m"])
    scores = score_poses(output, rows, image_px=36, template=template)
    assert scores["root_epe_mm"] == pytest.approx(0, abs=1e-3)
    assert scores["epe_2d_px"] == pytest.approx(2 / 12 * 9 * 2**0.5)
    rows["has_depth"][:] = False
    with pytest.raises(ValueError, match="need samples with depth, got none among 12"):
        score_poses(output, rows, image_px=36, template=template)


def test_maps_of_a_frozen_encoder_are_made_anew_and_leave_it_as_it_was(make_inputs, drain):
    config = settings(head=HEADS["heatmap"], train_encoder=False)
    encoder = build_encoder(config.encoder, seed=9).state_dict()
    parent = Artifacts(tensors={"encoder": encoder}, facts={})
    _, artifacts = drain(finetune(config, make_inputs(parents={"pretrain": parent})))
    assert all(torch.equal(artifacts.tensors["encoder"][name], encoder[name]) for name in encoder)


def test_a_head_on_maps_needs_an_encoder_that_has_them():
    with pytest.raises(ValidationError, match=r"reads feature maps, and vit_small has none; use"):
        settings(head={"kind": "heatmap"}, encoder={"name": "vit_small"})


@pytest.mark.slow
def test_an_hrnet_with_a_heatmap_head_trains(make_inputs, drain):
    config = settings(
        epochs=1,
        steps_per_epoch=1,
        image_px=64,
        encoder={"name": "hrnet_w18_small"},
        head={"kind": "heatmap", "compat": "s0", "denoiser": True},
    )
    reports, artifacts = drain(finetune(config, make_inputs()))
    assert set(reports[0].metrics) == set(finetune_metrics(config))
    assert "trunk.final_layer.0.weight" in artifacts.tensors["encoder"]
