"""The conductor, with slots and a stage store that run in this process."""

import os
from dataclasses import replace
from functools import partial

import pytest

from sweep.agenda import why_over
from sweep.book import Clock
from sweep.conductor import FINISHED
from sweep.failures import MAX_LOSSES
from sweep.journal import Journal, read_journal
from sweep.ledger import Ledger
from sweep.sampling import SamplerView
from sweep.trials import TrialState
from tests.sweep.engine_fakes import (
    FakeClaims,
    FakeClock,
    FakeStages,
    Killed,
    KillingJournal,
    Play,
    assert_ended_once,
    make_study,
    report_of,
    stages_of,
    summary,
)
from trainables.assignment import Assignment

ASHA = {"rule": "asha", "rungs": [0.34, 0.67], "keep": 0.5, "grace": 2}


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Have folders for more than one study; durability is the journal's own test."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    for name in ("a", "b", "whole"):
        (tmp_path / name).mkdir()


# What runs


def test_arms_run_first_then_exactly_the_points_asked_for(tmp_path):
    ledger = Play(make_study(), tmp_path).run()
    arms = [trial.arm for trial in ledger.trials.values()]
    assert arms == ["published", "no_draft", None, None, None, None]
    assert all(trial.state is TrialState.COMPLETE for trial in ledger.trials.values())
    assert_ended_once(read_journal(tmp_path / "journal.jsonl"))


def test_arms_and_points_run_once_with_every_trial_seed(tmp_path):
    study = make_study(seeds={"trials": [5, 6]}, search={"trials": 2})
    ledger = Play(study, tmp_path, slots=3).run()
    ran = [(trial.arm, trial.seed) for trial in ledger.trials.values()]
    arms = [("published", 5), ("published", 6), ("no_draft", 5), ("no_draft", 6)]
    assert ran == [*arms, (None, 5), (None, 6), (None, 5), (None, 6)]
    assert ledger.trials[4].params == ledger.trials[5].params
    assert ledger.trials[6].params == ledger.trials[7].params != ledger.trials[4].params


def test_a_finished_study_continues_with_more_trials_and_only_with_those(tmp_path):
    first = Play(make_study(), tmp_path).run()
    again = Play(make_study(), tmp_path)
    assert again.run().trials.keys() == first.trials.keys()
    assert again.order == []
    more = Play(make_study(search={"trials": 7}), tmp_path)
    assert len(more.run().trials) == 9
    assert more.order == [6, 7, 8]
    whole = Play(make_study(search={"trials": 7}), tmp_path / "whole")
    assert summary(whole.run()) == summary(more.ledger)


def test_a_trial_records_its_settings_parameters_and_objective(tmp_path):
    ledger = Play(make_study(settings={"final/limit": 50.0}), tmp_path).run()
    published, no_draft = ledger.trials[0], ledger.trials[1]
    assert published.params == {"draft/x": 4.0, "final/y": 2.0, "final/fancy": False}
    assert published.settings == {"final/limit": 50.0, "draft/x": 4.0, "final/y": 2.0}
    assert published.objective == pytest.approx((2 - 1) ** 2 + 1 / 3)
    assert [stage.label for stage in no_draft.stages] == ["final"]
    assert no_draft.params == {"final/y": 3.0, "final/fancy": False}
    assert ledger.trials[2].settings == {"final/limit": 50.0, **ledger.trials[2].params}


def test_nothing_is_asked_for_before_a_slot_is_ready(tmp_path):
    play = Play(make_study(), tmp_path, slots=1).open()
    assert len(play.hand_out()) == 1
    assert play.conductor.next_config() is None
    assert len(play.ledger.trials) == 1


def test_a_study_without_a_space_runs_its_arms_alone(tmp_path):
    ledger = Play(make_study(space=None, search={"trials": 0}), tmp_path).run()
    assert [trial.params for trial in ledger.trials.values()] == [{}, {}]


def test_a_suggestion_that_the_plan_refuses_fails_and_the_study_goes_on(tmp_path):
    study = make_study(arms={}, space="last", plan=["draft", "final"], search={"trials": 2})
    play = Play(study.model_copy(update={"plan": ["draft"]}), tmp_path)
    ledger = play.run()
    assert [trial.state for trial in ledger.trials.values()] == [TrialState.FAIL] * 2
    assert ledger.trials[0].error_class == "code"
    assert "final/y: no phase of the plan has this setting" in ledger.trials[0].message


