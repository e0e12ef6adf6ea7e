"""What a trial is judged by."""

import pytest

from sweep.ledger import Ledger
from sweep.objectives import (
    is_feasible,
    others_at_end,
    pareto_front,
    values_of,
    violations,
)
from sweep.study import Objective

OBJECTIVE = Objective.model_validate(
    {
        "metric": "finetune/val/root_epe_mm",
        "also": [{"metric": "cost/slot_s"}],
        "constraints": [
            {"metric": "cost/epochs", "at_most": 6.0},
            {"metric": "finetune/val/root_epe_mm", "at_least": 40.0},
            {"metric": "finetune/train/loss", "at_most": 1.0},
        ],
    }
)


def test_what_a_trial_reached_beside_its_objective_comes_from_its_stages(journal_script):
    script = journal_script()
    script.trial(0, error_mm=50.0)
    ledger = Ledger(script.records)
    trial = ledger.trials[0]
    others = others_at_end(trial, OBJECTIVE, ledger)
    assert others == {
        "cost/slot_s": trial.duration_s,
        "cost/epochs": 7.0,
        "finetune/train/loss": pytest.approx(2 / 3),
    }
    assert list(others) == ["cost/slot_s", "cost/epochs", "finetune/train/loss"]


def test_a_reused_stage_costs_what_it_once_took(journal_script):
    script = journal_script()
    keys = {"pretrain": "p" * 64}
    script.trial(0, keys=keys)
    script.trial(1, keys=keys, reused=("pretrain",))
    ledger = Ledger(script.records)
    first, second = (others_at_end(t, OBJECTIVE, ledger) for t in ledger.trials.values())
    assert second["cost/slot_s"] == first["cost/slot_s"] > ledger.trials[1].duration_s


def test_a_stage_that_was_lost_and_trained_again_costs_what_it_first_took(journal_script):
    script = journal_script()
    keys = {"pretrain": "p" * 64}
    script.trial(0, keys=keys)
    script.trial(1, keys=keys)
    done = [record for record in script.records if record.get("status") == "done"]
    again = next(r for r in done if (r["trial"], r["label"]) == (1, "pretrain"))
    again["time_s"] += 100.0
    script.trial(2, keys=keys, reused=("pretrain",))
    ledger = Ledger(script.records)
    first, again, taken_over = (
        others_at_end(t, OBJECTIVE, ledger)["cost/slot_s"] for t in ledger.trials.values()
    )
    assert taken_over == first == again - 100.0


def test_a_metric_that_was_not_reported_is_missed_by_name(journal_script):
    script = journal_script()
    script.trial(0)
    ledger = Ledger(script.records)
    objective = Objective.model_validate(
        {"metric": "finetune/val/root_epe_mm", "also": [{"metric": "finetune/val/auc"}]}
    )
    with pytest.raises(KeyError, match="val/auc"):
        others_at_end(ledger.trials[0], objective, ledger)


def judged(journal_script, *points, objective=OBJECTIVE):
    script = journal_script()
    for number, (error_mm, slot_s, epochs) in enumerate(points):
        script.trial(number, error_mm=error_mm)
        script.records[-1]["others"] = {
            "cost/slot_s": slot_s,
            "cost/epochs": epochs,
            "finetune/train/loss": 0.5,
        }
    return list(Ledger(script.records).trials.values())


def test_a_constraint_is_broken_by_so_much_in_its_own_unit(journal_script):
    (trial,) = judged(journal_script, (38.0, 10.0, 7.0))
    assert violations(trial, OBJECTIVE) == {
        "cost/epochs <= 6": 1.0,
        "finetune/val/root_epe_mm >= 40": 2.0,
        "finetune/train/loss <= 1": -0.5,
    }
    assert not is_feasible(trial, OBJECTIVE)


def test_a_constraint_that_came_after_the_trial_counts_as_broken(journal_script):
    (trial,) = judged(journal_script, (45.0, 10.0, 5.0))
    trial.others = {}
    assert violations(trial, OBJECTIVE)["cost/epochs <= 6"] == 1.0
    assert values_of(trial, OBJECTIVE) is None


def test_the_front_is_what_no_feasible_trial_dominates(journal_script):
    trials = judged(
        journal_script,
        (50.0, 10.0, 5.0),  # on the front
        (52.0, 8.0, 5.0),  # on the front
        (52.0, 9.0, 5.0),  # dominated by 1
        (60.0, 8.0, 5.0),  # dominated by 1
        (45.0, 5.0, 7.0),  # breaks a constraint
        (50.0, 10.0, 5.0),  # equal to 0: neither dominates
    )
    assert [trial.number for trial in pareto_front(trials, OBJECTIVE)] == [0, 1, 5]


def test_on_the_front_more_of_a_maximized_target_is_better(journal_script):
    trials = judged(journal_script, (50.0, 10.0, 5.0), (50.0, 12.0, 5.0))
    more = OBJECTIVE.model_copy(
        update={"also": [OBJECTIVE.also[0].model_copy(update={"direction": "maximize"})]}
    )
    assert [trial.number for trial in pareto_front(trials, more)] == [1]
    assert [trial.number for trial in pareto_front(trials, OBJECTIVE)] == [0]
