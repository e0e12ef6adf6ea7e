"""Plans and the settings, seeds and stages they come to."""

from typing import Literal

import pytest
from pydantic import Field

from hpe.config import Config, operational
from hpe.phases.phase import PhaseSpec
from trainables.keys import Execution
from trainables.plans import (
    configure,
    default_settings,
    derive_seed,
    make_stages,
    parse_plan,
    setting_of,
    trained_steps,
)


class Encoder(Config):
    width: int = Field(8, gt=0)


class Warm(Config):
    epochs: int = 4
    encoder: Encoder = Encoder()
    temperature: float = Field(0.5, gt=0)
    loader_workers: int = operational(0)
    bone: tuple[int, int] = (9, 10)


class Plain(Config):
    epochs: int = Field(3, ge=1)


class Tune(Config):
    epochs: int = 2
    encoder: Encoder = Encoder()
    mode: Literal["frozen", "free"] = "free"


def never_run(config, inputs, resume=None):
    raise AssertionError


def spec(config, **kwargs):
    return PhaseSpec(
        config=config,
        run=never_run,
        metrics=lambda settings: ("val/error",),
        epochs=lambda settings: settings.epochs,
        **kwargs,
    )


PHASES = {
    "warm": spec(Warm),
    "tune": spec(Tune, follows=("warm",), inherits=("encoder",)),
    "score": spec(Tune, follows=("tune",), requires=("tune",)),
}
DATA = {"config": {"name": "x"}, "root": "/x", "digest": "d"}


def plan_of(*names):
    return parse_plan(names, PHASES)


def stages_of(*names, settings=None, seed=0, data=DATA, execution=None, imported=None):
    plan = plan_of(*names)
    return make_stages(
        plan,
        configure(plan, settings or {}),
        data=data,
        seed=seed,
        execution=execution or Execution(),
        imported=imported,
    )


def test_labels_a_repeated_phase_by_its_count():
    assert [s.label for s in plan_of("warm", "tune", "warm", "tune")] == [
        "warm",
        "tune",
        "warm_2",
        "tune_2",
    ]


def test_names_the_nearest_phase_for_an_unknown_one():
    with pytest.raises(ValueError, match="no phase 'wram'; did you mean 'warm'"):
        plan_of("wram")


def test_refuses_a_phase_without_the_one_it_requires():
    with pytest.raises(ValueError, match="'score' needs 'tune' before it"):
        plan_of("warm", "score")


def test_lists_every_path_with_its_default():
    assert default_settings(plan_of("warm")) == {
        "warm/epochs": 4,
        "warm/encoder/width": 8,
        "warm/temperature": 0.5,
        "warm/loader_workers": 0,
        "warm/bone": (9, 10),
    }


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("warm/temperture", 1.0, "nearest are warm/temperature"),
        ("warm/zzz", 1.0, "there are warm/bone, warm/encoder, warm/epochs"),
        ("other/zzz", 1.0, "paths start with tune, warm"),
        ("warm/temperature", -1.0, r"warm/temperature: input should be greater than 0, got -1\.0"),
        ("warm/temperature", float("nan"), "warm/temperature: .*, got nan"),
        ("tune/mode", "thawed", "tune/mode: input should be 'frozen' or 'free', got 'thawed'"),
        ("warm/epochs", True, "warm/epochs: input should be a valid integer, got True"),
        ("warm/epochs", "3", "warm/epochs: input should be a valid integer, got '3'"),
        ("warm/epochs", 3.0, r"warm/epochs: input should be a valid integer, got 3\.0"),
        ("warm/temperature", True, "warm/temperature: input should be a valid number, got True"),
        ("warm/encoder/width", "8", "warm/encoder/width: input should be a valid integer, got '8'"),
    ],
)
def test_refuses_a_bad_setting_by_its_path(path, value, message):
    with pytest.raises(ValueError, match=message):
        configure(plan_of("warm", "tune"), {path: value})


def test_a_whole_number_is_a_float_where_one_is_wanted():
    (warm,) = configure(plan_of("warm"), {"warm/temperature": 2}).values()
    assert warm.temperature == 2.0
    assert isinstance(warm.temperature, float)


