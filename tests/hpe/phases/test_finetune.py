import pytest
import torch
from pydantic import ValidationError

from hpe.models.encoders import build_encoder
from hpe.phases import labelled
from hpe.phases.finetune import finetune
from hpe.phases.finetune_config import TRAIN_METRICS, FinetuneConfig, finetune_metrics
from hpe.phases.phase import Artifacts

TINY = {
    "epochs": 2,
    "steps_per_epoch": 3,
    "batch_size": 4,
    "image_px": 36,
    "encoder": {"width": 4},
}


def settings(**changes):
    return FinetuneConfig.model_validate({**TINY, **changes})


def pretrained(config, seed=9):
    encoder = build_encoder(config.encoder, seed=seed)
    for name, buffer in encoder.named_buffers():
        if name.endswith("running_mean"):
            buffer.add_(0.1)
    return Artifacts(
        tensors={"encoder": encoder.state_dict()},
        facts={"encoder": config.encoder.model_dump(mode="json")},
    )


def same(first, second):
    return all(
        torch.equal(value, second.tensors[group][name])
        for group in ("encoder", "head")
        for name, value in first.tensors[group].items()
    )


@pytest.mark.parametrize("score_test", [False, True])
def test_reports_every_epoch_with_all_metrics(make_inputs, drain, score_test):
    config = settings(score_test=score_test)
    reports, _ = drain(finetune(config, make_inputs()))
    assert [report.epoch for report in reports] == [1, 2]
    assert all(set(report.metrics) == set(finetune_metrics(config)) for report in reports)
    assert any(name.startswith("test/") for name in reports[0].metrics) == score_test


def test_artifacts_hold_weights_predictions_and_their_meaning(make_inputs, drain):
    config = settings()
    reports, artifacts = drain(finetune(config, make_inputs(val=40)))
    shown = artifacts.tensors["predictions"]
    assert shown["images"].shape == (16, 128, 128, 3)
    assert shown["images"].dtype == torch.uint8
    assert shown["predicted_px"].shape == shown["keypoints_px"].shape == (16, 21, 2)
    assert shown["predicted_m"].shape == shown["joints_m"].shape == (16, 21, 3)
    homogeneous = shown["joints_m"] @ shown["intrinsics"].mT
    torch.testing.assert_close(homogeneous[..., :2] / homogeneous[..., 2:], shown["keypoints_px"])
    assert artifacts.facts["metrics"] == reports[-1].metrics
    assert artifacts.facts["encoder"]["width"] == 4


def test_before_learning_the_head_says_the_mean_pose(make_inputs):
    config = settings(optimizer={"lr": 1e-12, "warmup_epochs": 2}, steps_per_epoch=1)
    inputs = make_inputs()
    artifacts = next(finetune(config, inputs)).artifacts()
    crops = labelled.Crops(inputs.data.splits["train"], range(12), image_px=36)
    expected = labelled.mean_pose(crops.rows(), image_px=36)
    bias = artifacts.tensors["head"]["linear.bias"].reshape(21, 3)
    torch.testing.assert_close(bias, expected, rtol=1e-5, atol=1e-6)
    keypoints_px = artifacts.tensors["predictions"]["predicted_px"][0] * 36 / 128
    torch.testing.assert_close(keypoints_px.float(), (expected[:, :2] + 1) * 18)


def test_learning_lowers_the_training_loss(make_inputs, drain):
    reports, _ = drain(finetune(settings(epochs=3, steps_per_epoch=10), make_inputs()))
    losses = [report.metrics["train/loss"] for report in reports]
    assert losses[2] < 0.8 * losses[0]


@pytest.mark.parametrize("augment", [{}, {"rotate": {"enabled": True}}])
def test_nothing_of_a_frozen_encoder_moves(make_inputs, drain, augment):
    config = settings(train_encoder=False, augment=augment)
    parent = pretrained(config)
    _, artifacts = drain(finetune(config, make_inputs(parents={"pretrain": parent})))
    for name, value in parent.tensors["encoder"].items():
        assert torch.equal(value, artifacts.tensors["encoder"][name]), name


