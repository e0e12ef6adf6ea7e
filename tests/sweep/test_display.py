"""What the screen says, in lines and live."""

import io

import pytest
from rich.console import Console

from sweep.display import (
    Display,
    RunningTrial,
    View,
    expected_trials,
    progress,
    seconds_left,
    shown_duration,
)
from sweep.ledger import Ledger
from sweep.study import Study
from sweep.trials import TrialState


def play(records, *, terminal=False, skip=0):
    """Show the records one by one and return what was written."""
    ledger = Ledger(records[:skip])
    study = Study.model_validate(records[0]["study"])
    console = Console(file=io.StringIO(), force_terminal=terminal, width=140, height=40)
    now_s = [records[0]["time_s"]]
    with Display(study, console=console, ledger=ledger, slots=2, clock=lambda: now_s[0]) as display:
        for record in records[skip:]:
            now_s[0] = record["time_s"]
            ledger.apply(record)
            display(record, ledger)
    return console.file.getvalue()


def test_lines_tell_how_trials_start_and_end(searched_records):
    text = play(searched_records)
    assert "arm peclr: pretrain starts" in text
    assert "arm peclr: 54.00 mm after 9 s, best so far" in text
    assert "trial 5: stopped early at finetune epoch 1" in text
    assert "trial 4: failed after 1 s, diverged: train/loss is nan in epoch 2." in text
    assert "trial 9: pretrain was trained before, reused" in text
    assert "slot 1 was replaced: its worker ended." in text


def test_of_a_failure_the_first_line_is_shown(searched_records):
    trace = "KeyError: 'width'\nTraceback (most recent call last):\n  File ..."
    text = play(
        [
            {**record, "message": trace} if record.get("error_class") else record
            for record in searched_records
        ]
    )
    assert "diverged: KeyError: 'width' (the report and the journal have the rest)" in text
    assert "Traceback" not in text


def test_one_arm_alone_does_not_count_the_trials_of_the_whole_study(searched_records):
    study = Study.model_validate(searched_records[0]["study"])
    alone = study.model_copy(
        update={
            "arms": {"peclr": study.arms["peclr"]},
            "search": study.search.model_copy(update={"trials": 0}),
        }
    )
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Display(alone, console=console, ledger=Ledger(searched_records), slots=2):
        pass
    assert "1 of 1 trials" in console.file.getvalue()


def test_lines_are_dated_and_far_fewer_than_records(searched_records):
    lines = play(searched_records).splitlines()
    assert all(line[2] == line[5] == ":" for line in lines)
    assert len(lines) < len(searched_records) / 2


def test_a_line_sums_up_every_half_minute_when_nothing_ends(journal_script):
    script = journal_script()
    script.trial(0, arm="peclr")
    for record in script.records[4:]:
        record["time_s"] += 60 * record.get("epoch", 0)
    text = play(script.records[:8])
    assert "0 of 10 trials" in text
    assert "arm peclr pretrain 2/4" in text


def test_a_live_view_shows_the_running_trial_and_the_best(searched_records):
    end = max(i for i, r in enumerate(searched_records) if r["kind"] == "epoch") - 1
    text = play(searched_records[:end], terminal=True)
    assert "toy: 9 of 10 trials, 2 stopped early, 1 failed" in text
    assert "trial 9" in text
    assert "finetune" in text


def test_a_promotion_is_told_and_is_no_further_attempt(searched_records):
    opened, trial = searched_records[:2], searched_records[2]
    assert (trial["kind"], trial["number"]) == ("trial", 0)
    rung = {"label": "pretrain", "rung": 0, "epoch": 1, "value": 1.0, "decision": "pause"}
    story = [
        {"kind": "attempt", "trial": 0, "attempt": 1},
        {"kind": "rung", "trial": 0, **rung},
        {"kind": "promote", "trial": 0, "rung": 0},
        {"kind": "attempt", "trial": 0, "attempt": 2},
    ]
    records = [*opened, trial, *({**record, "time_s": trial["time_s"]} for record in story)]
    paused = play(records[:-2], terminal=True)
    assert "paused" in paused
    going_on = play(records)
    assert "promoted, goes on" in going_on
    assert "attempt 2" not in going_on
    again = {"kind": "attempt", "trial": 0, "attempt": 3, "time_s": trial["time_s"]}
    assert "attempt 2" in play([*records, again])


def test_a_live_view_shows_what_each_slot_does(searched_records):
    study = Study.model_validate(searched_records[0]["study"])
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Display(study, console=console, ledger=Ledger(), slots=2) as display:
        display.show_slots({"slot 0": "training", "slot 1": "starting"})
    assert "slot 0 training, slot 1 starting" in console.file.getvalue()


def test_a_continued_study_starts_from_what_the_journal_tells(searched_records):
    whole = Ledger(searched_records)
    text = play([*searched_records, {"kind": "note", "time_s": 3e9, "message": "opened"}])
    best = min(t.objective for t in whole.in_state(TrialState.COMPLETE))
    assert f"{best:.4g} mm" in text


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


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.4, "8 s"), (95, "1 min 35 s"), (1800, "30 min"), (7260, "2 h 1 min")]
)
def test_durations_have_the_two_units_that_matter(seconds, text):
    assert shown_duration(seconds) == text


def test_progress_in_lines_always_tells_the_end():
    console = Console(file=io.StringIO(), force_terminal=False, width=100)
    with progress("Rendering hands", console=console) as advance:
        for done in range(1, 101):
            advance(done, 100)
    lines = console.file.getvalue().splitlines()
    assert lines[-1] == "Rendering hands: 100 of 100 (100 %)"
    assert len(lines) == 2


def test_progress_on_a_terminal_is_a_bar():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress("Rendering hands", console=console) as advance:
        advance(100, 100)
    assert "Rendering hands" in console.file.getvalue()
    assert "100/100" in console.file.getvalue()
