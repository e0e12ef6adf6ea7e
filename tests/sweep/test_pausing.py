"""Trials that pause at rungs: who goes on, when, and that nothing stands still for them."""

import os
import random

import pytest

from sweep.conductor import FINISHED
from sweep.journal import read_journal
from sweep.trials import TrialState
from tests.sweep.engine_fakes import Play, assert_ended_once, make_study, summary

PROMOTE = {"rule": "asha", "promote": True, "rungs": [0.34, 0.67], "keep": 0.5}
SYNC = {"rule": "sync", "rungs": [0.34, 0.67], "keep": 0.5, "cohort": 4}


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Have folders for more than one study; durability is the journal's own test."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    for name in ("a", "b", "whole"):
        (tmp_path / name).mkdir()


def arms_at(*ys):
    """Return arms that reach (y - 1)^2 + 1 / epoch."""
    return {f"arm{i}": {"settings": {"final/y": y}} for i, y in enumerate(ys)}


def make_search(trials, early_stop, **changes):
    """Return a study in which only trials of a search run."""
    changes = {"arms": {}, "search": {"trials": trials, "sampler": "random"}, **changes}
    return make_study(early_stop=early_stop, **changes)


def decisions(trial):
    return [(rung.rung, rung.decision, rung.promoted) for rung in trial.rungs]


def run_until_paused(play, number):
    while number in play.training:
        play.step(number)
    assert play.ledger.trials[number].paused


# Promotion


def test_a_trial_pauses_at_a_rung_and_its_slot_is_free_at_once(tmp_path):
    play = Play(make_search(4, PROMOTE), tmp_path).open()
    play.hand_out()
    run_until_paused(play, 0)
    trial = play.ledger.trials[0]
    assert decisions(trial) == [(2, "pause", False)]
    assert trial.state is TrialState.RUNNING
    assert play.slots.withdrawn == [("slot-0", 0)]
    assert [config["trial"] for config in play.hand_out()] == [1], "one of one is no best half"


def test_the_best_half_of_a_rung_goes_on_as_soon_as_a_slot_is_free(tmp_path):
    play = Play(make_search(6, PROMOTE), tmp_path).open()
    for number in (0, 1):
        assert [config["trial"] for config in play.hand_out()] == [number]
        run_until_paused(play, number)
    values = [play.ledger.trials[number].rungs[0].value for number in (0, 1)]
    better = values.index(min(values))
    (config,) = play.hand_out()
    assert (config["trial"], config["attempt"]) == (better, 2)
    assert decisions(play.ledger.trials[better]) == [(2, "pause", True)]
    reused, started = next(play.training[better]), next(play.training[better])
    assert (reused["event"], started["event"], started["epoch"]) == ("reused", "started", 1)


