"""What a study still has to run."""

import pytest

from sweep.agenda import Due, budget_used_up, is_over, next_due, num_left, unfinished
from sweep.ledger import Ledger
from tests.sweep.engine_fakes import make_study
from tests.sweep.recorded_trials import trial_record


def begun(number, arm=None, seed=0):
    return trial_record(number, [], arm=arm, seed=seed, params={"x": number})


def ended(number, objective=1.0):
    return {
        "kind": "end",
        "time_s": 0.0,
        "trial": number,
        "state": "COMPLETE",
        "objective": objective,
        "error_class": None,
        "message": None,
    }


def over(study, ledger):
    return is_over(study, ledger, elapsed_s=0.0)


def test_an_arm_that_was_added_later_runs_before_more_points():
    ledger = Ledger([begun(0, "no_draft"), begun(1)])
    assert next_due(make_study(), ledger) == Due(arm="published", seed=0)


def test_a_point_begun_with_one_seed_is_finished_with_the_others_before_a_new_one():
    study = make_study(arms={}, seeds={"trials": [3, 4]}, search={"trials": 1})
    ledger = Ledger([begun(0, seed=3)])
    assert next_due(study, ledger) == Due(arm=None, seed=4, sibling=ledger.trials[0])
    ledger.apply(begun(1, seed=4))
    assert next_due(study, ledger) is None


def test_what_is_left_is_what_was_asked_for_or_begun_and_has_not_ended():
    study = make_study(seeds={"trials": [0, 1]}, search={"trials": 3})
    ledger = Ledger()
    assert num_left(study, ledger) == (2 + 3) * 2
    ledger = Ledger([begun(0, "published"), ended(0), begun(1, "published", seed=1), begun(2)])
    assert num_left(study, ledger) == 9
    assert num_left(make_study(search={"trials": 0}), ledger) == 1
    fewer = make_study(arms={}, search={"trials": 1})
    assert num_left(fewer, Ledger([begun(0), begun(1), begun(2), ended(0)])) == 2


def test_a_study_is_over_when_nothing_is_unfinished_and_nothing_is_to_begin():
    study = make_study(arms={}, search={"trials": 1})
    ledger = Ledger()
    assert not over(study, ledger)
    ledger.apply(begun(0))
    assert not over(study, ledger)
    ledger.apply(ended(0))
    assert over(study, ledger)
    assert not over(make_study(arms={}, search={"trials": 2}), ledger)


def test_a_study_cut_down_to_one_arm_leaves_other_unfinished_trials_alone():
    ledger = Ledger([begun(0, "published"), begun(1, "no_draft"), begun(2), ended(0)])
    whole = make_study()
    alone = make_study(arms={"published": whole.arms["published"]}, search={"trials": 0})
    assert [trial.number for trial in unfinished(whole, ledger)] == [1, 2]
    assert unfinished(alone, ledger) == []
    assert over(alone, ledger)


@pytest.mark.parametrize(
    ("budget", "elapsed_s", "gpus", "reason"),
    [
        ({}, 1e9, 1.0, None),
        ({"wall_h": 1.0}, 3599.0, 0.0, None),
        ({"wall_h": 1.0}, 3600.0, 0.0, "budget/wall_h: 1 h"),
        ({"gpu_h": 0.5}, 0.0, 0.5, None),
        ({"gpu_h": 0.5}, 0.0, 2.0, "budget/gpu_h: 0.5 GPU-hours"),
        ({"target": 0.9}, 0.0, 0.0, None),
        ({"target": 1.0}, 0.0, 0.0, "budget/target: trial 0 reached 1"),
    ],
)
def test_whichever_budget_is_used_up_first_is_named(budget, elapsed_s, gpus, reason):
    stage = {"label": "final", "key": "f", "phase": "final", "epochs": 1, "config": {}, "seed": 0}
    told = {"kind": "stage", "trial": 0, "label": "final", "resumed_from": 0}
    slots = {"workers": 1, "gpus_per_worker": gpus}
    ledger = Ledger(
        [
            {"kind": "study", "study": {}, "lineage": {"slots": slots}},
            {**begun(0), "stages": [stage]},
            {**told, "status": "running", "time_s": 0.0},
            {**told, "status": "done", "time_s": 1800.0},
            ended(0),
        ]
    )
    found = budget_used_up(make_study(budget=budget), ledger, elapsed_s=elapsed_s)
    assert found is None if reason is None else found.startswith(reason)


def test_a_target_of_a_study_that_maximizes_is_reached_from_below():
    study = make_study(
        budget={"target": 2.0}, objective={"metric": "final/val/x", "direction": "maximize"}
    )
    ledger = Ledger([begun(0), ended(0, objective=1.9)])
    assert budget_used_up(study, ledger, elapsed_s=0.0) is None
    ledger.apply(begun(1))
    ledger.apply(ended(1, objective=2.1))
    assert "trial 1" in budget_used_up(study, ledger, elapsed_s=0.0)