# Stages


def test_trials_with_a_common_stage_train_it_once_and_another_trial_runs_meanwhile(tmp_path):
    arms = {
        "low": {"settings": {"final/y": 2.0}},
        "high": {"settings": {"final/y": 3.0}},
        "other": {"settings": {"draft/x": 5.0}},
    }
    play = Play(make_study(arms=arms, space=None, search={"trials": 0}), tmp_path, slots=2).open()
    configs = play.hand_out()
    assert [config["trial"] for config in configs] == [0, 2], "trial 1 waits for 0's draft"
    assert play.ledger.trials[1].attempt == 0
    for _ in range(5):  # started, three epochs, finished
        play.step(0)
    play.training.pop(2)
    play.conductor.on_lost(2, 1, "its actor died.")
    assert [config["trial"] for config in play.hand_out()] == [1]
    while 1 in play.training:
        play.step(1)
    assert play.ledger.trials[1].stage("draft").status == "reused"
    assert [epoch.epoch for epoch in play.ledger.trials[1].stage("draft").epochs] == [1, 2, 3]


def test_as_many_points_wait_for_a_common_stage_as_there_are_slots(tmp_path):
    study = make_study(arms={}, space="last", search={"trials": 9})
    play = Play(study, tmp_path, slots=2).open()
    assert [config["trial"] for config in play.hand_out()] == [0]
    assert len(play.ledger.trials) == 3
    assert play.conductor.next_config() is None


def test_sharing_stages_trains_every_epoch_once(tmp_path):
    study = make_study(arms={}, space="last", search={"trials": 5})
    play = Play(study, tmp_path, slots=2)
    ledger = play.run()
    assert play.stages.epochs_trained == 3 + 5 * 3
    assert all(trial.progress == 1.0 for trial in ledger.trials.values())


def test_a_stage_that_another_study_finished_is_reused(tmp_path):
    stages = FakeStages()
    first = Play(make_study(), tmp_path / "a", stages=stages).run()
    trained = stages.epochs_trained
    second = Play(make_study(), tmp_path / "b", stages=stages).run()
    assert stages.epochs_trained == trained
    assert [t.objective for t in second.trials.values()] == [
        t.objective for t in first.trials.values()
    ]


# Reports


def test_repeated_and_late_reports_change_nothing(tmp_path):
    calm = Play(make_study(early_stop=ASHA), tmp_path).run()
    play = Play(make_study(early_stop=ASHA), tmp_path / "a").open()
    old = []
    while play.hand_out() or play.training:
        for number, training in list(play.training.items()):
            report = next(training)
            stop = play.report(number, report, *old[-3:], report)
            if number in play.conductor._active:
                assert not play.report(number, report)
            else:
                assert play.report(number, report)
            old.append(report)
            if stop:
                del play.training[number]
    assert summary(play.ledger) == summary(calm)
    assert_ended_once(play.records)
    assert play.conductor.dropped > len(old)


def test_reports_that_come_together_give_the_same_study(tmp_path):
    calm = Play(make_study(), tmp_path).run()
    play = Play(make_study(), tmp_path / "a").open()
    while configs := play.hand_out():
        for config in configs:
            assert play.report(config["trial"], *play.training.pop(config["trial"]))
    assert summary(play.ledger) == summary(calm)


def test_epochs_whose_reports_were_lost_are_taken_from_the_finished_stage(tmp_path):
    play = Play(make_study(), tmp_path).open()
    play.hand_out()
    reports = list(play.training[0])
    arrived = [r for r in reports if r["event"] != "epoch" or r["epoch"] == 2]
    assert play.report(0, *arrived)
    trial = play.ledger.trials[0]
    assert trial.state is TrialState.COMPLETE
    assert [epoch.epoch for epoch in trial.stages[-1].epochs] == [1, 2, 3]
    assert trial.objective == pytest.approx(1 + 1 / 3)


