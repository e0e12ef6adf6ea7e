"""The studies that come with the project: what they come to in every size, without running."""

import optuna
import pytest

from hpe.phases.catalog import PHASES
from search_spaces.baselines import BASELINES
from sweep.points import searched_point
from sweep.smoke import smoke_study
from sweep.study_check import check_study
from sweep.study_file import STUDIES, load_study

NAMES = sorted(path.stem for path in STUDIES.glob("*.yaml"))
IN_SIZES = [(name, size) for name in NAMES for size in (None, *load_study(name).sizes)]
ASKED_FOR = [
    "simclr_single_augmentation",
    "relative_single_augmentation",
    "hybrid_composition",
    "composition_subsets",
    "peclr_composition",
    "peclr_search",
    "label_efficiency",
    "encoder_depth",
    "cross_data",
    "pretraining_length",
    "heatmap",
    "supervised_baselines",
    "paper_peclr_rn50",
    "paper_peclr_rn152",
    "photographs",
]
MUST_SEPARATE = [
    "simclr_single_augmentation",
    "peclr_composition",
    "label_efficiency",
    "supervised_baselines",
    "hybrid_composition",
]


def checked(name, size=None):
    return check_study(load_study(name, size=size))


def full_arms(name):
    return {arm: point.configs for arm, point in checked(name, "full").arms.items()}


@pytest.mark.parametrize(("name", "size"), IN_SIZES)
def test_every_study_resolves_in_every_size(name, size):
    found = checked(name, size)
    assert found.arm_trials + found.searched_trials > 0


@pytest.mark.parametrize(("name", "size"), [pair for pair in IN_SIZES if load_study(pair[0]).space])
def test_fifty_random_points_of_a_search_are_possible(name, size):
    found = checked(name, size)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(50):
        settings = found.space.suggest(study.ask())
        searched_point(found.study, settings, PHASES)


@pytest.mark.parametrize(("name", "size"), IN_SIZES)
def test_every_study_can_be_smoked_in_every_size(name, size):
    tiny = check_study(smoke_study(checked(name, size)))
    points = (*tiny.arms.values(), *([tiny.base] if tiny.searched else []))
    for point in points:
        for config in point.configs.values():
            assert config.epochs == 1
            assert getattr(config, "batch_size", 8) == 8


@pytest.mark.parametrize("name", ASKED_FOR)
def test_a_study_comes_small_and_full(name):
    study = load_study(name)
    assert {"small", "full"} <= set(study.sizes)
    assert load_study(name, size="small").data == study.data


@pytest.mark.parametrize("name", ASKED_FOR)
def test_the_small_size_needs_nothing_but_this_project(name):
    found = checked(name, "small")
    sources = found.data.sources.values() if found.data.name == "mixture" else ()
    names = {source.data.name for source in sources} or {found.data.name}
    assert names == {"rendered_hands"}
    for point in found.arms.values():
        for config in point.configs.values():
            encoder = config.encoder
            assert encoder.init == "random" or encoder.name == "efficientnet_lite0"
            assert config.loader_workers == 0


@pytest.mark.parametrize("name", ASKED_FOR)
def test_finetuning_ends_every_arm_and_gives_the_objective(name):
    found = checked(name)
    assert all(point.plan[-1].label == "finetune" for point in found.arms.values())
    assert found.study.objective.metric.startswith("finetune/")


@pytest.mark.parametrize("name", MUST_SEPARATE)
def test_a_study_that_is_to_separate_has_three_seeds_or_more(name):
    assert len(load_study(name, size="small").seeds.trials) >= 3
    assert len(load_study(name, size="full").seeds.trials) >= 3


@pytest.mark.parametrize(("name", "size"), IN_SIZES)
def test_no_arm_says_again_what_its_baseline_says(name, size):
    for arm in load_study(name, size=size).arms.values():
        published = BASELINES[arm.baseline].settings if arm.baseline else {}
        repeated = [
            path
            for path in arm.settings.keys() & published
            if published[path] == arm.settings[path]
        ]
        assert repeated == []


