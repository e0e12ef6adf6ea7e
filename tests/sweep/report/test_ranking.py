"""The leaderboard's order, columns and cells."""

import csv

import pytest

from sweep.ledger import Ledger
from sweep.report.ranking import composed, ranked, write_leaderboard
from sweep.study import Objective

LOWER = Objective(metric="finetune/val/root_epe_mm")


def test_completed_trials_come_first_then_stopped_then_failed(searched_records):
    rows = ranked(Ledger(searched_records), LOWER)
    states = [str(row.trial.state) for row in rows]
    assert states == ["COMPLETE"] * 7 + ["PRUNED"] * 2 + ["FAIL"]
    values = [row.trial.objective for row in rows[:7]]
    assert values == sorted(values)
    assert [row.rank for row in rows] == list(range(1, 11))


def test_a_higher_objective_can_be_the_better_one(searched_records):
    rows = ranked(Ledger(searched_records), LOWER.model_copy(update={"direction": "maximize"}))
    values = [row.trial.objective for row in rows[:7]]
    assert values == sorted(values, reverse=True)


def test_of_stopped_trials_the_one_that_came_further_ranks_first(journal_script):
    script = journal_script()
    script.trial(0, state="PRUNED", error_mm=10.0, stop_at=("pretrain", 1))
    script.trial(1, state="PRUNED", error_mm=80.0, stop_at=("finetune", 1))
    script.trial(2, state="PRUNED", error_mm=70.0, stop_at=("finetune", 1))
    rows = ranked(Ledger(script.records), LOWER)
    assert [row.trial.number for row in rows] == [2, 1, 0]


def test_the_file_has_a_row_per_trial_and_a_column_per_parameter(searched_records, tmp_path):
    ledger = Ledger(searched_records)
    write_leaderboard(ranked(ledger, LOWER), tmp_path / "leaderboard.csv")
    with (tmp_path / "leaderboard.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == [
        "rank",
        "trial",
        "arm",
        "state",
        "objective",
        "progress",
        "duration_s",
        "pretrain/augment/rotate/enabled",
        "pretrain/augment/rotate/max_deg",
        "pretrain/loss/temperature",
        "pretrain/optimizer/name",
    ]
    assert {int(row["trial"]) for row in rows} == set(ledger.trials)
    arm = next(row for row in rows if row["arm"] == "peclr")
    assert float(arm["objective"]) == 54.0
    assert arm["pretrain/augment/rotate/enabled"] == "True"
    assert arm["pretrain/loss/temperature"] == ""
    pruned = next(row for row in rows if row["state"] == "PRUNED")
    assert pruned["objective"] == ""
    assert float(pruned["progress"]) == pytest.approx(5 / 7, abs=1e-4)


def test_an_operation_and_its_strengths_are_one_entry():
    params = {
        "a/rotate/enabled": True,
        "a/rotate/max_deg": 45.0,
        "a/blur/enabled": False,
        "a/flip/enabled": True,
        "loss/temperature": 0.2,
    }
    assert composed(params) == [
        ("a/rotate", "max_deg 45"),
        ("a/blur", "off"),
        ("a/flip", "on"),
        ("loss/temperature", "0.2"),
    ]
