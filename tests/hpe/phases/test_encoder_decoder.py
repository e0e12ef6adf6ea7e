import pytest
import torch
from pydantic import ValidationError

from hpe.augment.geometric import robust_poses
from hpe.data.catalog import DATA_SETS
from hpe.geometry.target_space import TargetSpace
from hpe.metrics.template import fit_template
from hpe.models.encoders import build_encoder
from hpe.phases import axis_scores, labelled
from hpe.phases.axis_scores import AxisEvaluationSet, crops_in_pose, predicted_hands, score_hands
from hpe.phases.catalog import PHASES
from hpe.phases.encoder_decoder import encoder_decoder
from hpe.phases.encoder_decoder_config import (
    TRAIN_METRICS,
    EncoderDecoderConfig,
    TargetConfig,
    encoder_decoder_metrics,
    target_space,
)
from hpe.phases.phase import Artifacts

WIDE_BOX = {"low": (-400.0, -400.0, 100.0), "high": (400.0, 400.0, 2000.0)}
TINY = {
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "image_px": 36,
    "encoder": {"width": 4},
    "decoder": {"width": 4, "blocks": 2},
    "target": WIDE_BOX,
}
SPACES = [
    {"frame": "hand", "camera": "canonical", "unit": "mm"},
    {"frame": "principal_point", "camera": "canonical", "unit": "bone"},
    {"frame": "picture", "camera": "own", "unit": "mm"},
]


def settings(**changes):
    return EncoderDecoderConfig.model_validate({**TINY, **changes})


def space_of(raw):
    return target_space(TargetConfig.model_validate({**raw, **WIDE_BOX}), image_px=36)


def test_it_reports_what_it_promises_and_leaves_a_network_and_pictures(make_inputs, drain):
    config = settings(score_test=True, loss={"points_weight": 0.5, "distribution_weight": 0.5})
    reports, artifacts = drain(encoder_decoder(config, make_inputs()))
    assert list(reports[-1].metrics) == list(encoder_decoder_metrics(config))
    assert sorted(artifacts.tensors) == ["decoder", "encoder", "predictions"]
    sheet = PHASES["encoder_decoder"].draw(artifacts.tensors["predictions"])
    assert sheet.image.ndim == 3
    assert len(sheet.rows) == 6


@pytest.mark.parametrize("kind", ["lifted", "graph"])
def test_what_finds_joints_in_the_view_first_reports_its_losses_there(make_inputs, drain, kind):
    config = settings(
        epochs=2,
        steps_per_epoch=12,
        image_px=64,
        decoder={"width": 8, "blocks": 2, "kind": kind},
        optimizer={"lr": 0.01, "schedule": "constant"},
    )
    reports, _ = drain(encoder_decoder(config, make_inputs()))
    assert list(reports[-1].metrics) == list(encoder_decoder_metrics(config))
    first, last = (report.metrics for report in reports)
    assert ("train/loss_heatmaps" in first) == (kind == "lifted")
    terms = first["train/loss_points"] + first["train/loss_plane"]
    terms += 1e4 * first.get("train/loss_heatmaps", 0.0)
    assert first["train/loss"] == pytest.approx(terms, rel=1e-5)
    assert last["train/loss"] < first["train/loss"]


def test_losses_that_a_decoder_does_not_have_do_not_tell_settings_apart():
    other = {"heatmap_weight": 1.0, "heatmap_std_cells": 1.0}
    assert settings(loss={**other, "plane_weight": 0.0}).canonical() == settings()
    graph = {"kind": "graph"}
    assert settings(decoder=graph, loss=other).canonical() == settings(decoder=graph)
    for name in ("plane_weight", "heatmap_weight", "heatmap_std_cells"):
        changed = settings(image_px=64, decoder={"kind": "lifted"}, loss={name: 2.0})
        assert getattr(changed.canonical().loss, name) == 2.0


