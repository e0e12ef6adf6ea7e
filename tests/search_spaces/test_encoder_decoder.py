"""S2's experiments, and the space over encoder-decoders."""

import optuna
import pytest

from hpe.phases.catalog import PHASES
from search_spaces.baselines import BASELINES
from search_spaces.space import SPACES
from trainables.plans import configure, parse_plan

PLAN = parse_plan(["encoder_decoder"], PHASES)
NAMES = [f"f0{number}" for number in range(14, 35)]
NAMES += ["e003", "e004", "s002", "s003", "s004", "s005", "s007", "regression"]


def config_of(name):
    return configure(PLAN, BASELINES[f"s2_{name}"].settings)["encoder_decoder"]


def test_every_experiment_that_is_known_comes_with_its_training():
    found = {name for name in BASELINES if name.startswith("s2_")}
    assert found == {f"s2_{name}{full}" for name in NAMES for full in ("", "_full")}


@pytest.mark.parametrize("name", NAMES)
def test_in_full_it_trains_as_s2_does(name):
    config = config_of(f"{name}_full")
    assert config.image_px == 224
    assert (config.encoder.init, config.target.frame, config.target.camera) == (
        "imagenet",
        "picture",
        "own",
    )
    assert (config.optimizer.name, config.optimizer.lr) == ("adam", 1e-4)
    assert config.decoder.compat == ("s2" if config.decoder.has_bins else "none")


def test_the_submitted_model_is_known_in_all_its_parts():
    config = config_of("f033_full")
    assert config.encoder.name == "s2_efficientnet_b4"
    assert (config.decoder.kind, config.decoder.blocks, config.decoder.width) == ("f1", 4, 128)
    assert (config.batch_size, config.epochs) == (32, 145)
    assert config.optimizer.schedule == "multistep"
    assert config.optimizer.milestones == (100.0, 140.0)
    assert config.augment.rotate.enabled
    assert config.augment.rotate.max_deg == 180
    assert config.loss.points == "mse"
    assert config.target.unit == "mm"


def test_experiments_differ_in_what_they_are_about():
    assert config_of("f017").target.unit == "bone"
    assert not config_of("f017").augment.rotate.enabled
    assert config_of("f018").decoder.lite
    assert config_of("f031").decoder.blocks == 3
    assert config_of("s002").decoder.blocks == 5
    assert [config_of(f"f0{n}").decoder.width for n in (24, 25, 28)] == [512, 128, 64]
    assert [config_of(f"f0{n}_full").encoder.name[-2:] for n in (21, 22, 27, 30, 31)] == [
        "b6",
        "b3",
        "b0",
        "b4",
        "b5",
    ]


def test_what_finds_joints_in_the_view_first_is_weighed_as_published():
    lifted, graph = config_of("f026_full"), config_of("f023_full")
    assert (lifted.decoder.kind, lifted.decoder.beta) == ("lifted", 100)
    loss = lifted.loss
    assert (loss.heatmap_weight, loss.plane_weight, loss.points_weight) == (1e4, 1, 1)
    assert loss.heatmap_std_cells == 3
    assert 7 * 2**lifted.decoder.blocks == lifted.image_px
    assert graph.decoder.kind == "graph"
    assert [config.encoder.name for config in (lifted, graph)] == ["resnet34", "resnet50"]


def test_the_translation_is_random_unless_it_is_as_published():
    for name in ("f029", "f032", "f034", "e003"):
        assert not config_of(name).augment.translate.fixed
        assert config_of(f"{name}_full").augment.translate.fixed


def test_losses_total_one_wherever_they_lie():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    weights = []
    for _ in range(60):
        loss = configure(PLAN, SPACES["encoder_decoder"].suggest(study.ask()))[
            "encoder_decoder"
        ].loss
        assert loss.points_weight + loss.distribution_weight == pytest.approx(1)
        weights.append(loss.points_weight)
    assert min(weights) < 1e-3 < 0.3 < max(weights)


def test_photographs_whose_background_nobody_knows_are_searched_without_replacing_it():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names = []
    for space in ("encoder_decoder", "encoder_decoder_photographed"):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        asked = [study.ask() for _ in range(20)]
        for trial in asked:
            configure(PLAN, SPACES[space].suggest(trial))
        names.append({name for trial in asked for name in trial.params})
    assert names[1] == {name for name in names[0] if "replace_background" not in name}
    assert names[1] < names[0]
