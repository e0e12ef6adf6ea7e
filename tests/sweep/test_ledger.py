"""What the ledger makes of records."""

import pytest

from sweep.ledger import Ledger
from sweep.trials import TrialState

STAGES = [
    {"label": "draft", "key": "d", "phase": "draft", "epochs": 4, "config": {}, "seed": 1},
    {"label": "final", "key": "f", "phase": "final", "epochs": 6, "config": {}, "seed": 2},
]


class Story:
    """Applies records at stated times."""

    def __init__(self):
        self.ledger = Ledger()
        self.tell(0, "session", event="opened", host="lab", pid=1)
        self.tell(
            0,
            "trial",
            number=0,
            arm=None,
            seed=0,
            params={},
            distributions={},
            settings={},
            stages=STAGES,
        )

    def tell(self, time_s, kind, **values):
        self.ledger.apply({"kind": kind, "time_s": float(time_s), **values})

    def stage(self, time_s, label, status, resumed_from=0):
        self.tell(time_s, "stage", trial=0, label=label, status=status, resumed_from=resumed_from)

    def epoch(self, time_s, label, epoch, value=1.0):
        self.tell(time_s, "epoch", trial=0, label=label, epoch=epoch, metrics={"val/x": value})

    def end(self, time_s, state, **values):
        end = {"objective": None, "error_class": None, "message": None, **values}
        self.tell(time_s, "end", trial=0, state=state, **end)

    @property
    def trial(self):
        return self.ledger.trials[0]


def test_progress_is_the_share_of_the_plans_epochs():
    story = Story()
    assert story.trial.progress == 0.0
    story.stage(1, "draft", "running")
    story.epoch(2, "draft", 1)
    assert story.trial.progress == pytest.approx(1 / 10)
    story.stage(3, "draft", "done")
    assert story.trial.progress == pytest.approx(4 / 10)


def test_an_epoch_counts_once_and_in_its_place():
    story = Story()
    story.stage(1, "draft", "running")
    story.epoch(2, "draft", 1, value=1.0)
    story.epoch(3, "draft", 3, value=3.0)
    story.epoch(4, "draft", 1, value=9.0)
    story.epoch(5, "draft", 2, value=2.0)
    epochs = story.trial.stage("draft").epochs
    assert [(epoch.epoch, epoch.metrics["val/x"]) for epoch in epochs] == [(1, 1), (2, 2), (3, 3)]


def test_duration_leaves_out_the_time_between_a_crash_and_the_next_attempt():
    story = Story()
    story.stage(10, "draft", "running")
    story.epoch(15, "draft", 1)
    story.stage(1000, "draft", "running", resumed_from=1)
    story.stage(1020, "draft", "done")
    assert story.trial.duration_s == pytest.approx(5 + 20)


def test_a_reused_stage_costs_no_time():
    story = Story()
    story.stage(10, "draft", "reused")
    story.stage(10, "final", "running")
    story.stage(40, "final", "done")
    assert story.trial.duration_s == pytest.approx(30)
    assert story.trial.progress == 1.0


def test_a_trial_that_ends_early_ends_its_stage_at_its_last_epoch():
    story = Story()
    story.stage(10, "draft", "running")
    story.epoch(15, "draft", 1)
    story.end(500, "PRUNED")
    assert story.trial.state is TrialState.PRUNED
    assert story.trial.duration_s == pytest.approx(5)


def test_a_restaged_trial_has_nothing_of_what_it_did_before():
    story = Story()
    story.stage(1, "draft", "done")
    story.tell(2, "rung", trial=0, label="final", rung=2, epoch=1, value=1.0, decision="continue")
    story.tell(3, "restage", trial=0, stages=[{**STAGES[1], "key": "new"}])
    assert [stage.key for stage in story.trial.stages] == ["new"]
    assert (story.trial.rungs, story.trial.progress) == ([], 0.0)


def test_a_restaged_trial_may_have_other_settings():
    story = Story()
    story.tell(1, "restage", trial=0, stages=STAGES)
    assert story.trial.settings == {}
    changed = {"draft/accumulate": 2}
    story.tell(2, "restage", trial=0, stages=STAGES, settings=changed, reason="out of memory")
    assert story.trial.settings == changed


def pause_at(story, rung, decision="pause"):
    values = {"label": "final", "rung": rung, "epoch": rung, "value": 1.0, "decision": decision}
    story.tell(rung, "rung", trial=0, **values)


