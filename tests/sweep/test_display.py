"""What the screen says, in lines and live."""

import io

from rich.console import Console
from rich.text import Text

from sweep.display import Display, progress
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


def paused_and_promoted(records):
    """The start of a study whose first trial is paused at a rung, and what promotes it."""
    opened, trial = records[:2], records[2]
    rung = {"label": "pretrain", "rung": 0, "epoch": 1, "value": 1.0, "decision": "pause"}
    stamp = {"trial": trial["number"], "time_s": trial["time_s"]}
    pause = {"kind": "rung", **rung, **stamp}
    return [*opened, trial, pause], {"kind": "promote", "rung": 0, **stamp}


def test_a_live_view_shows_what_was_decided_at_rungs_at_once(searched_records):
    records, promotion = paused_and_promoted(searched_records)
    assert "rungs: pretrain epoch 1: 1 paused" in play(records, terminal=True)
    assert "rungs: pretrain epoch 1: 1 went on" in play([*records, promotion], terminal=True)


def test_a_paused_trial_of_a_continued_study_is_not_waiting_for_a_slot(searched_records):
    records, _ = paused_and_promoted(searched_records)
    text = play(records, terminal=True, skip=len(records))
    assert "paused" in text
    assert "waiting" not in text


def test_the_line_that_sums_up_has_hours_and_rungs(journal_script):
    script = journal_script(budget={"gpu_h": 4, "wall_h": 3})
    script.records[0]["lineage"]["slots"] = {"workers": 2, "gpus_per_worker": 1}
    script.trial(0, arm="no_pretraining", plan=("finetune",), stop_at=("finetune", 2))
    ending = script.records.pop()
    begun = next(r for r in script.records if r["kind"] == "stage")
    rung = {**script.records.pop(), "decision": "pause"}
    for record in script.records[script.records.index(begun) + 1 :]:
        record["time_s"] += 1800.0  # on two GPUs
    text = play([*script.records, {**rung, "time_s": ending["time_s"] + 1840.0}])
    assert "3.0 of 4 GPU-hours left, 2.5 of 3 h left" in text
    assert "rungs: finetune epoch 2: 1 paused" in text


def test_epochs_alone_keep_the_hours_up_to_date(journal_script):
    script = journal_script()
    slots = {"workers": 1, "gpus_per_worker": 0, "cpus_per_worker": 2}
    script.records[0]["lineage"]["slots"] = slots
    script.trial(0, arm="peclr")
    records = script.records[:6]
    assert records[-1]["kind"] == "epoch"
    records[-1]["time_s"] = records[-2]["time_s"] + 1800.0
    assert "1.0 core-hours used" in play(records, terminal=True)


def test_a_continued_study_tells_the_last_events_from_before_it(searched_records):
    lines = play(searched_records, skip=len(searched_records)).splitlines()
    events = [line for line in lines if "earlier (" in line]
    assert len(events) == 3
    assert events[-1].endswith("slot 1 was replaced: its worker ended.")
    assert not any("earlier (" in line for line in play(searched_records).splitlines())


def test_nothing_is_cut_off_on_eighty_columns(searched_records):
    study = Study.model_validate(searched_records[0]["study"])
    end = max(i for i, r in enumerate(searched_records) if r["kind"] == "epoch") - 1
    ledger = Ledger(searched_records[:end])
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    with Display(study, console=console, ledger=ledger, slots=2) as display:
        display.show_slots({f"slot {i}": "training" for i in range(40)} | {"slot 40": "starting"})
    text = console.file.getvalue()
    for words in ("trial 9", "finetune", "2 stopped", "slots: 40 training, 1 starting"):
        assert words in text
    assert all(len(Text.from_ansi(line).plain) <= 80 for line in text.splitlines()[3:])


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