def test_a_trainable_encoder_starts_from_the_pretrained_weights_and_moves(make_inputs):
    config = settings(optimizer={"lr": 1e-6}, steps_per_epoch=1)
    parent = pretrained(config)
    report = next(finetune(config, make_inputs(parents={"pretrain": parent})))
    for name, value in report.artifacts().tensors["encoder"].items():
        if name.endswith("weight") and value.ndim == 4:
            torch.testing.assert_close(value, parent.tensors["encoder"][name], atol=1e-4, rtol=0)
    statistics = report.artifacts().tensors["encoder"]["trunk.stem.1.running_mean"]
    assert not torch.equal(statistics, parent.tensors["encoder"]["trunk.stem.1.running_mean"])


@pytest.mark.parametrize("train_encoder", [False, True])
def test_keeping_crops_in_memory_changes_nothing(make_inputs, drain, monkeypatch, train_encoder):
    config = settings(train_encoder=train_encoder, precision="bf16")
    _, kept = drain(finetune(config, make_inputs()))
    monkeypatch.setattr(labelled, "CROP_CACHE_BYTES", 0)
    _, made_again = drain(finetune(config, make_inputs()))
    if train_encoder:
        assert same(kept, made_again)
    else:  # features of other batches: equal up to how a convolution sums
        torch.testing.assert_close(kept.tensors["head"], made_again.tensors["head"])


def test_accumulated_batches_make_the_step_of_one_large_batch(make_inputs, drain):
    large, small = (
        settings(
            train_encoder=False,
            batch_size=batch_size,
            accumulate=accumulate,
            steps_per_epoch=1,
        )
        for batch_size, accumulate in ((12, 1), (4, 3))
    )
    one = next(finetune(large, make_inputs(partly_visible=True)))
    many = next(finetune(small, make_inputs(partly_visible=True)))
    for index in (0, 1):  # Adam's first moments are the step's gradients: compare them, not weights
        moments = [report.state()["optimizer"]["state"][index]["exp_avg"] for report in (one, many)]
        torch.testing.assert_close(*moments, rtol=1e-4, atol=1e-7)
    for name in TRAIN_METRICS:
        assert many.metrics[name] == pytest.approx(one.metrics[name], rel=1e-5), name


def test_fewer_labels_are_a_part_of_more_and_do_not_depend_on_the_seed(make_inputs, drain):
    counts = [
        drain(finetune(settings(label_fraction=share), make_inputs(seed=seed)))[1].facts[
            "num_labels"
        ]
        for share, seed in ((0.25, 1), (0.25, 2), (1.0, 1))
    ]
    assert counts == [3, 3, 12]


def test_without_a_step_count_an_epoch_is_about_one_pass(make_inputs):
    report = next(finetune(settings(steps_per_epoch=None, batch_size=5), make_inputs()))
    steps = report.state()["optimizer"]["state"][0]["step"]
    assert steps.item() == 3


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_with_a_step_count_every_label_fraction_takes_as_many(make_inputs, drain, share):
    reports, _ = drain(finetune(settings(label_fraction=share), make_inputs()))
    assert reports[-1].state()["optimizer"]["state"][0]["step"].item() == 2 * 3


def test_refuses_an_encoder_that_is_not_the_pretrained_one(make_inputs):
    parent = pretrained(settings(encoder={"width": 8}))
    with pytest.raises(ValueError, match="encoder/width must be that of the pretrained weights, 8"):
        next(finetune(settings(), make_inputs(parents={"pretrain": parent})))


def test_accepts_weights_that_say_nothing_of_their_encoder(make_inputs):
    parent = Artifacts(tensors=pretrained(settings()).tensors)
    assert next(finetune(settings(), make_inputs(parents={"pretrain": parent}))).epoch == 1


@pytest.mark.parametrize("fraction", [0.0, 1.5])
def test_refuses_label_fractions_out_of_range(fraction):
    with pytest.raises(ValidationError, match="label_fraction"):
        settings(label_fraction=fraction)


def test_refuses_images_and_weights_that_the_small_network_cannot_have():
    assert settings(image_px=33).image_px == 33
    with pytest.raises(ValidationError, match=r"image_px\n  Input should be greater .* 33"):
        settings(image_px=32)
    with pytest.raises(ValidationError, match="small_resnet has no ImageNet weights"):
        settings(encoder={"init": "imagenet"})