@pytest.mark.parametrize("name", ASKED_FOR)
def test_arms_of_a_size_differ_from_each_other(name):
    for size in load_study(name).sizes:
        arms = list(checked(name, size).arms.values())
        seen = [tuple(point.configs.values()) for point in arms]
        assert all(first not in seen[:place] for place, first in enumerate(seen))


def test_a1_trains_as_published_in_full():
    arms = full_arms("simclr_single_augmentation")
    assert len(arms) == 10
    for configs in arms.values():
        assert configs["pretrain"].encoder.name == "resnet18"
        assert configs["pretrain"].batch_size * configs["pretrain"].accumulate == 2048
        assert (configs["pretrain"].epochs, configs["finetune"].epochs) == (100, 50)
        assert not configs["finetune"].train_encoder
        assert configs["finetune"].steps_per_epoch is None


def test_counts_of_arms_are_those_of_the_launchers():
    assert len(load_study("hybrid_composition").arms) == 7  # NIPS_B
    assert len(load_study("peclr_composition").arms) == 7  # HYB2_ABL
    assert len(load_study("composition_subsets").arms) == 2 * 11  # SIM_ and PAIR_COMPOSITION_SEARCH
    assert len(load_study("encoder_depth").arms) == 2 * 5  # E24B and controls
    assert len(load_study("pretraining_length", size="full").arms) == 10  # E34


@pytest.mark.parametrize("depth", [50, 152])
def test_the_paper_is_pretrained_as_published_and_then_finetuned_end_to_end(depth):
    arms = full_arms(f"paper_peclr_rn{depth}")
    pretrain, finetune = arms["peclr"]["pretrain"], arms["peclr"]["finetune"]
    assert (pretrain.batch_size, pretrain.accumulate, pretrain.epochs) == (128, 16, 100)
    assert pretrain.loss.undo == "peclr"
    assert finetune.train_encoder
    assert finetune.head.denoiser
    for configs in arms.values():
        assert configs["finetune"].encoder.name == f"resnet{depth}"
        assert configs["finetune"].encoder.init == "imagenet"
    assert arms["imagenet"]["finetune"] == finetune
    data = checked(f"paper_peclr_rn{depth}", "full").data
    assert sorted(data.sources) == ["freihand", "youtube_hands"]
    assert data.score_on == ("freihand",)


def test_parts_of_the_labels_get_the_same_training():
    for size, percents in (("small", 5), ("full", 5), ("e26", 6)):
        arms = checked("label_efficiency", size).arms
        finetunes = [point.configs["finetune"] for point in arms.values()]
        assert len({config.label_fraction for config in finetunes}) == percents
        assert len({config.epochs * config.steps_per_epoch for config in finetunes}) == 1
        assert all(config.train_encoder for config in finetunes)


def test_s2_is_trained_as_published_and_compared_with_every_augmentation():
    arms = full_arms("paper_s2")
    turned, every = (arms[name]["encoder_decoder"] for name in ("turned", "every_augmentation"))
    for config in (turned, every):
        assert config.encoder.name == "s2_efficientnet_b4"
        assert (config.image_px, config.batch_size, config.epochs) == (224, 32, 145)
        assert (config.decoder.width, config.decoder.blocks) == (128, 4)
        assert config.steps_per_epoch is None
        assert config.robust.rotations == 1
    assert not turned.augment.flip.enabled
    assert every.augment.flip.enabled
    data = checked("paper_s2", "full").data
    assert (data.name, data.test_share, data.val_photographs) == ("freihand_course", 0, 128)


def test_every_experiment_of_s2_is_an_arm_in_full():
    arms = full_arms("encoder_decoder")
    assert len([name for name in arms if name.startswith("f0")]) == 20
    seen = [config["encoder_decoder"] for config in arms.values()]
    assert all(first not in seen[:place] for place, first in enumerate(seen))
    assert all(config.steps_per_epoch is None and config.image_px == 224 for config in seen)
    whole = checked("encoder_decoder", "full")
    assert (whole.data.test_share, whole.data.val_photographs) == (0, None)
    assert whole.study.space == "encoder_decoder_photographed"
