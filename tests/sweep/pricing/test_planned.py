"""Which stages are planned, which are shared, and what early stopping leaves of them."""

import pytest

from hpe.phases.catalog import PHASES
from sweep.ledger import Ledger
from sweep.points import searched_point
from sweep.pricing.planned import (
    NOTHING_STOPPED,
    PlannedTrial,
    Share,
    expected_survivors,
    planned_trials,
    shares_of,
)
from sweep.study import EarlyStop, Study
from sweep.study_check import check_study
from tests.sweep.engine_phases import PHASES as FORMULAS

REHEARSAL = {
    "name": "mine",
    "question": "Which?",
    "data": {"name": "none"},
    "plan": ["rehearse_first", "rehearse_last"],
    "space": "rehearsal",
    "objective": {"metric": "rehearse_last/val/error"},
    "search": {"trials": 5},
}

END = {
    "kind": "end",
    "time_s": 2.0,
    "state": "COMPLETE",
    "objective": 1.0,
    "error_class": None,
    "message": None,
}
ARMS = {"slow": 0.001, "middle": 0.01, "fast": 0.1}


def checked(**changes):
    return check_study(Study.model_validate({**REHEARSAL, **changes}))


def plan(study, ledger=None, is_committed=lambda point, seed, label: False):
    return planned_trials(study, ledger or Ledger([]), PHASES, is_committed)


def keys(trials, label):
    return [stage.key for trial in trials for stage in trial.stages if stage.label == label]


def test_arms_come_first_and_every_point_once_per_trial_seed():
    study = checked(arms={"short": {"plan": ["rehearse_last"]}}, seeds={"trials": [0, 1]})
    trials = plan(study)
    assert [trial.is_searched for trial in trials] == [False] * 2 + [True] * 10
    assert len(set(keys(trials, "rehearse_first"))) == 10
    assert len(set(keys(trials, "rehearse_last"))) == 12


def test_arms_that_differ_in_the_last_phase_share_what_comes_before_it():
    arms = {name: {"settings": {"rehearse_last/rate": rate}} for name, rate in ARMS.items()}
    trials = plan(checked(arms=arms, search={"trials": 0}, space=None, seeds={"trials": [0, 1]}))
    assert len(keys(trials, "rehearse_first")) == 6
    assert len(set(keys(trials, "rehearse_first"))) == 2
    assert len(set(keys(trials, "rehearse_last"))) == 6


def test_the_points_of_a_grid_are_its_own():
    grid = {"rehearse_first/x": [0.1, 0.2], "rehearse_last/rate": [0.01, 0.1, 1.0]}
    study = checked(space=None, search={"sampler": "grid", "grid": grid, "trials": 6})
    trials = plan(study)
    assert len(set(keys(trials, "rehearse_first"))) == 2
    assert len(set(keys(trials, "rehearse_last"))) == 6


def test_stages_that_are_there_are_not_planned_again():
    study = checked(arms={"only": {}}, search={"trials": 0}, space=None)
    trials = plan(study, is_committed=lambda point, seed, label: label == "rehearse_first")
    assert [stage.label for trial in trials for stage in trial.stages] == ["rehearse_last"]


def test_trials_that_have_ended_are_not_planned_again():
    study = checked(arms={"one": {}, "two": {}}, search={"trials": 3})
    trial = {"kind": "trial", "time_s": 1.0, "seed": 0, "params": {}, "distributions": {}}
    records = [
        {"kind": "study", "time_s": 0.0, "study": {}, "lineage": {}},
        {**trial, "number": 0, "arm": "one", "settings": {}, "stages": []},
        {**trial, "number": 1, "arm": None, "settings": {}, "stages": []},
        {**trial, "number": 2, "arm": None, "settings": {}, "stages": []},
        {**END, "trial": 0},
        {**END, "trial": 1},
    ]
    trials = plan(study, Ledger(records))
    assert [trial.is_searched for trial in trials] == [False, True, True]


@pytest.mark.parametrize(
    ("arrivals", "before", "rule", "survivors"),
    [
        (4, 0, {"rule": "asha", "keep": 0.5, "grace": 4}, 4),
        # 1 of 1 and 2 by grace, then floor(1.5) of 3 and 2 of 4
        (4, 0, {"rule": "asha", "keep": 0.5, "grace": 2}, 2 + 1 / 3 + 2 / 4),
        (2, 3, {"rule": "asha", "keep": 0.5, "grace": 2}, 2 / 4 + 2 / 5),
        (2, 0, {"rule": "asha", "keep": 0.1, "grace": 1}, 1 + 1 / 2),
        (2, 4, {"rule": "median", "keep": 0.9, "grace": 1}, 2 / 5 + 3 / 6),
        (16, 5, {"rule": "sync", "keep": 0.25, "cohort": 8}, 4),
    ],
)
def test_as_many_go_on_as_the_rule_lets_when_trials_come_in_any_order(
    arrivals, before, rule, survivors
):
    found = expected_survivors(arrivals, before, EarlyStop.model_validate(rule))
    assert found == pytest.approx(survivors)


def test_shares_follow_the_rungs_from_phase_to_phase():
    study = Study(
        name="mine",
        question="Which?",
        data={"name": "none"},
        plan=["draft", "final"],
        settings={"draft/epochs": 4, "final/epochs": 10},
        objective={"metric": "final/val/error"},
        early_stop={"rule": "sync", "rungs": [0.5], "keep": 0.5, "cohort": 2, "proxy": True},
    )
    base = searched_point(study, {}, FORMULAS)
    trials = [PlannedTrial(True, ())] * 8
    assert shares_of(study, trials, base) == {
        "draft": Share(1.0, 0.75, 0.5),  # 2 epochs of 8 trials, 2 of 4
        "final": Share(0.5, 0.375, 0.25),  # 5 epochs of 4, 5 of 2
    }


def test_nothing_is_stopped_in_steps_that_given_weights_stand_for():
    study = Study(
        name="mine",
        question="Which?",
        data={"name": "none"},
        plan=["draft", "draft", "final"],
        settings={"draft/epochs": 4, "draft_2/epochs": 4, "final/epochs": 10},
        from_weights={"draft_2": "w"},
        objective={"metric": "final/val/error"},
        early_stop={"rule": "sync", "rungs": [0.5], "keep": 0.5, "cohort": 2, "proxy": True},
    )
    shares = shares_of(study, [PlannedTrial(True, ())] * 8, searched_point(study, {}, FORMULAS))
    assert shares["draft"] == shares["draft_2"] == NOTHING_STOPPED
    assert shares["final"] == Share(1.0, 0.75, 0.5)


def test_without_a_rule_or_a_search_nothing_is_stopped():
    study = checked(arms={"a": {}})
    shares = shares_of(study.study, plan(study), study.base)
    assert shares == {"rehearse_first": NOTHING_STOPPED, "rehearse_last": NOTHING_STOPPED}
