"""Baselines of the segmentation GAN, and what its searches leave alone."""

import optuna
import pytest

from hpe.augment.hand_masks import S3_MASK_AUGMENTATION
from hpe.phases.catalog import PHASES
from search_spaces.baselines import BASELINES
from search_spaces.space import SPACES
from trainables.plans import configure, parse_plan

SCHEDULE = ("generator", "pseudo_labels", "paired", "pseudo_labels", "paired")
LABELS = [step.label for step in parse_plan(SCHEDULE, PHASES)]
LADDER = ("unet", "unetplusplus", "weighted_ce", "dice", "pseudo_labels")


def configs_of(name):
    settings = BASELINES[name].settings
    labels = {path.split("/")[0] for path in settings}
    phases = [phase for phase, label in zip(SCHEDULE, LABELS, strict=True) if label in labels]
    return configure(parse_plan(phases, PHASES), settings)


def test_the_published_schedule_is_in_the_full_baseline():
    configs = configs_of("s3_full")
    assert [configs[label].epochs for label in LABELS] == [100, 15, 55, 5, 65]
    assert [configs[label].optimizer.lr for label in LABELS] == [
        *(2.5e-4, 2.5e-4, 1.5e-4),
        *(1.5e-4, 1.5e-4),
    ]
    assert [configs[label].batch_size for label in LABELS] == [16, 32, 16, 32, 16]
    assert configs["generator"].network.encoder == "xception"
    assert configs["paired_2"].segmenter.encoder == "timm-regnety_032"
    assert configs["paired_2"].segmenter.architecture == "unetplusplus"
    assert all(configs[label].augment == S3_MASK_AUGMENTATION for label in LABELS)


def test_as_published_the_discriminator_reads_ids_and_learns_no_more():
    configs = configs_of("s3")
    assert configs["generator"].discriminator.reading == "ids"
    for label in ("paired", "paired_2"):
        loss = configs[label].loss
        assert not configs[label].adversary.trains
        assert configs[label].discriminator == configs["generator"].discriminator
        weights = (loss.ce_weight, loss.region_weight, loss.adversarial_weight)
        assert weights == pytest.approx((0.315, 0.585, 0.1))


def test_a_discriminator_that_learns_on_from_other_masks_is_held_back_by_r1():
    for label in ("paired", "paired_2"):
        adversary = configs_of("s3_unpaired_masks")[label].adversary
        assert adversary.trains
        assert (adversary.real_masks, adversary.r1_weight) == ("unpaired", 10)


def test_every_step_of_the_ladder_trains_on_masks_for_as_many_epochs():
    for name in (*LADDER, "heard", "unpaired_masks", "no_pseudo_labels"):
        configs = configs_of(f"s3_{name}_full")
        paired = [config.epochs for label, config in configs.items() if label[:6] == "paired"]
        assert paired == [55, 65]


def test_the_steps_of_the_ladder_differ_in_what_they_are_about():
    losses = [configs_of(f"s3_{name}")["paired_2"].loss for name in LADDER]
    assert [loss.class_weights for loss in losses] == ["uniform", "uniform", "s3", "s3", "s3"]
    assert [loss.region_weight for loss in losses] == [0, 0, 0, 0.65, 0.65]
    assert all(loss.adversarial_weight == 0 for loss in losses)
    networks = [configs_of(f"s3_{name}")["paired_2"].segmenter.architecture for name in LADDER]
    assert networks == ["unet", *["unetplusplus"] * 4]


@pytest.mark.parametrize(
    ("name", "kept"),
    [("segmentation", ("generator",)), ("segmentation_loss_weights", LABELS[:-1])],
)
def test_a_search_leaves_the_first_phases_alone(name, kept):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        settings = SPACES[name].suggest(study.ask())
        assert not {path.split("/")[0] for path in settings} & set(kept)


def test_the_searched_weights_sum_to_one():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(20):
        settings = SPACES["segmentation"].suggest(study.ask())
        weights = [settings[f"paired/loss/{n}_weight"] for n in ("ce", "region", "adversarial")]
        assert sum(weights) == pytest.approx(1.0)