def test_f8_a_trial_that_diverges_fails_and_says_so(tmp_path):
    play = Play(make_study(settings={"final/limit": 1.5}), tmp_path)
    trial = play.run().trials[0]
    assert (trial.state, trial.error_class) == (TrialState.FAIL, "diverged")
    assert trial.objective is None
    assert play.slots.withdrawn == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_that_is_no_number_is_diverged_and_never_written(tmp_path, value):
    play = Play(make_study(), tmp_path).open()
    (config,) = play.hand_out()
    assignment = Assignment.from_json(config["assignments"][0])
    reports = [
        report_of(assignment, 0, event="started", epoch=0),
        report_of(assignment, 1, event="epoch", epoch=1, metrics={"val/proxy": value}),
    ]
    assert play.report(0, *reports)
    trial = play.ledger.trials[0]
    assert (trial.state, trial.error_class) == (TrialState.FAIL, "diverged")
    assert trial.message == f"draft/val/proxy was {value} after epoch 1."
    assert trial.stages[0].epochs == []
    assert play.slots.withdrawn == [("slot-0", 0)]
    assert list(play.slots.free) == ["slot-0"]


@pytest.mark.parametrize("error_class", ["code", "data", "out_of_memory"])
def test_a_failure_is_a_result_and_the_study_goes_on(tmp_path, error_class):
    play = Play(make_study(), tmp_path).open()
    (config,) = play.hand_out()
    assignment = Assignment.from_json(config["assignments"][0])
    failure = {"event": "failed", "epoch": 0, "error_class": error_class, "message": "no"}
    assert play.report(0, report_of(assignment, 0, **failure))
    assert play.ledger.trials[0].error_class == error_class
    assert [config["trial"] for config in play.hand_out()] == [1]


def test_f9_a_trial_out_of_memory_is_tried_once_more_with_less_of_it(tmp_path):
    whole = Play(make_study(), tmp_path / "whole").run()
    study = make_study(settings={"final/room": 2})
    play = Play(study, tmp_path)
    ledger = play.run()
    trial = ledger.trials[0]
    assert (trial.state, trial.attempt) == (TrialState.COMPLETE, 2)
    assert trial.lighter == {"final/batch": 2}
    assert trial.settings["final/batch"] == 2
    assert [stage.status for stage in trial.stages] == ["done", "done"], "the first is kept"
    assert trial.objective == whole.trials[0].objective
    assert any("tried once more with final/batch = 2" in note["message"] for note in ledger.notes)
    assert {trial.state for trial in ledger.trials.values()} == {TrialState.COMPLETE}
    assert [trial.params for trial in ledger.trials.values()] == [
        trial.params for trial in whole.trials.values()
    ]


def test_f9_the_sampler_sees_a_lighter_trial_before_it_is_handed_out_again(tmp_path, monkeypatch):
    take_in, told = SamplerView.take_in, []

    def noting(view, trial):
        told.append((trial.number, trial.attempt, dict(trial.lighter)))
        take_in(view, trial)

    monkeypatch.setattr(SamplerView, "take_in", noting)
    Play(make_study(settings={"final/room": 2}), tmp_path).run()
    assert (0, 1, {"final/batch": 2}) in told


@pytest.mark.parametrize(("batch", "room", "attempts"), [(4, 1, 2), (1, 0, 1)])
def test_a_trial_that_is_still_out_of_memory_fails(tmp_path, batch, room, attempts):
    study = make_study(settings={"final/batch": batch, "final/room": room}, search={"trials": 1})
    for trial in Play(study, tmp_path).run().trials.values():
        assert (trial.state, trial.error_class) == (TrialState.FAIL, "out_of_memory")
        assert trial.attempt == attempts


def test_a_last_phase_without_the_objective_is_a_failure(tmp_path):
    study = make_study(
        objective={"metric": "final/val/other", "direction": "minimize"}, search={"trials": 0}
    )
    trial = Play(study, tmp_path).run().trials[0]
    assert trial.state is TrialState.FAIL
    assert "did not report final/val/other" in trial.message


# Losses


def test_a_trial_that_loses_its_actor_goes_on_where_it_was(tmp_path):
    play = Play(make_study(), tmp_path).open()
    play.hand_out()
    for _ in range(3):
        play.step(0)
    play.conductor.on_lost(0, 1, "its actor died.")
    (config,) = play.hand_out()
    assert (config["trial"], config["attempt"]) == (0, 2)
    assert next(play.training[0])["epoch"] == 2, "it resumes after the second epoch"
    assert play.slots.withdrawn == [("slot-0", 0)]
    assert play.ledger.notes[-1]["message"] == "trial 0, attempt 1: its actor died."


