"""The picture of the Pareto front, and how a study's other targets order its results."""

import csv

import pytest

from sweep.ledger import Ledger
from sweep.report.answer import answer
from sweep.report.cost import cost_of
from sweep.report.front import cost_front_chart, front_chart
from sweep.report.ranking import ranked, write_leaderboard
from sweep.report.spending import spending_chart
from sweep.study import Study

OBJECTIVE = {
    "metric": "finetune/val/root_epe_mm",
    "also": [{"metric": "cost/epochs"}],
    "constraints": [{"metric": "cost/slot_s", "at_most": 100.0}],
}

POINTS = [(50.0, 8.0, 20.0), (46.0, 12.0, 30.0), (44.0, 9.0, 200.0), (60.0, 9.0, 10.0)]
"""Error, epochs, slot-seconds: the third is the best and breaks the constraint."""


@pytest.fixture
def script(journal_script):
    script = journal_script(objective=OBJECTIVE, arms={"peclr": {}})
    for number, (error_mm, epochs, slot_s) in enumerate(POINTS):
        arm = "peclr" if number == 0 else None
        script.trial(number, arm=arm, error_mm=error_mm, params={"pretrain/epochs": number})
        script.records[-1]["others"] = {"cost/epochs": epochs, "cost/slot_s": slot_s}
    script.trial(4, state="PRUNED", stop_at=("finetune", 1), params={"pretrain/epochs": 4})
    return script


def study_of(script):
    return Study.model_validate(script.records[0]["study"])


def test_trials_that_break_a_constraint_rank_after_those_that_keep_all(script):
    rows = ranked(Ledger(script.records), study_of(script).objective)
    assert [row.trial.number for row in rows] == [1, 0, 3, 2, 4]
    assert [row.feasible for row in rows] == [True, True, True, False, None]
    assert [row.pareto for row in rows] == [True, True, False, False, None]


def test_the_leaderboard_keeps_its_first_columns_and_adds_what_else_is_judged(script, tmp_path):
    ledger = Ledger(script.records)
    write_leaderboard(ranked(ledger, study_of(script).objective), tmp_path / "leaderboard.csv")
    with (tmp_path / "leaderboard.csv").open(newline="") as file:
        header, first, *_, last = csv.reader(file)
    assert header == [
        *("rank", "trial", "arm", "state", "objective", "progress", "duration_s"),
        *("cost/epochs", "cost/slot_s", "feasible", "pareto"),
        "pretrain/epochs",
    ]
    assert first[4] == "46.0"
    assert first[7:] == ["12.0", "30.0", "True", "True", "1"]
    assert last[7:] == ["", "", "", "", "4"]


def test_the_answer_is_the_best_that_keeps_every_constraint(script):
    ledger, objective = Ledger(script.records), study_of(script).objective
    assert answer(ledger, objective).leader.name == "trial 1"
    assert answer(ledger, objective).leader.mean == 46.0


def test_without_a_trial_that_keeps_them_there_is_no_answer(script):
    ledger = Ledger(script.records)
    none = study_of(script).objective.model_copy(
        update={
            "constraints": [
                c.model_copy(update={"at_most": 1.0})
                for c in study_of(script).objective.constraints
            ]
        }
    )
    told = answer(ledger, none)
    assert told.leader is None
    assert told.sentence == "No trial has kept every constraint, so there is no answer yet."


def test_the_picture_has_a_row_per_completed_trial_and_says_what_is_on_the_front(script):
    chart = front_chart(Ledger(script.records), study_of(script))
    assert chart.columns == (
        *("trial", "arm", "finetune/val/root_epe_mm", "cost/epochs", "feasible", "pareto"),
    )
    assert chart.rows == (
        (0, "peclr", 50.0, 8.0, True, True),
        (1, "", 46.0, 12.0, True, True),
        (2, "", 44.0, 9.0, False, False),
        (3, "", 60.0, 9.0, True, False),
    )
    assert "Constraints: cost slot (s) <= 100." in chart.caption
    assert chart.png.startswith(b"\x89PNG")


def test_a_study_with_one_objective_has_no_such_picture(searched_records):
    ledger = Ledger(searched_records)
    assert front_chart(ledger, Study.model_validate(searched_records[0]["study"])) is None


def test_a_study_of_one_objective_is_drawn_against_what_its_trials_took(journal_script):
    script = journal_script(arms={"peclr": {}}).slots(cores=2)
    script.trial(0, arm="peclr", error_mm=54.0)
    taken = {"pretrain": "00pretrain".ljust(64, "0")}
    script.trial(1, error_mm=50.0, reused=("pretrain",), keys=taken)
    script.trial(2, error_mm=40.0, reused=("pretrain",))  # another study trained that
    ledger = Ledger(script.records)
    cost = cost_of(ledger)
    chart = cost_front_chart(ledger, study_of(script), cost)
    objective, paid = "finetune/val/root_epe_mm", "cost/core-seconds"
    assert chart.columns == ("trial", "arm", objective, paid, "feasible", "pareto")
    taken_s = [sum(s.trained_s for s in ledger.trials[n].stages) for n in (0, 1)]
    taken_s[1] += ledger.trials[0].stage("pretrain").trained_s
    assert [(row[0], row[2], row[3]) for row in chart.rows] == [
        (0, 54.0, 2 * taken_s[0]),
        (1, 50.0, 2 * taken_s[1]),
    ]
    assert front_chart(ledger, study_of(script)) is None


def test_where_not_all_sessions_had_gpus_trials_are_compared_in_seconds(journal_script):
    script = journal_script().slots(gpus=1.0)
    script.trial(0, error_mm=40.0)
    script.slots(cores=2).trial(1, error_mm=60.0)
    ledger = Ledger(script.records)
    chart = cost_front_chart(ledger, study_of(script), cost_of(ledger))
    assert chart.columns[3] == "cost/slot-seconds"
    assert [row[3] for row in chart.rows] == [9.0, 9.0]
    drawn = spending_chart(ledger, cost_of(ledger))
    assert sum(sum(row[1:]) for row in drawn.rows) == 18.0


def test_a_study_that_names_its_cost_is_drawn_once(script):
    ledger = Ledger(script.records)
    cost = cost_of(ledger)
    assert cost_front_chart(ledger, study_of(script), cost) is None