@pytest.mark.parametrize("bone", [[5, 6], (5, 6)], ids=["list", "tuple"])
def test_a_list_is_a_tuple_where_one_is_wanted(bone):
    assert configure(plan_of("warm"), {"warm/bone": bone})["warm"].bone == (5, 6)


def test_a_worker_reads_the_settings_back_that_a_stage_carries():
    (stage,) = stages_of("warm", settings={"warm/bone": [5, 6], "warm/temperature": 2})
    assert stage.config["bone"] == [5, 6]
    again = Warm.model_validate(stage.config)
    assert again == Warm(bone=(5, 6), temperature=2.0)


def test_takes_an_inherited_section_from_the_phase_before():
    configs = configure(plan_of("warm", "tune"), {"warm/encoder/width": 16})
    assert setting_of(configs, "tune/encoder/width") == 16


def test_keeps_its_own_section_when_nothing_comes_before():
    configs = configure(plan_of("tune"), {"tune/encoder/width": 5})
    assert setting_of(configs, "tune/encoder/width") == 5


def test_refuses_an_inherited_section_that_disagrees():
    settings = {"warm/encoder/width": 16, "tune/encoder/width": 5}
    with pytest.raises(ValueError, match="whose encoder/width is 16, got 5"):
        configure(plan_of("warm", "tune"), settings)


def test_a_section_is_inherited_from_the_phases_that_have_it():
    phases = {
        "plain": spec(Plain),
        **PHASES,
        "tune": spec(Tune, follows=("warm", "plain"), inherits=("encoder",)),
    }
    plan = parse_plan(("warm", "plain", "tune"), phases)
    configs = configure(plan, {"warm/encoder/width": 16})
    assert setting_of(configs, "tune/encoder/width") == 16


def test_setting_of_an_absent_path_is_a_key_error():
    configs = configure(plan_of("tune"), {})
    with pytest.raises(KeyError):
        setting_of(configs, "tune/encoder/depth")


def test_chains_stages_by_the_keys_of_their_parents():
    warm, tune = stages_of("warm", "tune")
    assert tune.parents == {"warm": warm.key}
    assert (warm.epochs, tune.epochs) == (4, 2)
    assert warm.seed == derive_seed(0, "warm") != tune.seed


def test_a_setting_of_the_last_phase_leaves_earlier_keys_alone():
    before, after = (
        stages_of("warm", "tune"),
        stages_of("warm", "tune", settings={"tune/epochs": 9}),
    )
    assert before[0].key == after[0].key
    assert before[1].key != after[1].key


def test_an_operational_setting_changes_no_key():
    assert stages_of("warm")[0].key == stages_of("warm", settings={"warm/loader_workers": 4})[0].key


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"warm/temperature": 0.4}},
        {"seed": 1},
        {"data": {**DATA, "digest": "other"}},
        {"execution": Execution(world_size=2)},
        {"execution": Execution(device="cuda")},
    ],
    ids=["setting", "seed", "data", "workers", "device"],
)
def test_whatever_changes_the_result_changes_the_key(change):
    assert stages_of("warm")[0].key != stages_of("warm", **change)[0].key


def test_where_the_data_lies_changes_no_key():
    moved = {**DATA, "root": "/elsewhere"}
    assert stages_of("warm")[0].key == stages_of("warm", data=moved)[0].key


def test_steps_before_the_last_given_weights_are_not_trained():
    plan = parse_plan(["warm", "tune", "score"], PHASES)
    trained = [
        [step.label for step in trained_steps(plan, given)]
        for given in ([], ["warm"], ["tune"], ["tune", "warm"], ["other"])
    ]
    assert trained == [["warm", "tune", "score"], ["tune", "score"], *[["score"]] * 2, trained[0]]


def test_an_imported_stage_stands_for_the_plan_up_to_it():
    (tune,) = stages_of("warm", "tune", imported={"warm": "abc"})
    assert tune.label == "tune"
    assert tune.parents == {"warm": "abc"}