def test_news_of_an_earlier_attempts_loss_change_nothing(tmp_path):
    play = Play(make_study(), tmp_path).open()
    play.hand_out()
    play.conductor.on_lost(0, 1, "its actor died.")
    play.hand_out()
    play.conductor.on_lost(0, 1, "its actor died.")
    assert play.ledger.trials[0].attempt == 2
    assert play.conductor.next_config() is None


def test_f20_a_trial_that_always_loses_its_worker_is_given_up(tmp_path):
    play = Play(make_study(), tmp_path).open()
    for attempt in range(1, MAX_LOSSES + 1):
        (config,) = play.hand_out()
        assert (config["trial"], config["attempt"]) == (0, attempt)
        assignment = Assignment.from_json(config["assignments"][0])
        failure = {"error_class": "worker_lost", "message": "signal 9", "event": "failed"}
        assert play.report(0, report_of(assignment, 0, epoch=0, **failure))
    trial = play.ledger.trials[0]
    assert (trial.state, trial.error_class) == (TrialState.FAIL, "worker_lost")
    assert [config["trial"] for config in play.hand_out()] == [1]


def test_losses_of_one_attempt_are_counted_once(tmp_path):
    play = Play(make_study(), tmp_path).open()
    for attempt in range(1, MAX_LOSSES):
        (config,) = play.hand_out()
        assignment = Assignment.from_json(config["assignments"][0])
        failure = {"error_class": "worker_lost", "message": "signal 9", "event": "failed"}
        assert play.report(0, report_of(assignment, 0, epoch=0, **failure))
        play.conductor.on_lost(0, attempt, "its Tune actor, or its slot, was lost.")
    assert len([note for note in play.ledger.notes if note.get("trial") == 0]) == MAX_LOSSES - 1
    assert play.ledger.trials[0].state is TrialState.RUNNING


def test_a_late_sender_of_an_earlier_attempt_is_stopped_and_the_trial_runs_on(tmp_path):
    play = Play(make_study(), tmp_path).open()
    play.hand_out()
    late = next(play.training[0])
    play.conductor.on_lost(0, 1, "its actor died.")
    play.hand_out()
    assert play.conductor.on_reports(0, 1, [late])
    assert play.conductor.on_reports(0, 1, [])
    assert play.conductor.dropped == 1
    assert not play.report(0, next(play.training[0]))
    while 0 in play.training:
        play.step(0)
    assert play.ledger.trials[0].state is TrialState.COMPLETE


def test_a_trial_whose_parent_stage_was_lost_trains_it_anew(tmp_path):
    arms = {"low": {"settings": {"final/y": 2.0}}, "high": {"settings": {"final/y": 3.0}}}
    study = make_study(arms=arms, space=None, search={"trials": 0})
    play = Play(study, tmp_path).open()
    play.hand_out()
    while 0 in play.training:
        play.step(0)
    (config,) = play.hand_out()
    draft, final = map(Assignment.from_json, config["assignments"])
    play.step(1)
    play.stages.committed.pop(draft.stage.key)  # it was found corrupt and set aside
    play.stages.saved.pop(draft.stage.key)
    failure = {"error_class": "stage_lost", "message": "draft is corrupt", "event": "failed"}
    assert play.report(1, report_of(final, 0, epoch=0, **failure))
    trained = play.stages.epochs_trained
    (config,) = play.hand_out()
    assert (config["trial"], config["attempt"]) == (1, 2)
    while 1 in play.training:
        play.step(1)
    assert play.stages.epochs_trained == trained + 6, "both stages are trained"
    assert play.ledger.trials[1].state is TrialState.COMPLETE
    assert play.ledger.notes[-1]["error_class"] == "stage_lost"


def test_a_finished_stage_whose_epochs_cannot_be_read_is_trained_again(tmp_path):
    arms = {"low": {"settings": {"final/y": 2.0}}, "high": {"settings": {"final/y": 3.0}}}
    play = Play(make_study(arms=arms, space=None, search={"trials": 0}), tmp_path).open()
    play.hand_out()
    while 0 in play.training:
        play.step(0)
    (config,) = play.hand_out()
    draft, final = map(Assignment.from_json, config["assignments"])
    play.stages.damaged.add(draft.stage.key)
    play.stages.saved.pop(draft.stage.key)
    trained = play.stages.epochs_trained
    while 1 in play.training:
        play.step(1)
    (config,) = play.hand_out()
    assert (config["trial"], config["attempt"]) == (1, 2)
    while 1 in play.training:
        play.step(1)
    trial = play.ledger.trials[1]
    assert trial.state is TrialState.COMPLETE
    assert play.stages.epochs_trained == trained + draft.stage.epochs + final.stage.epochs
    assert play.ledger.notes[-1]["error_class"] == "stage_lost"