@pytest.mark.parametrize("kind", ["f1", "regression"])
def test_learning_lowers_the_training_loss(make_inputs, drain, kind):
    config = settings(
        epochs=2,
        steps_per_epoch=12,
        decoder={"width": 8, "blocks": 3, "kind": kind},
        optimizer={"lr": 0.02, "schedule": "constant"},
    )
    reports, _ = drain(encoder_decoder(config, make_inputs()))
    losses = [report.metrics["train/loss"] for report in reports]
    assert losses[1] < 0.8 * losses[0]


def test_accumulated_batches_make_the_step_of_one_large_batch(make_inputs):
    large, small = (
        settings(
            train_encoder=False,
            decoder={"kind": "regression"},
            batch_size=batch_size,
            accumulate=accumulate,
            steps_per_epoch=1,
        )
        for batch_size, accumulate in ((12, 1), (4, 3))
    )
    one = next(encoder_decoder(large, make_inputs(partly_visible=True)))
    many = next(encoder_decoder(small, make_inputs(partly_visible=True)))
    for index in (0, 1):  # Adam's first moments are the step's gradients
        moments = [report.state()["optimizer"]["state"][index]["exp_avg"] for report in (one, many)]
        torch.testing.assert_close(*moments, rtol=1e-4, atol=1e-6)
    for name in TRAIN_METRICS:
        assert many.metrics[name] == pytest.approx(one.metrics[name], rel=1e-5), name


def test_nothing_of_a_frozen_encoder_moves_and_it_is_the_pretrained_one(make_inputs, drain):
    config = settings(train_encoder=False)
    encoder = build_encoder(config.encoder, seed=99)
    parent = Artifacts(
        tensors={"encoder": encoder.state_dict()},
        facts={"encoder": config.encoder.model_dump(mode="json")},
    )
    _, artifacts = drain(encoder_decoder(config, make_inputs(parents={"pretrain": parent})))
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, artifacts.tensors["encoder"][name]), name


@pytest.mark.parametrize("raw", SPACES)
def test_views_from_all_sides_turn_back_onto_the_hand(make_inputs, raw):
    """A network that is right in every view, mirrored ones included, is right on the whole."""
    split, space = make_inputs().data.splits["val"], space_of(raw)
    for pose in robust_poses(rotations=3, mirrored=True):
        crops = crops_in_pose(split, range(4), image_px=36, frame=raw["frame"], pose=pose)
        rows = crops.rows()
        points = space.points(rows["joints_m"], rows["intrinsics"])
        hands = predicted_hands(crops, lambda _images, points=points: points, space)["hands_m"]
        torch.testing.assert_close(hands, rows["joints_m"])


def test_all_sides_of_all_splits_share_the_memory_for_views(make_inputs, monkeypatch):
    split, shares = make_inputs().data.splits["val"], []

    def told(*args, shared_by, **kwargs):
        shares.append(shared_by)
        return crops_in_pose(*args, shared_by=shared_by, **kwargs)

    monkeypatch.setattr(axis_scores, "crops_in_pose", told)
    poses = robust_poses(rotations=2, mirrored=True)
    kept = {"num_samples": 4, "space": space_of(SPACES[0]), "frame": "hand", "sets": 2}
    AxisEvaluationSet(split, poses=poses, **kept)
    assert shares == [8] * 4
    monkeypatch.setattr(labelled, "CROP_CACHE_BYTES", 8 * 4 * 36 * 36 * 3)
    seen = {"image_px": 36, "frame": "hand", "pose": poses[0]}
    assert crops_in_pose(split, range(4), shared_by=8, **seen).fit_in_memory
    assert not crops_in_pose(split, range(4), shared_by=9, **seen).fit_in_memory


def test_a_robust_prediction_is_the_mean_over_its_views(make_inputs):
    split, space = make_inputs().data.splits["val"], space_of(SPACES[0])
    poses = robust_poses(rotations=2, mirrored=False)
    template = fit_template(torch.randn(5, 21, 3, generator=torch.Generator().manual_seed(0)))

    def predict(images):
        generator = torch.Generator().manual_seed(int(images.sum()))
        return torch.randn(len(images), 21, 3, generator=generator).double() * 50 + 500

    kept = {"num_samples": 4, "space": space, "frame": "hand"}
    both = AxisEvaluationSet(split, poses=poses, **kept).scores(predict, template)
    views = [
        predicted_hands(
            crops_in_pose(split, range(4), image_px=36, frame="hand", pose=pose), predict, space
        )
        for pose in poses
    ]
    mean = (views[0]["hands_m"] + views[1]["hands_m"]) / 2
    assert both == pytest.approx(score_hands(mean, views[0], template=template))


