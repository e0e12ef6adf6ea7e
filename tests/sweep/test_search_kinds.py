"""Whole studies by each kind of search, in the test's process."""

import pytest

from sweep.objectives import pareto_front
from sweep.samplers import SAMPLERS, SamplerKind
from sweep.trials import TrialState
from tests.sweep.engine_fakes import Play, make_study

GRID = {"draft/x": [1.0, 3.0], "final/y": [0.0, 1.0, 2.0]}


def test_a_grid_is_run_through_once_in_its_order(tmp_path):
    study = make_study(
        space=None, arms={}, search={"sampler": "grid", "grid": GRID}, seeds={"trials": [0, 1]}
    )
    ledger = Play(study, tmp_path, slots=2).run()
    first = [trial for trial in ledger.trials.values() if trial.seed == 0]
    expected = [(x, y) for x in GRID["draft/x"] for y in GRID["final/y"]]
    assert [tuple(trial.params.values()) for trial in first] == expected
    assert len(ledger.trials) == 12
    assert all(trial.state is TrialState.COMPLETE for trial in ledger.trials.values())


@pytest.mark.parametrize("sampler", ["gp", "cmaes", "nsgaii", "qmc"])
def test_a_study_that_was_interrupted_suggests_what_the_uninterrupted_one_does(tmp_path, sampler):
    study = make_study(search={"sampler": sampler, "trials": 13})
    (tmp_path / "whole").mkdir()
    whole = Play(study, tmp_path / "whole").run()
    part = study.model_copy(update={"search": study.search.model_copy(update={"trials": 6})})
    first = Play(part, tmp_path)
    first.run()
    second = Play(study, tmp_path, stages=first.stages).run()
    assert [t.params for t in second.trials.values()] == [t.params for t in whole.trials.values()]


def test_a_trials_end_says_what_else_it_reached(tmp_path):
    study = make_study(
        space="lengths",
        objective={
            "metric": "final/val/error",
            "also": [{"metric": "cost/epochs"}],
            "constraints": [{"metric": "cost/slot_s", "at_least": 0.0}],
        },
        search={"sampler": "nsgaii", "trials": 6},
    )
    ledger = Play(study, tmp_path).run()
    for trial in ledger.in_state(TrialState.COMPLETE):
        assert trial.others["cost/epochs"] == sum(stage.epochs_planned for stage in trial.stages)
        assert trial.others["cost/slot_s"] > 0
    assert pareto_front(list(ledger.trials.values()), study.objective)


def test_a_target_is_not_reached_by_a_trial_that_breaks_a_constraint(tmp_path):
    def trials(at_most):
        study = make_study(
            objective={
                "metric": "final/val/error",
                "constraints": [{"metric": "cost/epochs", "at_most": at_most}],
            },
            budget={"target": 1000.0},
        )
        folder = tmp_path / str(at_most)
        folder.mkdir()
        return len(Play(study, folder).run().trials)

    assert trials(at_most=100) < trials(at_most=1) == 6


@pytest.mark.parametrize("slots", [1, 2])
def test_a_sampler_that_fails_costs_no_study_and_is_told_with_each_trial(
    tmp_path, monkeypatch, slots
):
    def refuse(question):
        raise ValueError(f"place {question.place} is too hard")

    monkeypatch.setitem(SAMPLERS, "tpe", SamplerKind(refuse, "a test"))
    study = make_study(search={"sampler": "tpe", "trials": 3})
    ledger = Play(study, tmp_path, slots=slots).run()
    assert {str(trial.state) for trial in ledger.trials.values()} == {"COMPLETE"}
    assert len({str(trial.params) for trial in ledger.searched()}) == 3
    assert [note["message"] for note in ledger.notes] == [
        f"trial {2 + place} is a random point: the sampler tpe failed "
        f"(ValueError: place {place} is too hard)."
        for place in range(3)
    ]
