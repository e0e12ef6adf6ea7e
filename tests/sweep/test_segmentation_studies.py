"""The shipped segmentation studies: what they share, need, and compare."""

import optuna
import pytest

from hpe.phases.catalog import PHASES
from sweep.points import searched_point
from sweep.study_check import check_study
from sweep.study_file import load_study
from trainables.keys import Execution
from trainables.plans import make_stages

NAMES = ["segmentation_gan", "segmentation_ladder", "segmentation_loss_weights", "paper_s3"]


def checked(name, size=None):
    return check_study(load_study(name, size=size))


def stages_of(point, seed=0):
    data = {"config": {}, "root": "", "digest": "d"}
    return make_stages(point.plan, point.configs, data=data, seed=seed, execution=Execution())


@pytest.mark.parametrize("name", NAMES)
def test_a_study_comes_small_and_full_and_small_needs_nothing_but_this_project(name):
    assert set(load_study(name).sizes) >= {"small", "full"}
    small, full = checked(name, "small"), checked(name, "full")
    assert small.data.name == "rendered_two_hands"
    assert full.data.name == "interhand_masks"
    for point in (*small.arms.values(), small.base):
        for config in point.configs.values():
            network = getattr(config, "network", None) or config.segmenter
            assert network.weights is None
            assert config.image_px == 64


@pytest.mark.parametrize("size", ["small", "full"])
def test_eight_searched_loss_weights_need_one_training_of_all_but_the_last_phase(size):
    found = checked("segmentation_loss_weights", size)
    assert found.searched_trials >= 8
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = [
        searched_point(found.study, found.space.suggest(study.ask()), PHASES) for _ in range(8)
    ]
    stages = [stages_of(point) for point in (*points, *found.arms.values())]
    keys = {
        label: {stage.key for trial in stages for stage in trial if stage.label == label}
        for label in (stage.label for stage in stages[0])
    }
    assert {label: len(found) for label, found in keys.items()} == {
        "generator": 1,
        "pseudo_labels": 1,
        "paired": 1,
        "pseudo_labels_2": 1,
        "paired_2": 8 + 1,
    }


def test_another_trial_seed_trains_its_own_generator():
    found = checked("segmentation_loss_weights")
    first, second = (stages_of(found.base, seed)[0].key for seed in (0, 1))
    assert first != second


def test_the_search_over_everything_shares_the_generator():
    found = checked("segmentation_gan")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    keys = {
        stages_of(searched_point(found.study, found.space.suggest(study.ask()), PHASES))[0].key
        for _ in range(5)
    }
    assert len(keys) == 1


def test_the_steps_that_differ_in_the_adversary_alone_share_what_came_before():
    arms = checked("segmentation_ladder").arms
    silent, adversarial = stages_of(arms["pseudo_labels"]), stages_of(arms["adversarial"])
    assert [a.key == b.key for a, b in zip(silent, adversarial, strict=True)] == [
        *(True, True),
        *(False, False, False),
    ]


@pytest.mark.parametrize(("arm", "step"), [("s3", "adversarial"), ("heard", "heard")])
def test_the_small_paper_takes_the_stages_of_the_small_ladder(arm, step):
    paper, ladder = checked("paper_s3").arms[arm], checked("segmentation_ladder").arms[step]
    assert [stage.key for stage in stages_of(paper)] == [stage.key for stage in stages_of(ladder)]


def test_masks_without_images_are_a_step_of_the_ladder_that_shares_what_came_before():
    arms = checked("segmentation_ladder").arms
    heard, learns_on = stages_of(arms["heard"]), stages_of(arms["unpaired_masks"])
    assert [a.key == b.key for a, b in zip(heard, learns_on, strict=True)] == [
        *(True, True),
        *(False, False, False),
    ]


@pytest.mark.parametrize("size", ["small", "full"])
def test_the_ladder_has_s3s_six_steps_with_two_seeds_or_more(size):
    found = checked("segmentation_ladder", size)
    steps = ["unet", "unetplusplus", "weighted_ce", "dice", "pseudo_labels", "adversarial"]
    assert list(found.arms)[:6] == steps
    assert len(found.study.seeds.trials) >= 2
    assert {point.plan[-1].label for point in found.arms.values()} == {"paired_2"}


def test_the_paper_is_trained_as_published_in_full():
    configs = checked("paper_s3", "full").arms["s3"].configs
    assert [config.epochs for config in configs.values()] == [100, 15, 55, 5, 65]
    assert all(config.image_px == 128 for config in configs.values())
    assert all(config.steps_per_epoch is None for config in configs.values())
    assert configs["generator"].network.decoder_channels is None
    assert configs["paired_2"].segmenter.decoder_channels is None