def test_a_trial_is_paused_from_a_rung_until_it_is_promoted_or_ends():
    story = Story()
    assert not story.trial.paused
    pause_at(story, 2, "continue")
    assert not story.trial.paused
    pause_at(story, 3)
    assert story.trial.paused
    story.tell(4, "promote", trial=0, rung=3)
    assert not story.trial.paused
    assert [rung.promoted for rung in story.trial.rungs] == [False, True]
    pause_at(story, 4)
    assert story.trial.paused
    story.end(5, "PRUNED")
    assert not story.trial.paused


def test_a_trial_keeps_what_it_did_in_stages_that_a_change_left_alone():
    story = Story()
    story.epoch(1, "draft", 1)
    story.epoch(2, "final", 1)
    pause_at(story, 3)
    kept, changed = STAGES[0], {**STAGES[1], "key": "other"}
    story.tell(4, "restage", trial=0, stages=[kept, changed], lighter={"final/batch": 2})
    assert [len(stage.epochs) for stage in story.trial.stages] == [1, 0]
    assert story.trial.lighter == {"final/batch": 2}
    assert story.trial.rungs == []


def test_a_paused_trial_that_starts_again_from_nothing_is_paused_no_more():
    story = Story()
    pause_at(story, 3)
    others = [{**stage, "key": f"{stage['key']}2"} for stage in STAGES]
    story.tell(4, "restage", trial=0, stages=others)
    assert not story.trial.paused


def test_the_time_between_pause_and_promotion_is_not_the_trials():
    story = Story()
    story.stage(10, "draft", "running")
    story.epoch(15, "draft", 1)
    pause_at(story, 0)
    story.tell(500, "promote", trial=0, rung=0)
    story.stage(510, "draft", "running", resumed_from=1)
    story.stage(513, "draft", "done")
    assert story.trial.duration_s == pytest.approx(5 + 3)


def test_elapsed_time_adds_up_sessions_and_leaves_out_the_time_between():
    story = Story()
    story.stage(100, "draft", "running")  # then the driver was killed
    assert story.ledger.elapsed_s == 100
    story.tell(5000, "session", event="opened", host="lab", pid=2)
    story.stage(5040, "draft", "running")
    story.tell(5050, "session", event="interrupted", host="lab", pid=2, elapsed_s=45.0)
    story.tell(9000, "session", event="opened", host="lab", pid=3)
    assert story.ledger.elapsed_s == 100 + 45


def test_a_session_that_begins_with_a_changed_study_does_not_count_the_days_before_it():
    story = Story()
    story.tell(100, "session", event="closed", host="lab", pid=1, elapsed_s=100.0)
    story.tell(90_000, "study", study={}, lineage={})
    assert story.ledger.elapsed_s == 100
    story.tell(90_000, "session", event="opened", host="lab", pid=2)
    story.stage(90_020, "draft", "running")
    assert story.ledger.elapsed_s == 120


def test_what_is_trained_so_far_counts_while_a_trial_runs_or_is_paused():
    story = Story()
    story.stage(10, "draft", "running")
    assert story.trial.duration_s == 0
    story.epoch(15, "draft", 1)
    assert story.trial.duration_s == 5
    pause_at(story, 0)
    assert story.trial.duration_s == 5


def test_what_was_spent_on_stages_that_were_replaced_stays_spent():
    story = Story()
    story.stage(10, "draft", "running")
    story.epoch(15, "draft", 1)
    story.tell(20, "restage", trial=0, stages=[{**stage, "key": "new"} for stage in STAGES])
    assert story.trial.duration_s == 5
    story.stage(30, "draft", "running")
    story.stage(32, "draft", "done")
    assert story.trial.duration_s == 5 + 2


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown kind 'rumour'"):
        Ledger([{"kind": "rumour", "time_s": 0.0}])


def test_what_it_keeps_count_of_is_what_its_trials_say_after_every_record(searched_records):
    ledger = Ledger()
    for record in searched_records:
        ledger.apply(record)
        everything = ledger.everything()
        arms = [(trial.arm, trial.seed) for trial in ledger.trials.values() if trial.arm]
        assert ledger.running() == [t for t in everything if t.state is TrialState.RUNNING]
        assert ledger.searched() == [t for t in ledger.trials.values() if t.arm is None]
        taken_s = sum(trial.duration_s for trial in everything)
        assert ledger.spent.slot_s == pytest.approx(taken_s)
        assert sum(ledger.num_begun(arm) for arm, _ in set(arms)) == len(arms)
        assert all(ledger.has_begun(arm, seed) for arm, seed in arms)
    assert ledger.in_state(TrialState.COMPLETE)
    assert not ledger.has_begun("never", 0)