def test_the_highest_rung_is_served_first_then_the_lower_then_a_new_trial(tmp_path):
    play = Play(make_search(12, PROMOTE), tmp_path).open()
    story = []
    while len(play.ledger.trials) < 12:
        (config,) = play.hand_out()
        trial = play.ledger.trials[config["trial"]]
        story.append((trial.number, len(trial.rungs)))
        while trial.number in play.training:
            play.step(trial.number)
        at = {
            index: sorted(
                (entry.value, t.number)
                for t in play.ledger.trials.values()
                for entry in t.rungs
                if entry.rung == index
            )
            for index in (2, 3)
        }
        candidates = [
            number
            for index in (3, 2)
            for _, number in at[index][: len(at[index]) // 2]
            if play.ledger.trials[number].paused
            and play.ledger.trials[number].rungs[-1].rung == index
        ]
        expected = candidates[0] if candidates else len(play.ledger.trials)
        if len(play.ledger.trials) < 12:
            play.hand_out()
            assert list(play.training) == [expected]
            while expected in play.training:
                play.step(expected)
    assert {rungs for _, rungs in story} == {0, 1, 2}


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_more_paused_trials_than_slots_stop_nothing_and_all_end(tmp_path, slots):
    play = Play(make_search(12, {**PROMOTE, "keep": 0.25}), tmp_path, slots=slots)
    most_paused = 0

    def count(record, ledger):
        nonlocal most_paused
        most_paused = max(most_paused, sum(trial.paused for trial in ledger.trials.values()))

    play.book.listen(count)
    ledger = play.run()
    assert most_paused > slots
    assert_ended_once(play.records)
    assert len(ledger.trials) == 12
    complete = ledger.in_state(TrialState.COMPLETE)
    pruned = ledger.in_state(TrialState.PRUNED)
    assert complete
    assert len(complete) + len(pruned) == 12
    for trial in pruned:
        rung = trial.rungs[-1]
        assert (rung.decision, rung.promoted) == ("pause", False)
        assert trial.message == (
            f"stopped after epoch {rung.epoch} of {rung.label} with {rung.value:g}"
        )
        assert 0 < trial.progress < 1


def test_of_a_search_too_small_for_its_share_the_best_runs_to_the_end(tmp_path):
    ledger = Play(make_search(3, {**PROMOTE, "keep": 0.1}), tmp_path).run()
    (complete,) = ledger.in_state(TrialState.COMPLETE)
    first = {trial.number: trial.rungs[0].value for trial in ledger.trials.values()}
    assert complete.number == min(first, key=first.get)
    assert len(ledger.in_state(TrialState.PRUNED)) == 2


def test_if_the_one_that_went_on_fails_the_next_best_does(tmp_path):
    study = make_search(3, {**PROMOTE, "keep": 0.1})
    play = Play(study, tmp_path).open()
    failed = None
    while play.hand_out() or play.training:
        (number,) = play.training
        trial = play.ledger.trials[number]
        report = next(play.training[number])
        if trial.attempt == 2 and failed is None:
            failed = number
            report = {**report, "event": "failed", "error_class": "data", "message": "no"}
        if play.report(number, report):
            del play.training[number]
    assert play.ledger.trials[failed].state is TrialState.FAIL
    assert len(play.ledger.in_state(TrialState.COMPLETE)) == 1


def test_arms_never_pause_but_are_compared_with(tmp_path):
    study = make_study(early_stop=PROMOTE, arms=arms_at(1.0, 1.1, 1.2), search={"trials": 1})
    play = Play(study, tmp_path).open()
    for number in range(3):
        play.hand_out()
        while number in play.training:
            play.step(number)
        assert play.ledger.trials[number].state is TrialState.COMPLETE
        assert {decision for _, decision, _ in decisions(play.ledger.trials[number])} == {
            "continue"
        }
    play.hand_out()
    run_until_paused(play, 3)
    assert play.conductor.next_config() is not FINISHED, "the only searched trial goes on"
    assert play.ledger.trials[3].rungs[0].promoted


def test_a_trial_whose_stages_are_all_trained_already_is_not_paused(tmp_path):
    study = make_search(1, PROMOTE)
    first = Play(study, tmp_path / "a")
    first.run()
    again = Play(study, tmp_path / "b", stages=first.stages).open()
    again.hand_out()
    assert again.report(0, *again.training.pop(0))
    assert again.ledger.trials[0].state is TrialState.COMPLETE
    assert {decision for _, decision, _ in decisions(again.ledger.trials[0])} == {"continue"}


def test_a_used_up_budget_ends_those_that_are_paused(tmp_path):
    study = make_search(9, PROMOTE, arms=arms_at(1.0), budget={"target": 1.4})
    play = Play(study, tmp_path, slots=3)
    ledger = play.run()
    assert ledger.trials[0].state is TrialState.COMPLETE
    assert 1 < len(ledger.trials) < 10
    assert not any(trial.rungs[-1].promoted for trial in list(ledger.trials.values())[1:])
    assert [trial.state for trial in list(ledger.trials.values())[1:]] == [TrialState.PRUNED] * (
        len(ledger.trials) - 1
    )


def test_a_paused_trial_is_continued_by_the_next_session(tmp_path):
    study = make_search(6, PROMOTE)
    whole = Play(study, tmp_path / "whole").run()
    play = Play(study, tmp_path).open()
    play.hand_out()
    run_until_paused(play, 0)
    play.conductor.interrupt()
    play.conductor.close()
    play.journal.close()
    again = Play(study, tmp_path, stages=play.stages)
    assert summary(again.run()) == summary(whole)


def test_more_trials_continue_a_study_whose_paused_trials_had_ended(tmp_path):
    Play(make_search(4, PROMOTE), tmp_path).run()
    more = Play(make_search(8, PROMOTE), tmp_path)
    ledger = more.run()
    assert len(ledger.trials) == 8
    assert min(more.order) == 4
    assert_ended_once(read_journal(tmp_path / "journal.jsonl"))


def test_paused_trials_of_the_whole_study_are_left_alone_by_an_arm_that_runs_alone(tmp_path):
    arms = arms_at(1.0)
    play = Play(make_search(3, PROMOTE, arms=arms), tmp_path).open()
    for number in (0, 1):
        play.hand_out()
        while number in play.training:
            play.step(number)
    play.conductor.interrupt()
    play.conductor.close()
    play.journal.close()
    alone = Play(
        make_study(arms={**arms, **{"arm9": {}}}, early_stop=PROMOTE, search={"trials": 0}),
        tmp_path,
        stages=play.stages,
    )
    ledger = alone.run()
    assert ledger.trials[1].paused
    assert ledger.trials[2].arm == "arm9"


def test_a_proxy_that_is_useless_holds_nobody_up_any_longer(tmp_path):
    opposed = {f"a{i}": {"settings": {"draft/x": 3.0 + i, "final/y": 9.0 - i}} for i in range(8)}
    for rules, folder in ((PROMOTE, "a"), (SYNC, "b"), ({**PROMOTE, "keep": 0.01}, "whole")):
        study = make_study(early_stop={**rules, "proxy": True}, arms=opposed, search={"trials": 4})
        ledger = Play(study, tmp_path / folder, slots=3).run()
        (note,) = [note for note in ledger.notes if "proxy_off" in note]
        assert "rank correlation with the objective is -1.00, below" in note["message"]
        searched = [trial for trial in ledger.trials.values() if trial.arm is None]
        at_the_proxy = [rung for trial in searched for rung in trial.rungs if rung.label == "draft"]
        assert len(at_the_proxy) == 2 * len(searched), "all went on from both rungs"


def test_those_paused_at_a_proxy_go_on_once_it_is_switched_off(tmp_path):
    """The first searched trial pauses at the proxy before eight trials have judged it."""
    opposed = {f"a{i}": {"settings": {"draft/x": 3.0 + i, "final/y": 9.0 - i}} for i in range(8)}
    study = make_study(
        early_stop={**PROMOTE, "keep": 0.05, "proxy": True}, arms=opposed, search={"trials": 1}
    )
    play = Play(study, tmp_path, slots=9).open()
    play.hand_out()
    run_until_paused(play, 8)
    assert play.ledger.trials[8].rungs[-1].label == "draft"
    for number in range(8):
        while number in play.training:
            play.step(number)
    assert [config["trial"] for config in play.hand_out()] == [8]
    assert any("proxy_off" in note for note in play.ledger.notes)


# Cohorts


def test_a_cohort_is_asked_for_at_once_when_everything_before_it_has_ended(tmp_path):
    study = make_search(9, SYNC, arms=arms_at(1.0, 2.0))
    play = Play(study, tmp_path, slots=3)
    begun, attempted = [], []

    def look(record, ledger):
        if record["kind"] == "trial" and record["arm"] is None:
            running = [t.number for t in ledger.in_state(TrialState.RUNNING)]
            begun.append((record["number"], running))
        if record["kind"] == "attempt" and record["trial"] >= 2:
            attempted.append((record["trial"], len(ledger.trials)))

    play.book.listen(look)
    ledger = play.run()
    assert [number for number, _ in begun] == list(range(2, 11))
    for number, running in begun:
        assert running == list(range(2 + (number - 2) // 4 * 4, number + 1))
    assert {number for number, _ in attempted} == set(range(2, 11))
    for number, asked_for in attempted:
        cohort = (number - 2) // 4
        assert asked_for == min(11, 2 + 4 * (cohort + 1)), "it is complete by then"
    assert len(ledger.trials) == 11


def test_the_best_half_of_a_cohort_goes_on_from_each_rung(tmp_path):
    ledger = Play(make_search(8, SYNC), tmp_path, slots=3).run()
    for cohort in (range(4), range(4, 8)):
        trials = [ledger.trials[number] for number in cohort]
        first = sorted(trials, key=lambda trial: trial.rungs[0].value)
        assert [trial.rungs[0].promoted for trial in first] == [True, True, False, False]
        second = sorted(first[:2], key=lambda trial: trial.rungs[1].value)
        assert [trial.rungs[1].promoted for trial in second] == [True, False]
        assert second[0].state is TrialState.COMPLETE
        assert {t.state for t in (*first[2:], second[1])} == {TrialState.PRUNED}


@pytest.mark.parametrize("space", ["both", "last"])
def test_cohorts_make_the_same_study_whatever_the_slots_and_their_speeds(tmp_path, space):
    study = make_search(
        13,
        {**SYNC, "proxy": space == "both"},
        arms=arms_at(2.0, 3.0),
        space=space,
        search={"trials": 13, "sampler": "tpe"},
        settings={"final/limit": 5.0},
    )
    steady = summary(Play(study, tmp_path / "whole").run())
    assert {entry[4] for entry in steady} == {
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
    }
    for seed in range(6):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        play = Play(study, folder, slots=1 + seed)
        assert summary(play.run(speeds=random.Random(seed))) == steady, seed


def test_cohorts_decide_the_same_where_everything_was_trained_before(tmp_path):
    study = make_search(8, SYNC)
    first = Play(study, tmp_path / "a")
    decided = [decisions(trial) for trial in first.run().trials.values()]
    again = Play(study, tmp_path / "b", stages=first.stages)
    trials = again.run().trials.values()
    assert [decisions(trial) for trial in trials] == decided
    assert [trial.state for trial in trials] == [t.state for t in first.ledger.trials.values()]


def test_a_trial_without_the_rung_keeps_nobody_waiting(tmp_path):
    """A first phase of one epoch has no rung, so such a trial is next compared in the second."""
    study = make_search(8, {**SYNC, "proxy": True}, space="lengths")
    ledger = Play(study, tmp_path, slots=2).run()
    assert {trial.rungs[0].rung for trial in ledger.trials.values()} == {0, 2}
    assert not ledger.in_state(TrialState.RUNNING)


def test_a_cohort_that_waits_for_room_is_not_judged_before_it_is_whole(tmp_path):
    full = [False]

    def shortage():
        return "the disk is full" if full[0] else None

    play = Play(make_search(4, SYNC), tmp_path, shortage=shortage)
    begin = play.conductor._begin

    def begin_two():
        begin()
        full[0] = len(play.ledger.trials) == 2

    play.conductor._begin = begin_two
    play.open().hand_out()
    while play.training:
        play.step(next(iter(play.training)))
        play.hand_out()
    assert [trial.paused for trial in play.ledger.trials.values()] == [True, True]
    full[0] = False
    play.conductor._begin = begin
    play.hand_out()
    assert len(play.ledger.trials) == 4


def test_a_last_cohort_may_be_smaller_and_more_trials_complete_it(tmp_path):
    Play(make_search(6, SYNC), tmp_path).run()
    more = Play(make_search(9, SYNC), tmp_path)
    ledger = more.run()
    assert len(ledger.trials) == 9
    assert not ledger.in_state(TrialState.RUNNING)
    assert min(more.order) == 6


# The median


def test_the_median_rule_stops_the_worse_half(tmp_path):
    rules = {"rule": "median", "rungs": [0.34], "grace": 3}
    study = make_study(early_stop=rules, arms=arms_at(1.0, 2.0, 3.0), search={"trials": 6})
    ledger = Play(study, tmp_path).run()
    for trial in list(ledger.trials.values())[3:]:
        before = sorted(ledger.trials[number].rungs[0].value for number in range(trial.number))
        half = len(before) // 2
        middle = before[half] if len(before) % 2 else (before[half - 1] + before[half]) / 2
        is_worse = trial.rungs[0].value > middle
        assert trial.rungs[0].decision == ("stop" if is_worse else "continue")
    assert ledger.in_state(TrialState.PRUNED)
