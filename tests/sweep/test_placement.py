"""Where arms lie in a search space."""

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces.space import Space
from sweep.placement import distributions_from_json, distributions_to_json, place
from tests.sweep.engine_phases import PHASES, SPACES
from trainables.plans import configure, parse_plan


def configs(plan, settings):
    return configure(parse_plan(plan, PHASES), settings)


def test_an_arms_settings_become_parameters_with_their_distributions():
    settings = {"draft/x": 4.0, "final/y": 2.5, "final/fancy": True, "final/strength": 0.5}
    params, distributions = place(SPACES["both"], configs(["draft", "final"], settings))
    assert params == settings
    assert distributions == {
        "draft/x": FloatDistribution(0.0, 10.0),
        "final/y": FloatDistribution(0.0, 10.0),
        "final/fancy": CategoricalDistribution([True, False]),
        "final/strength": FloatDistribution(0.1, 1.0, log=True),
    }


def test_a_branch_the_arm_does_not_take_gives_no_parameter():
    settings = {"final/fancy": False, "final/strength": 0.5}
    params, _ = place(SPACES["both"], configs(["draft", "final"], settings))
    assert params == {"draft/x": 0.0, "final/y": 0.0, "final/fancy": False}


def test_a_value_outside_the_space_is_left_out():
    settings = {"draft/x": 11.0, "final/y": 10.0, "final/fancy": True}  # strength 0 is below 0.1
    params, _ = place(SPACES["both"], configs(["draft", "final"], settings))
    assert params == {"final/y": 10.0, "final/fancy": True}


def test_paths_of_a_phase_the_arms_plan_lacks_are_left_out():
    params, distributions = place(SPACES["both"], configs(["final"], {"final/y": 3.0}))
    assert set(params) == set(distributions) == {"final/y", "final/fancy"}


def test_steps_and_whole_numbers_are_respected():
    def suggest(trial):
        trial.suggest_int("draft/epochs", 1, 9, step=4)
        trial.suggest_float("draft/x", 0.0, 1.0, step=0.25)
        trial.suggest_int("final/y", 0, 9)
        return trial.params

    space = Space(suggest=suggest, plan=("draft", "final"), about="steps")
    on_grid = {"draft/epochs": 5, "draft/x": 0.75, "final/y": 2.0}
    params, distributions = place(space, configs(["draft", "final"], on_grid))
    assert params == on_grid
    assert distributions["draft/epochs"] == IntDistribution(1, 9, step=4)
    off_grid = {"draft/epochs": 4, "draft/x": 0.6, "final/y": 2.5}
    assert place(space, configs(["draft", "final"], off_grid)) == ({}, {})


def test_distributions_survive_the_journal():
    distributions = {"a": FloatDistribution(1e-4, 1.0, log=True), "b": IntDistribution(1, 9)}
    assert distributions_from_json(distributions_to_json(distributions)) == distributions
