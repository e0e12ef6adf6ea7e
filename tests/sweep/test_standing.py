"""How a study stands, read off its ledger."""

import pytest

from sweep.ledger import Ledger
from sweep.standing import (
    LAST_EVENTS,
    RunningTrial,
    View,
    end_words,
    expected_trials,
    seconds_left,
    view_of,
)
from sweep.study import Study
from sweep.trials import TrialState


def standing(records):
    return view_of(Study.model_validate(records[0]["study"]), Ledger(records))


def test_expects_every_arm_and_point_once_per_seed(compared_records):
    assert expected_trials(Study.model_validate(compared_records[0]["study"])) == 9


def test_time_left_is_the_mean_duration_of_what_is_to_come_over_the_slots():
    view = View(expected=10, ended={TrialState.COMPLETE: 4}, durations_s=[90.0, 110.0])
    view.running[4] = RunningTrial("trial 4", 0.0, progress=0.5)
    assert seconds_left(view, slots=2, now_s=0.0) == pytest.approx((6 - 0.5) * 100 / 2)


def test_time_left_before_the_first_end_follows_the_furthest_trial():
    view = View(expected=4)
    view.running[0] = RunningTrial("trial 0", created_s=100.0, progress=0.25)
    assert seconds_left(view, slots=1, now_s=150.0) == pytest.approx((4 - 0.25) * 200)


def test_time_left_is_not_made_up():
    assert seconds_left(View(expected=4), slots=1, now_s=0.0) is None


def test_rungs_come_in_the_order_of_the_plan(journal_script):
    script = journal_script()
    script.trial(0, stop_at=("finetune", 2), state="PRUNED")
    script.trial(1, stop_at=("pretrain", 1), state="PRUNED")
    for record in script.records:
        if record["kind"] == "rung" and record["label"] == "finetune":
            record["rung"] = 1
    told = [str(rung) for rung in standing(script.records).rungs]
    assert told == ["pretrain epoch 1: 1 stopped", "finetune epoch 2: 1 stopped"]


@pytest.mark.parametrize(
    ("slots", "budget", "told"),
    [
        ({"workers": 2, "gpus_per_worker": 1}, {}, "1.0 GPU-hours used"),
        ({"workers": 2, "gpus_per_worker": 1}, {"gpu_h": 4}, "3.0 of 4 GPU-hours left"),
        ({"workers": 1, "gpus_per_worker": 0, "cpus_per_worker": 4}, {}, "2.0 core-hours used"),
        (None, {"wall_h": 2}, "1.5 of 2 h left"),
        (None, {}, None),
    ],
)
def test_hours_are_told_as_far_as_they_are_known(journal_script, slots, budget, told):
    script = journal_script(budget=budget)
    if slots is not None:
        script.records[0]["lineage"]["slots"] = slots
    script.trial(0, arm="no_pretraining", plan=("finetune",))
    begun, done = (r for r in script.records if r["kind"] == "stage")
    done["time_s"] = begun["time_s"] + 1800.0
    assert standing(script.records).spent == told


def test_the_last_events_are_the_newest_ends_and_notes(journal_script):
    script = journal_script()
    for number in range(LAST_EVENTS):
        script.trial(number, error_mm=50.0 + number, plan=("finetune",))
    script.write("note", message="slot 1 was replaced")
    events = standing(script.records).events
    assert len(events) == LAST_EVENTS
    assert (events[0].text, events[0].kind) == ("slot 1 was replaced", "note")
    assert events[1].text == "trial 11: 61.00 mm after 4 s"
    assert events[-1].text.startswith("trial 1:")


def test_the_best_is_one_of_the_trials_that_count(searched_records):
    view = standing(searched_records)
    best = min(
        r["objective"]
        for r in searched_records
        if r["kind"] == "end" and r["objective"] is not None
    )
    assert view.best is not None
    assert view.best[1] == best


def test_a_trial_without_an_objective_is_not_said_to_have_been_stopped(journal_script):
    script = journal_script()
    script.trial(0, plan=("finetune",))
    script.records[-1]["objective"] = None
    study, ledger = Study.model_validate(script.records[0]["study"]), Ledger(script.records)
    assert end_words(study, ledger.trials[0]) == "trial 0: no value after 4 s"