def test_a_stage_is_not_handed_out_while_the_slot_that_abandoned_it_is_still_at_it(tmp_path):
    play = Play(make_study(), tmp_path, slots=2).open()
    play.hand_out()
    play.step(0)
    play.slots.holding.add("slot-0")
    play.training.pop(0)
    play.conductor.on_lost(0, 1, "its actor died.")
    assert play.hand_out() == [], "slot-1 is busy, slot-0 has not let go"
    while 1 in play.training:
        play.step(1)
    assert [config["trial"] for config in play.hand_out()] == [2], "trial 0 waits for its stage"
    play.slots.holding.clear()
    assert [config["trial"] for config in play.hand_out()] == [0]


def test_drivers_that_share_a_store_train_every_stage_once(tmp_path):
    stages, held = FakeStages(), {}
    study = make_study(arms={}, search={"trials": 4, "sampler": "random"})
    plays = [
        Play(study, tmp_path / name, stages=stages, claims=FakeClaims(name, held)).open()
        for name in ("a", "b")
    ]

    def are_busy():
        for play in plays:
            play.hand_out()
        return any(play.training for play in plays)

    while are_busy():
        training = [number for play in plays for number in play.training]
        assert len(training) == len(set(training)), "both search the same points"
        for play in plays:
            for number in list(play.training):
                play.step(number)
    for play in plays:
        assert len(play.ledger.in_state(TrialState.COMPLETE)) == 4
    assert stages.epochs_trained == 4 * 6
    assert held == {}


def test_no_slot_is_kept_or_started_while_another_driver_trains_what_is_needed(tmp_path):
    held = {}
    arms = {"only": {"settings": {"final/y": 2.0}}}
    study = make_study(arms=arms, space=None, search={"trials": 0})
    play = Play(study, tmp_path / "a", claims=FakeClaims("me", held)).open()
    other = Play(study, tmp_path / "b", stages=play.stages, claims=FakeClaims("you", held))
    other.open().hand_out()
    assert play.hand_out() == []  # it begins its trial, and finds the stage claimed
    lend = play.slots.lend
    play.slots.lend = None
    assert play.hand_out() == []
    play.slots.lend = lend
    while 0 in other.training:
        other.step(0)
    assert [config["trial"] for config in play.hand_out()] == [0]


def test_what_slots_tell_becomes_a_note(tmp_path):
    play = Play(make_study(), tmp_path).open()
    play.slots.news = ["slot 1: its worker was replaced."]
    play.hand_out()
    assert play.ledger.notes[-1]["message"] == "slot 1: its worker was replaced."


# Poison


def test_f20_a_point_that_failed_for_good_is_not_trained_again(tmp_path, monkeypatch):
    study = make_study(
        arms={"same": {"settings": {"final/y": 9.0}}},
        space="last",
        search={"trials": 3, "sampler": "random"},
        settings={"final/limit": 8.0},
    )
    play = Play(study, tmp_path)
    points = [9.0, 2.0, 9.0]
    ask = SamplerView.ask

    def ask_for(view, number, **fixed):
        suggestion = ask(view, number, **fixed)
        return replace(suggestion, params={"final/y": points[number - 1]})

    monkeypatch.setattr(SamplerView, "ask", ask_for)
    trials = play.run().trials
    assert play.order == [0, 2], "the first arm fails; points like it are not handed out"
    assert [trial.state.name for trial in trials.values()] == ["FAIL", "FAIL", "COMPLETE", "FAIL"]
    for number in (1, 3):
        assert trials[number].error_class == "diverged"
        assert "what trial 0 failed with" in trials[number].message
        assert trials[number].attempt == 0
    assert_ended_once(play.records)


# Early stopping


