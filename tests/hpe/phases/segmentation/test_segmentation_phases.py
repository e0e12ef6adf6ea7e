"""The phases of the segmentation GAN: what they take over, teach, refuse, and how they resume."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from hpe.phases import generator, mask_batches, mask_run
from hpe.phases.catalog import PHASES
from hpe.phases.phase import Diverged
from hpe.phases.state import join_state, split_state

pytestmark = pytest.mark.usefixtures("tiny_segmenters")

LIGHT = {"encoder": "tu-mobilenetv3_small_050"}
COMMON = {"epochs": 1, "steps_per_epoch": 2, "batch_size": 4}
GENERATOR = {**COMMON, "network": LIGHT}
PSEUDO_LABELS = {**COMMON, "segmenter": LIGHT}
PAIRED = {**COMMON, "segmenter": LIGHT}
AUGMENT = {"flip_prob": 0.5, "rotate_std_deg": 5.0, "translate_share": 0.05, "gain_share": 0.1}
LEARNS_ON = {"trains": True, "real_masks": "unpaired", "loss": "hinge", "r1_weight": 0.1}


@pytest.fixture
def train(make_inputs, drain):
    """Return a function that runs a phase; metrics of its epochs, and its artifacts."""

    def run(name, raw, parents=None, *, resume=None, each=lambda report: None, **counts):
        spec = PHASES[name]
        config = spec.config.model_validate(raw)
        phase = spec.run(config, make_inputs(parents=parents, **counts), resume=resume)
        return drain(phase, each=each)

    return run


@pytest.fixture
def first_round(train):
    """Return the artifacts of `generator` and of `pseudo_labels` after it."""
    _, labeller = train("generator", GENERATOR)
    _, labelled = train("pseudo_labels", PSEUDO_LABELS, {"generator": labeller})
    return {"generator": labeller, "pseudo_labels": labelled}


def same(first, second):
    return all(torch.allclose(first[name], second[name], atol=1e-12) for name in first)


def moments_of(artifacts):
    state = join_state(artifacts.tensors["optimizer"], artifacts.facts["optimizer"])["state"]
    return {
        f"{number}/{name}": value for number, row in state.items() for name, value in row.items()
    }


RESUMED = {
    "generator": ("generator", {**GENERATOR, "augment": AUGMENT}),
    "generator, accumulating in bf16": (
        "generator",
        {**GENERATOR, "accumulate": 2, "precision": "bf16", "discriminator": {"kind": "s3"}},
    ),
    "pseudo_labels": ("pseudo_labels", {**PSEUDO_LABELS, "augment": AUGMENT}),
    "paired": ("paired", {**PAIRED, "augment": AUGMENT, "score_test": True}),
    "paired, the discriminator learns on": ("paired", {**PAIRED, "adversary": LEARNS_ON}),
}


@pytest.mark.parametrize("case", RESUMED)
def test_f18_a_resumed_phase_equals_the_uninterrupted_one(case, train, first_round, tmp_path):
    name, raw = RESUMED[case]
    raw = {**raw, "epochs": 2}
    parents = {} if name == "generator" else first_round
    reports, whole = train(name, raw, parents, each=save_in(tmp_path))
    for stop in (1, 2):
        torch.manual_seed(stop)  # whatever the process did meanwhile
        resumed, end = train(name, raw, parents, resume=read_from(tmp_path, stop))
        assert [r.metrics for r in resumed] == [r.metrics for r in reports[stop:]]
        assert end.facts == whole.facts
        for group, tensors in whole.tensors.items():
            for key, value in tensors.items():
                equal = torch.equal(value.nan_to_num(-1), end.tensors[group][key].nan_to_num(-1))
                assert equal, (stop, group, key)


def save_in(folder):
    def save(report):
        tensors, skeleton = split_state(report.state())
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            folder / f"{report.epoch}.safetensors",
        )
        (folder / f"{report.epoch}.json").write_text(json.dumps(skeleton, allow_nan=False))

    return save


def read_from(folder, epoch):
    skeleton = json.loads((folder / f"{epoch}.json").read_text())
    return join_state(load_file(folder / f"{epoch}.safetensors"), skeleton)


def test_the_state_holds_both_networks_and_both_optimizers(train):
    states = []
    train("generator", GENERATOR, each=lambda report: states.append(report.state()))
    assert set(states[0]) >= {
        "segmenter",
        "optimizer",
        "discriminator",
        "discriminator_optimizer",
    }


@pytest.mark.parametrize("name", ["generator", "pseudo_labels", "paired"])
def test_reports_the_metrics_that_the_settings_say(name, train, first_round):
    raw = {"generator": GENERATOR, "pseudo_labels": PSEUDO_LABELS, "paired": PAIRED}[name]
    parents = {} if name == "generator" else first_round
    for changes in ({}, {"score_test": True, "score_visibility": False}):
        reports, _ = train(name, {**raw, **changes}, parents)
        config = PHASES[name].config.model_validate({**raw, **changes})
        assert set(reports[-1].metrics) == set(PHASES[name].metrics(config))


def test_paired_goes_on_with_what_pseudo_labels_trained(train, first_round):
    frozen = {**PAIRED, "optimizer": {"lr": 1e-30}, "steps_per_epoch": 1}
    _, end = train("paired", frozen, first_round)
    before = first_round["pseudo_labels"].tensors["segmenter"]
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    weights = {k: v for k, v in before.items() if not k.endswith(statistics)}
    assert same(weights, end.tensors["segmenter"])
    assert end.facts["segmenter_steps"] == 2 + 1


def test_the_latest_of_the_phases_that_trained_g2_is_gone_on_with(train, first_round):
    _, paired = train("paired", PAIRED, first_round)
    parents = {**first_round, "paired": paired}  # as in a plan where `pseudo_labels` comes again
    _, again = train("pseudo_labels", PSEUDO_LABELS, parents)
    assert again.facts["segmenter_steps"] == 6
    latest = {**parents, "pseudo_labels": again}
    _, end = train("paired", PAIRED, latest)
    assert end.facts["segmenter_steps"] == 8


@pytest.mark.parametrize("carried", [True, False])
def test_moments_of_g2_are_carried_over_unless_told_otherwise(carried, train, first_round):
    raw = {**PAIRED, "carry_optimizer": carried, "steps_per_epoch": 1}
    _, end = train("paired", raw, first_round)
    before, after = moments_of(first_round["pseudo_labels"]), moments_of(end)
    steps = {name: value for name, value in after.items() if name.endswith("/step")}
    assert {float(step) for step in steps.values()} == {3.0 if carried else 1.0}
    assert len(before) == len(after)


def test_the_rate_of_a_phase_is_its_own_whatever_moments_it_takes_over(train, first_round):
    _, end = train("paired", {**PAIRED, "optimizer": {"lr": 1.5e-4}}, first_round)
    optimizer = join_state(end.tensors["optimizer"], end.facts["optimizer"])
    assert {group["lr"] for group in optimizer["param_groups"]} == {1.5e-4}


def test_a_discriminator_that_is_only_heard_stays_as_it_is(train, first_round):
    _, end = train("paired", PAIRED, first_round)
    before = first_round["generator"].tensors["discriminator"]
    assert same(before, end.tensors["discriminator"])


def test_a_discriminator_learns_on_if_asked_to(train, first_round):
    _, end = train("paired", {**PAIRED, "adversary": LEARNS_ON}, first_round)
    assert not same(first_round["generator"].tensors["discriminator"], end.tensors["discriminator"])
    assert end.facts["discriminator_steps"] == 4


def test_generator_and_g2_need_not_be_the_same_network(train):
    _, labeller = train("generator", GENERATOR)
    other = {**PSEUDO_LABELS, "segmenter": {**LIGHT, "architecture": "unetplusplus"}}
    _, end = train("pseudo_labels", other, {"generator": labeller})
    assert end.facts["segmenter"]["architecture"] == "unetplusplus"


def test_supervised_training_needs_no_phase_before_it(train):
    _, end = train("paired", {**PAIRED, "loss": {"adversarial_weight": 0.0}})
    assert "discriminator" not in end.tensors


def test_refuses_to_hear_a_discriminator_that_nobody_trains(train):
    with pytest.raises(ValueError, match=r"loss/adversarial_weight must be 0 .* got 0\.1"):
        train("paired", PAIRED)


def test_refuses_another_network_than_the_trained_one(train, first_round):
    other = {**PAIRED, "segmenter": {**LIGHT, "architecture": "unetplusplus"}}
    with pytest.raises(ValueError, match="segmenter/architecture must be that of the trained"):
        train("paired", other, first_round)


def test_refuses_to_score_by_visibility_what_does_not_know_it(train):
    raw = {**PAIRED, "loss": {"adversarial_weight": 0.0}}
    with pytest.raises(ValueError, match="set score_visibility: false"):
        train("paired", raw, visible=False)
    reports, _ = train("paired", {**raw, "score_visibility": False}, visible=False)
    assert "val/miou_visible" not in reports[0].metrics


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_unpaired_masks_are_not_asked_for_where_the_discriminator_learns_nothing(
    weight, train, first_round, monkeypatch
):
    opened = []

    def watched(config, inputs, *, split, **where):
        opened.append(split)
        yield from masked_batches(config, inputs, split=split, **where)

    masked_batches = generator.masked_batches
    monkeypatch.setattr(generator, "masked_batches", watched)
    raw = {
        **PAIRED,
        "loss": {"adversarial_weight": weight},
        "adversary": {"real_masks": "unpaired"},
    }
    train("paired", raw, first_round)
    assert opened == ["train"]
    train("paired", {**raw, "adversary": LEARNS_ON}, first_round)
    assert opened == ["train", "train", "unpaired_masks"]


def test_says_that_there_is_nothing_to_score(train):
    with pytest.raises(ValueError, match="is scored on the split 'val', and fake_two_hands has"):
        train("generator", GENERATOR, val=0)


def test_a_size_that_the_network_does_not_take_is_refused_before_training(train, monkeypatch):
    class Fixed(torch.nn.Conv2d):
        def forward(self, images):
            assert images.shape[-1] == 224, "Input height (64) doesn't match model (224)"
            return super().forward(images)

    monkeypatch.setattr(mask_run, "build_segmenter", lambda *_, **__: Fixed(3, 34, 1))
    message = r"image_px must be a size that unet on tu-mobilenetv3_small_050 takes, got 64: Input"
    with pytest.raises(ValueError, match=message):
        train("generator", GENERATOR)


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), MemoryError()])
def test_too_little_memory_is_no_fault_of_the_size(train, monkeypatch, error):
    class Greedy(torch.nn.Conv2d):
        def forward(self, images):
            raise error

    monkeypatch.setattr(mask_run, "build_segmenter", lambda *_, **__: Greedy(3, 34, 1))
    with pytest.raises(type(error)) as raised:
        train("generator", GENERATOR)
    assert raised.value is error


def test_says_that_there_are_no_images_to_label(train, first_round):
    with pytest.raises(ValueError, match="needs samples in the split 'unlabelled'"):
        train("pseudo_labels", PSEUDO_LABELS, first_round, unlabelled=0)


def test_a_batch_of_images_that_fails_ends_the_phase(train, first_round, monkeypatch):
    shares = []

    def fails_at_the_second(largest, *, share):
        shares.append(share)
        if len(shares) == 2:
            raise OSError("this image cannot be read")
        return torch.arange(len(largest))

    monkeypatch.setattr(mask_batches, "most_confident", fails_at_the_second)
    with pytest.raises(OSError, match="cannot be read"):
        train("pseudo_labels", PSEUDO_LABELS, first_round)


@pytest.mark.parametrize(
    ("group", "network"), [("segmenter", "segmenter"), ("discriminator", "discriminator")]
)
def test_the_network_that_diverged_first_is_named(group, network, train, tmp_path):
    raw = {**GENERATOR, "epochs": 2}
    train("generator", raw, each=save_in(tmp_path))
    state = read_from(tmp_path, 1)
    next(v for v in state[group].values() if v.dtype == torch.float32 and v.ndim == 4).fill_(
        math.nan
    )
    with pytest.raises(Diverged, match=f"the {network} diverged: train/loss.* in step 1 of"):
        train("generator", raw, resume=state)


def test_a_discriminator_that_diverged_is_to_blame_for_what_it_does_to_the_segmenter(
    train, first_round
):
    broken = first_round["generator"]
    next(iter(broken.tensors["discriminator"].values())).fill_(math.nan)
    with pytest.raises(Diverged, match="the discriminator diverged: train/loss_adversarial"):
        train("paired", PAIRED, first_round)
