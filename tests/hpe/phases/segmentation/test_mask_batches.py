"""Which images are kept of a batch, with which masks, and weights in time."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from hpe.config import identity_settings
from hpe.phases import mask_batches
from hpe.phases.catalog import PHASES
from hpe.phases.mask_batches import masked_batches, most_confident, pseudo_labelled, with_real_masks
from hpe.phases.precision import Numerics
from hpe.phases.segmentation_config import (
    GeneratorConfig,
    PairedConfig,
    PseudoLabelsConfig,
    RampConfig,
    paired_workload,
    pseudo_labels_workload,
    steps_per_epoch,
)

LATE = {"start": 0, "from_epoch": 3}
NUMERICS = Numerics(torch.device("cpu"), "fp32", channels_last=False)


class ByBrightness(nn.Module):
    """Surest of bright images, whose first part it sees in every pixel."""

    def forward(self, images):
        logits = torch.zeros(len(images), 34, *images.shape[-2:])
        logits[:, 1] = logits[:, 18] = images.mean(dim=1)
        return logits


def images(*levels):
    return torch.stack([torch.full((64, 64, 3), level, dtype=torch.uint8) for level in levels])


def test_the_surest_rows_are_kept_in_their_order():
    largest = torch.tensor([3.0, 1.0, 4.0, 2.0])[:, None, None, None].expand(4, 2, 3, 3)
    assert most_confident(largest, share=0.5).tolist() == [0, 2]
    assert most_confident(largest, share=1.0).tolist() == [0, 1, 2, 3]


def test_of_rows_that_are_equally_sure_the_first_are_kept():
    assert most_confident(torch.ones(6, 2, 2, 2), share=0.5).tolist() == [0, 1, 2]


def test_the_surest_images_are_yielded_with_what_the_labeller_sees():
    batches = ({"image": images(10, 200, 90, 30)} for _ in range(1))
    (batch,) = pseudo_labelled(batches, ByBrightness(), numerics=NUMERICS, keep_share=0.5)
    assert batch["image"][:, 0, 0, 0].tolist() == [200, 90]
    assert (batch["masks"] == 1).all()
    assert batch["masks"].dtype == torch.uint8
    assert float(batch["confidence"]) == pytest.approx((200 + 90) / 2 / 255)


def test_each_worker_needs_enough_images_of_a_batch(monkeypatch):
    monkeypatch.setattr(mask_batches, "world_size", lambda: 2)
    mask_batches.require_enough_kept(batch_size=8, keep_share=0.5)
    with pytest.raises(ValueError, match="at least 2 images of a batch to each worker, got 2 of 4"):
        mask_batches.require_enough_kept(batch_size=4, keep_share=0.5)


def test_batches_of_images_do_not_depend_on_where_they_start(make_inputs):
    config = PseudoLabelsConfig(epochs=3, batch_size=5, augment={"flip_prob": 0.5})

    def batches(first):
        made = masked_batches(
            config, make_inputs(), split="unlabelled", steps_per_epoch=2, first_epoch=first
        )
        return [batch["image"] for batch in made]

    whole, rest = batches(0), batches(2)
    assert len(whole) == 6
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], rest, strict=True))


def test_unpaired_masks_come_beside_the_paired_ones(make_inputs):
    config = PairedConfig(epochs=1, batch_size=4)

    def stream(split):
        return masked_batches(config, make_inputs(), split=split, steps_per_epoch=2, first_epoch=0)

    for batch in with_real_masks(stream("train"), stream("unpaired_masks")):
        assert batch["real_masks"].shape == batch["masks"].shape
        assert not torch.equal(batch["real_masks"], batch["masks"])


@pytest.mark.parametrize(
    ("ramp", "factors"),
    [
        ({}, [1, 1, 1, 1]),
        ({"start": 0.0, "from_epoch": 1, "to_epoch": 3}, [0, 0, 0.5, 1]),
        ({"start": 2.0, "to_epoch": 2}, [2, 1.5, 1, 1]),
        ({"start": 0.0, "from_epoch": 2}, [0, 0, 1, 1]),
    ],
)
def test_a_weight_goes_from_its_first_share_to_the_whole(ramp, factors):
    config = RampConfig(**ramp)
    assert [config.factor(float(epoch)) for epoch in range(4)] == pytest.approx(factors)


def test_ramps_that_change_nothing_are_one_setting():
    assert RampConfig(to_epoch=7).canonical() == RampConfig()


@pytest.mark.parametrize("term", ["ce", "region", "adversarial"])
def test_a_term_that_never_counts_has_no_change_in_time(term):
    """But what it is stays: it is reported beside."""
    without = {"loss": {f"{term}_weight": 0}}
    ramped = {"loss": {f"{term}_weight": 0, f"{term}_ramp": LATE}}
    first, second, heard = (
        identity_settings(PairedConfig.model_validate(raw))
        for raw in (without, ramped, {"loss": {f"{term}_ramp": LATE}})
    )
    assert first == second
    assert heard["loss"][f"{term}_ramp"] != first["loss"][f"{term}_ramp"]


SILENT = {"loss": {"adversarial_weight": 0}}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"adversary": {"real_masks": "unpaired", "r1_weight": 1}}, {}, True),
        ({**SILENT, "discriminator": {"kind": "s3"}}, SILENT, True),
        ({**SILENT, "adversary": {"loss": "hinge"}}, SILENT, True),
        ({"adversary": {"loss": "hinge"}}, {}, False),
        ({"discriminator": {"kind": "s3"}}, {}, False),
        ({"adversary": {"trains": True, "loss": "hinge"}}, {"adversary": {"trains": True}}, False),
        ({**SILENT, "adversary": {"trains": True}}, SILENT, False),
    ],
)
def test_settings_of_a_discriminator_that_nobody_hears_or_teaches_are_one(one, other, alike):
    first, second = (identity_settings(PairedConfig.model_validate(raw)) for raw in (one, other))
    assert (first == second) is alike


def test_the_work_of_a_phase_follows_from_its_split():
    sizes = {"unlabelled": 100, "train": 33, "val": 10, "test": 20}
    assert paired_workload(PairedConfig(batch_size=16), sizes).steps_per_epoch == 3
    assert pseudo_labels_workload(PseudoLabelsConfig(), sizes).steps_per_epoch == 4
    assert paired_workload(PairedConfig(score_test=True), sizes).scored == 30
    limited = GeneratorConfig(batch_size=4, limit_batches=2)
    assert steps_per_epoch(limited, 33) == 2


@pytest.mark.parametrize(
    ("config", "settings", "message"),
    [
        (PairedConfig, {"image_px": 80}, "multiple of 32"),
        (PairedConfig, {"image_px": 32}, "greater than or equal to 64"),
        (PseudoLabelsConfig, {"batch_size": 4, "keep_share": 0.3}, r"keep_share must leave at"),
        (PairedConfig, {"loss": {"ce_weight": 0, "region_weight": 0}}, "must be positive"),
        (GeneratorConfig, {"epochs": 3, "loss": {"ce_ramp": LATE}}, "got from_epoch 3 of 3 epochs"),
        (
            PairedConfig,
            {"epochs": 2, "loss": {"ce_ramp": LATE, "region_ramp": LATE}},
            "from_epoch 3 and 3 of 2 epochs",
        ),
        (GeneratorConfig, {"keep": {"best": True, "metric": "val/epe"}}, "val/miou_fg_pooled"),
    ],
)
def test_refuses_settings_that_cannot_be_trained(config, settings, message):
    with pytest.raises(ValidationError, match=message):
        config.model_validate(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 4, "loss": {"ce_ramp": LATE, "region_ramp": LATE}},
        {"epochs": 3, "loss": {"ce_ramp": LATE}},
        {"epochs": 3, "loss": {"region_weight": 0, "ce_ramp": {**LATE, "start": 0.1}}},
    ],
)
def test_ramps_that_let_a_term_count_at_some_time_are_taken(settings):
    PairedConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("batch_size", "keep_share", "lighter"),
    [
        (8, 0.5, {"batch_size": 4, "accumulate": 2}),
        (4, 0.5, None),
        (8, 0.3, None),
        (4, 1.0, {"batch_size": 2, "accumulate": 2}),
    ],
)
def test_a_batch_is_halved_for_memory_as_long_as_enough_of_it_is_kept(
    batch_size, keep_share, lighter
):
    config = PseudoLabelsConfig(batch_size=batch_size, keep_share=keep_share)
    found = PHASES["pseudo_labels"].lighter(config)
    assert found == lighter
    PseudoLabelsConfig.model_validate(config.model_dump() | (found or {}))


def test_defaults_are_what_s3_did():
    paired, labelled, first = PairedConfig(), PseudoLabelsConfig(), GeneratorConfig()
    supervised = paired.loss.ce_weight + paired.loss.region_weight
    assert supervised == pytest.approx(0.9)
    assert paired.loss.ce_weight / supervised == pytest.approx(0.35)
    assert (labelled.loss.ce_weight, labelled.loss.region_weight) == (0.35, 0.65)
    assert (first.loss.ce_weight, first.loss.region_weight) == (1.0, 0.0)
    assert (labelled.batch_size, labelled.keep_share) == (32, 0.5)
    assert (first.optimizer.name, first.optimizer.schedule) == ("adam", "constant")