def test_a_weak_trial_is_pruned_at_a_rung_and_its_slot_is_free(tmp_path):
    ledger = Play(make_study(early_stop=ASHA, search={"trials": 8}), tmp_path).run()
    pruned = ledger.in_state(TrialState.PRUNED)
    assert pruned
    for trial in pruned:
        assert trial.arm is None
        assert trial.rungs[-1].decision == "stop"
        assert trial.objective is None
        assert 0 < trial.progress < 1
        assert "stopped after epoch" in trial.message
    best = min(ledger.in_state(TrialState.COMPLETE), key=lambda trial: trial.objective)
    assert best.objective == min(
        trial.objective for trial in ledger.trials.values() if trial.objective is not None
    )


def test_workers_wait_at_rungs_but_never_for_an_arm(tmp_path):
    play = Play(make_study(early_stop={**ASHA, "proxy": True}), tmp_path, slots=3).open()
    waits = [
        [data["decision_epochs"] for data in config["assignments"]] for config in play.hand_out()
    ]
    assert waits == [[(), ()], [()], [(1, 2), (1, 2)]]


def test_arms_are_compared_with_but_not_stopped(tmp_path):
    arms = {
        name: {"settings": {"final/y": y}}
        for name, y in zip("abcd", (1.0, 1.1, 1.2, 9.0), strict=True)
    }
    study = make_study(early_stop=ASHA, arms=arms, search={"trials": 1})
    ledger = Play(study, tmp_path).run()
    assert [ledger.trials[i].state for i in range(4)] == [TrialState.COMPLETE] * 4
    assert {rung.decision for rung in ledger.trials[3].rungs} == {"continue"}
    assert ledger.trials[4].state is TrialState.PRUNED


def test_a_proxy_stops_trials_only_where_the_study_says_so(tmp_path):
    arms = {
        name: {"settings": {"draft/x": x}} for name, x in zip("abc", (3.0, 3.1, 3.2), strict=True)
    }
    changes = {"arms": arms, "search": {"trials": 2}, "objective": {"metric": "final/val/error"}}
    for proxy, folder in ((False, "a"), (True, "whole")):
        study = make_study(early_stop={**ASHA, "proxy": proxy}, **changes)
        ledger = Play(study, tmp_path / folder).run()
        stopped_at = {trial.rungs[-1].label for trial in ledger.in_state(TrialState.PRUNED)}
        assert stopped_at == ({"draft"} if proxy else {"final"})


def test_a_proxy_that_says_nothing_about_the_objective_switches_itself_off(tmp_path):
    opposed = {f"a{i}": {"settings": {"draft/x": 3.0 + i, "final/y": 9.0 - i}} for i in range(8)}
    study = make_study(early_stop={**ASHA, "proxy": True}, arms=opposed, search={"trials": 4})
    ledger = Play(study, tmp_path).run()
    assert all(trial.rungs[-1].label == "final" for trial in ledger.in_state(TrialState.PRUNED))
    (note,) = [note for note in ledger.notes if "proxy_off" in note]
    assert "rank correlation with the objective is -1.00, below" in note["message"]


# Budgets


def test_a_target_reached_ends_the_search_and_is_reported(tmp_path):
    ledger = Play(make_study(budget={"target": 1.4}), tmp_path).run()
    assert len(ledger.trials) == 1
    assert ledger.notes[-1]["message"].startswith("budget/target: trial 0 reached 1.33")


def test_f13_hours_are_counted_by_a_clock_that_never_jumps_over_all_sessions(tmp_path):
    wall, steady = FakeClock(), FakeClock()
    clock = Clock(wall=wall, monotonic=steady)
    play = Play(make_study(budget={"wall_h": 2.0}), tmp_path, clock=clock).open()
    play.hand_out()
    wall.now_s += 10 * 3600
    while 0 in play.training:
        play.step(0)
    assert play.hand_out(), "the wall clock's jump ends nothing"
    steady.now_s += 1.5 * 3600
    play.conductor.interrupt()
    play.conductor.close()
    play.journal.close()
    wall.now_s -= 5 * 3600
    again = Play(make_study(budget={"wall_h": 2.0}), tmp_path, stages=play.stages, clock=clock)
    steady.now_s += 3600  # opening it took an hour
    ledger = again.run()
    assert len(ledger.trials) == 2, "the unfinished trial ends, no new one begins"
    assert ledger.notes[-1]["message"].startswith("budget/wall_h: 2 h")


def test_a_larger_budget_continues_a_study_that_had_used_its_own_up(tmp_path):
    Play(make_study(budget={"target": 1.4}), tmp_path).run()
    assert len(Play(make_study(), tmp_path).run().trials) == 6