def test_views_turn_evenly_from_upright_and_mirrored_ones_follow():
    assert [pose.angle_deg for pose in robust_poses(rotations=4, mirrored=False)] == [
        0,
        90,
        180,
        270,
    ]
    mirrored = robust_poses(rotations=2, mirrored=True)
    assert [pose.before is not None for pose in mirrored] == [False, False, True, True]
    with pytest.raises(ValueError, match="at least 1 view, got 0"):
        robust_poses(rotations=0, mirrored=False)


def test_the_error_is_a_mean_over_samples_and_does_not_see_similarities(make_inputs):
    crops = crops_in_pose(
        make_inputs().data.splits["val"],
        range(5),
        image_px=36,
        frame="hand",
        pose=robust_poses(rotations=1, mirrored=False)[0],
    )
    rows = crops.rows()
    true_m, template = rows["joints_m"], fit_template(rows["joints_m"])
    moved = 1.3 * true_m @ torch.diag(torch.tensor([-1.0, -1.0, 1.0]).double()) + 0.5
    scores = score_hands(moved, rows, template=template)
    assert scores["pa_mpjpe_mm"] == pytest.approx(0, abs=1e-6)
    assert scores["epe_mm"] > 100
    shifted = true_m + torch.tensor([0.003, 0.0, 0.004]).double()
    scores = score_hands(shifted, rows, template=template)
    assert scores["epe_mm"] == pytest.approx(5.0)
    assert scores["root_epe_mm"] == pytest.approx(0, abs=1e-9)
    one_wrong = true_m.clone()
    one_wrong[0] = torch.randn(21, 3, generator=torch.Generator().manual_seed(0)).double()
    alone = score_hands(one_wrong[:1], {n: v[:1] for n, v in rows.items()}, template=template)[
        "pa_mpjpe_mm"
    ]
    whole = score_hands(one_wrong, rows, template=template)["pa_mpjpe_mm"]
    assert whole == pytest.approx(alone / 5)


def test_refuses_labels_that_lie_outside_of_the_box(make_inputs):
    config = settings(target={"low": (-10.0, -10.0, 100.0), "high": (10.0, 10.0, 200.0)})
    with pytest.raises(ValueError, match=r"target/low to target/high must span the labels, got"):
        next(encoder_decoder(config, make_inputs()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": {"points_weight": 0.5}}, "must total 1, got 0.5"),
        (
            {
                "decoder": {"kind": "regression"},
                "loss": {"points_weight": 0.5, "distribution_weight": 0.5},
            },
            "regression says no distributions",
        ),
        ({"encoder": {"name": "vit_small"}}, "vit_small has none"),
        ({"decoder": {"kind": "f2"}}, "image_px must be a multiple of 32"),
        ({"target": {"low": (0.0, 0.0, 0.0), "high": (1.0, 0.0, 1.0)}}, "low must be below"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changes)


def test_it_is_about_hands():
    assert PHASES["encoder_decoder"].task == DATA_SETS["rendered_hands"].task == "hand_pose"


def test_s2s_space_is_the_default_box_in_millimetres():
    space = target_space(TargetConfig(), image_px=64)
    assert isinstance(space, TargetSpace)
    assert (space.box.low[2], space.box.high[2]) == (297.07, 1040.36)
    joints_m = torch.tensor([[0.0, 0.0, 0.64]]).double().expand(1, 21, 3)
    intrinsics = torch.tensor([[[160.0, 0, 32], [0, 160, 32], [0, 0, 1]]]).double()
    points = space.points(joints_m, intrinsics)  # 160 px are 2.5 sides of 64 px
    assert points[0, 0].tolist() == pytest.approx([0.0, 0.0, 640.0])
    assert space.box.shares(points)[0, 0, 2].item() == pytest.approx((640 - 297.07) / 743.29)