def test_why_a_study_ended_is_known_and_changes_when_it_goes_on(tmp_path):
    def why(study, ledger):
        return why_over(study, ledger, elapsed_s=ledger.elapsed_s)

    study = make_study(budget={"target": 1.4})
    play = Play(study, tmp_path).open()
    assert why(study, play.ledger) is None
    play.hand_out()
    assert why(study, play.ledger) is None
    play.conductor.close()
    play.journal.close()
    ledger = Play(study, tmp_path, stages=play.stages).run()
    assert why(study, ledger) == "budget/target: trial 0 reached 1.33333 (target 1.4)"
    ledger = Play(make_study(), tmp_path, stages=play.stages).run()
    assert why(make_study(), ledger) == "all that was asked for has run (6 trials)"
    assert why(make_study(search={"trials": 5}), ledger) is None


# Ending and going on


def test_an_interrupted_study_leaves_its_trials_open_and_continues_them(tmp_path):
    whole = Play(make_study(), tmp_path / "whole").run()
    play = Play(make_study(), tmp_path).open()
    play.hand_out()
    play.step(0)
    play.step(0)
    play.conductor.interrupt()
    assert play.conductor.next_config() == FINISHED
    assert play.report(0, next(play.training[0]))
    play.conductor.close()
    play.journal.close()
    assert play.slots.withdrawn == [("slot-0", 0)]
    interrupted = Ledger(read_journal(tmp_path / "journal.jsonl"))
    assert interrupted.sessions[-1]["event"] == "interrupted"
    assert interrupted.trials[0].state is TrialState.RUNNING
    assert len(interrupted.trials[0].stages[0].epochs) == 2
    again = Play(make_study(), tmp_path, stages=play.stages)
    assert summary(again.run()) == summary(whole)
    assert again.ledger.trials[0].attempt == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "room", "written"),
    [
        (ASHA, 4, True),
        (ASHA, 2, False),
        ({**ASHA, "promote": True}, 2, True),
        ({**ASHA, "rule": "sync", "cohort": 3}, 4, True),
    ],
    ids=["asha_after", "asha_before", "promote_after", "sync_after"],
)
def test_f2_killed_at_any_record_the_study_ends_as_if_it_had_not_been(
    tmp_path, rules, room, written
):
    settings = {"final/limit": 8.0, "final/room": room}
    study = make_study(early_stop=rules, search={"trials": 5}, settings=settings)
    whole = Play(study, tmp_path / "whole").run()
    assert {trial.state for trial in whole.trials.values()} == {
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
    }
    kill_at = 0
    while True:
        path = tmp_path / f"killed-{kill_at}.jsonl"
        stages = FakeStages()
        dying = KillingJournal(path, kill_at=kill_at, written=written)
        try:
            Play(study, tmp_path, stages=stages, journal=dying).run()
        except Killed:
            dying.close()
        else:
            break
        again = Play(study, tmp_path, stages=stages, journal=Journal(path))
        assert summary(again.run()) == summary(whole), kill_at
        assert_ended_once(read_journal(path))
        kill_at += 1
    assert kill_at > 40


def test_killed_again_and_again_with_two_slots_every_trial_ends_once(tmp_path):
    study = make_study(early_stop=ASHA, search={"trials": 6})
    stages, path, deaths = FakeStages(), tmp_path / "journal.jsonl", 0
    while True:
        journal = KillingJournal(path, kill_at=7)
        try:
            ledger = Play(study, tmp_path, stages=stages, slots=2, journal=journal).run()
        except Killed:
            journal.close()
            deaths += 1
        else:
            break
    assert deaths > 5
    assert len(ledger.trials) == 8
    assert_ended_once(read_journal(path))


def test_f17_a_trial_never_mixes_two_versions_of_the_code(tmp_path):
    play = Play(make_study(), tmp_path).open()
    play.hand_out()
    for _ in range(3):
        play.step(0)
    play.journal.close()
    plan = partial(stages_of, code="v2")
    again = Play(make_study(), tmp_path, stages=play.stages, plan=plan).open()
    trial = again.ledger.trials[0]
    assert trial.stages[0].epochs == []
    assert "trial 0 starts again from nothing" in again.ledger.notes[-1]["message"]
    again.hand_out()
    while 0 in again.training:
        again.step(0)
    assert again.ledger.trials[0].state is TrialState.COMPLETE
