"""The slot's bookkeeping, event by event."""

from collections.abc import Mapping
from typing import Any

import pytest

from trainables.assignment import Assignment, Directive, Event, Stage
from trainables.mailbox import MAX_GROUPS_LOST, Mailbox, SlotPhase
from trainables.worker_group import HANG_S, Leave, Member, Order

CONTINUE, WAIT, ABANDON = Directive.CONTINUE, Directive.WAIT, Directive.ABANDON


class Clock:
    def __init__(self) -> None:
        self.time_s = 0.0

    def __call__(self) -> float:
        return self.time_s


def assignment(trial: int = 0, *, epochs: int = 3, decisions: tuple[int, ...] = ()) -> Assignment:
    stage = Stage(
        key=f"{trial:064d}",
        label="pretrain",
        phase="count",
        config={},
        parents={},
        data={},
        seed=0,
        epochs=epochs,
    )
    return Assignment(trial=trial, attempt=1, stage=stage, decision_epochs=decisions)


def mailbox(world_size: int = 1, clock: Clock | None = None) -> Mailbox:
    box = Mailbox(world_size=world_size, watchdog_s=1000.0, now=clock or Clock())
    new_group(box, "g1", run="run")
    return box


def new_group(box: Mailbox, group: str, *, run: str | None = None) -> None:
    if run is not None:
        box.run_started(run)
    for rank in range(box.world_size):
        assert box.join("run", group, Member(rank=rank, pid=100 + rank, node_id="n"))


def taken(box: Mailbox, group: str = "g1", number: int = 0) -> Assignment:
    """Let every rank ask, then return what rank 0 gets."""
    for rank in range(box.world_size):
        box.take(group, rank, number)
    order = box.take(group, 0, number)
    assert isinstance(order, Order)
    return order.assignment


def seen(box: Mailbox, job: Assignment, *, after_seq: int = -1) -> list[tuple[int, str, int]]:
    return [(r.seq, r.event, r.epoch) for r in box.events(job.id, after_seq=after_seq).reports]


def total(epoch: int) -> Mapping[str, float]:
    return {"val/total": float(epoch)}


def test_an_assignment_goes_from_posting_to_its_acknowledged_end():
    box, job = mailbox(), assignment(epochs=1)
    box.take("g1", 0, 0)
    assert box.phase is SlotPhase.IDLE
    box.post(job)
    assert taken(box) == job
    assert box.phase is SlotPhase.BUSY
    assert box.begin("g1", 0, 0, epoch=0) is CONTINUE
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is CONTINUE
    box.finish("g1", 0, 0, history=[(1, total(1))])
    assert seen(box, job) == [
        (0, Event.STARTED, 0),
        (1, Event.EPOCH, 1),
        (2, Event.FINISHED, 1),
    ]
    box.acknowledge_end(job.id)
    box.take("g1", 0, 1)
    assert box.phase is SlotPhase.IDLE
    assert box.events(job.id, after_seq=2).is_unknown


def test_reports_are_kept_until_they_are_asked_past():
    box, job = mailbox(), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.report("g1", 0, 0, news=[(1, total(1))])
    assert seen(box, job) == seen(box, job)
    assert seen(box, job, after_seq=0) == [(1, Event.EPOCH, 1)]
    assert seen(box, job, after_seq=1) == []


def test_posting_the_same_assignment_twice_changes_nothing():
    box, job = mailbox(), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.post(job)
    assert seen(box, job) == [(0, Event.STARTED, 0)]


def test_a_worker_waits_at_a_decision_epoch_until_the_report_was_asked_past():
    box, job = mailbox(), assignment(decisions=(1,))
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is WAIT
    box.events(job.id, after_seq=0)
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is WAIT
    box.events(job.id, after_seq=1)
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is CONTINUE
    assert box.report("g1", 0, 0, news=[(2, total(2))]) is CONTINUE
    assert [epoch for _, event, epoch in seen(box, job) if event is Event.EPOCH] == [2]


def test_a_worker_runs_on_between_decision_epochs_unasked():
    box, job = mailbox(), assignment(epochs=5, decisions=(4,))
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    answers = [box.report("g1", 0, 0, news=[(e, total(e))]) for e in (1, 2, 3, 4)]
    assert answers == [CONTINUE, CONTINUE, CONTINUE, WAIT]


def test_a_resumed_worker_still_waits_at_a_decision_epoch_nobody_granted():
    box, job = mailbox(), assignment(decisions=(2,))
    box.post(job)
    taken(box)
    history = [(1, total(1)), (2, total(2))]
    assert box.begin("g1", 0, 0, epoch=2, history=history) is WAIT
    assert seen(box, job) == [(0, Event.STARTED, 2), (1, Event.EPOCH, 1), (2, Event.EPOCH, 2)]
    box.events(job.id, after_seq=2)
    assert box.begin("g1", 0, 0, epoch=2, history=history) is CONTINUE


def test_a_withdrawn_assignment_is_abandoned_and_its_late_report_dropped():
    box, first, second = mailbox(), assignment(1), assignment(2)
    box.post(first)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.withdraw(trial=1)
    box.post(second)
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is ABANDON
    assert seen(box, second) == []
    assert box.dropped == 1
    answer = box.events(first.id, after_seq=0)
    assert (answer.known, answer.withdrawn) == (False, True)
    assert taken(box, number=1) == second


def test_withdrawing_names_one_trial_and_spares_the_others():
    box, job = mailbox(), assignment(5)
    box.post(job)
    box.withdraw(trial=4)
    box.withdraw("0.1.pretrain.000000000000")
    assert taken(box) == job


def test_posting_another_assignment_withdraws_the_one_that_is_held():
    box, first, second = mailbox(), assignment(1), assignment(2)
    box.post(first)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.post(second)
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is ABANDON
    assert taken(box, number=1) == second


def test_a_withdrawn_assignment_may_be_posted_again():
    box, job = mailbox(), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.withdraw(job.id)
    box.post(job)
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is ABANDON
    assert taken(box, number=1) == job
    box.begin("g1", 0, 1, epoch=1, history=[(1, total(1))])
    assert seen(box, job) == [(0, Event.STARTED, 1), (1, Event.EPOCH, 1)]


def test_a_failure_is_a_result():
    box, job = mailbox(), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.fail("g1", 0, 0, error_class="diverged", message="loss is nan", recycle=False)
    last = box.events(job.id, after_seq=0).reports[-1]
    assert (last.event, last.error_class, last.message) == (Event.FAILED, "diverged", "loss is nan")
    assert box.take("g1", 0, 1) is None


def test_a_failure_that_spoils_the_process_sends_the_group_away():
    box, job = mailbox(), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.fail("g1", 0, 0, error_class="out_of_memory", message="", recycle=True)
    assert isinstance(box.take("g1", 0, 1), Leave)
    assert box.phase is SlotPhase.STARTING


def test_a_slot_is_busy_until_every_rank_is_done_though_one_has_failed():
    box = mailbox(world_size=2)
    box.post(assignment())
    taken(box)
    box.fail("g1", 1, 0, error_class="out_of_memory", message="", recycle=True)
    box.take("g1", 1, 1)
    assert box.phase is SlotPhase.BUSY, "rank 0 still trains"
    box.take("g1", 0, 1)
    assert box.phase is SlotPhase.STARTING


def test_a_group_that_grew_too_large_leaves_when_its_assignment_is_over():
    box, job = mailbox(), assignment(epochs=1)
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.recycle("g1", "it held 1536 MiB of memory more than when it was new")
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is CONTINUE
    box.finish("g1", 0, 0, history=[])
    assert box.take("g1", 0, 1) == Leave(renew=True)
    assert "1536 MiB" in box.notes[0]


def test_a_new_group_gets_the_assignment_of_the_lost_one_and_fills_the_gap():
    box, job = mailbox(), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.report("g1", 0, 0, news=[(1, total(1))])
    new_group(box, "g2")
    assert taken(box, "g2") == job
    # Epoch 2 was saved, but the report was lost with the worker.
    assert box.begin("g2", 0, 0, epoch=2, history=[(1, total(1)), (2, total(2))]) is CONTINUE
    assert seen(box, job, after_seq=1) == [(2, Event.STARTED, 2), (3, Event.EPOCH, 2)]
    assert box.notes[0].startswith("a worker group was lost with trial 0")


def test_an_assignment_that_costs_three_groups_fails_as_worker_lost():
    box, job = mailbox(), assignment()
    box.post(job)
    for loss in range(MAX_GROUPS_LOST):
        taken(box, f"g{loss + 1}")
        new_group(box, f"g{loss + 2}")
    assert [r.error_class for r in box.events(job.id, after_seq=-1).reports] == ["worker_lost"]
    assert box.take(f"g{MAX_GROUPS_LOST + 1}", 0, 0) is None


def test_a_group_lost_without_work_costs_no_assignment_anything():
    box, job = mailbox(), assignment()
    box.take("g1", 0, 0)
    new_group(box, "g2")
    box.post(job)
    assert taken(box, "g2") == job
    assert box.notes == []


@pytest.mark.parametrize(
    "call",
    [
        lambda box: box.take("old", 0, 0),
        lambda box: box.begin("old", 0, 0, epoch=0),
        lambda box: box.report("old", 0, 0, news=[(1, {})]),
    ],
)
def test_a_group_that_is_not_the_present_one_is_told_to_stop(call):
    box = mailbox()
    assert call(box) is ABANDON or isinstance(call(box), Leave)


def taken_over():
    """Return a mailbox whose assignment began in one group and was taken by the next."""
    box, job = mailbox(), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    new_group(box, "g2")
    taken(box, "g2")
    return box, job


def test_late_words_of_an_old_group_do_not_reach_the_present_assignment():
    box, job = taken_over()
    box.finish("g1", 0, 0, history=[])
    box.fail("g1", 0, 0, error_class="code", message="", recycle=True)
    assert [event for _, event, _ in seen(box, job)] == [Event.STARTED]
    assert box.dropped == 2


def test_a_worker_of_another_train_run_is_sent_away():
    box = mailbox()
    assert not box.join("other", "g9", Member(rank=0, pid=1, node_id="n"))
    assert box.group_id == "g1"


def test_ranks_start_together_and_an_epoch_counts_when_all_have_reported_it():
    box, job = mailbox(world_size=2), assignment()
    box.post(job)
    assert box.take("g1", 0, 0) is None
    assert box.take("g1", 1, 0) == Order(0, job)
    assert box.take("g1", 0, 0) == Order(0, job)
    assert box.begin("g1", 1, 0, epoch=0) is WAIT
    assert box.begin("g1", 0, 0, epoch=0) is CONTINUE
    assert box.begin("g1", 1, 0, epoch=0) is CONTINUE
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is WAIT
    assert [event for _, event, _ in seen(box, job)] == [Event.STARTED]
    assert box.report("g1", 1, 0, news=[(1, total(99))]) is CONTINUE
    assert box.events(job.id, after_seq=0).reports[0].metrics == total(1)


def test_an_epoch_tells_what_each_rank_used_in_it():
    box, job = mailbox(world_size=2), assignment()
    box.post(job)
    taken(box)
    for rank in (0, 1):
        box.begin("g1", rank, 0, epoch=0)
    for epoch in (1, 2):
        for rank in (1, 0):
            usage = {"cpu": 10.0 * epoch + rank}
            box.report("g1", rank, 0, news=[(epoch, total(epoch))], usage=usage)
    _, first, second = box.events(job.id, after_seq=-1).reports
    assert list(first.usage) == [{"cpu": 10.0}, {"cpu": 11.0}]
    assert list(second.usage) == [{"cpu": 20.0}, {"cpu": 21.0}]
    assert first.metrics == total(1)


def test_a_rank_that_could_not_measure_leaves_the_others_in_their_places():
    box, job = mailbox(world_size=2), assignment()
    box.post(job)
    taken(box)
    for rank in (0, 1):
        box.begin("g1", rank, 0, epoch=0)
    box.report("g1", 0, 0, news=[(1, total(1))])
    box.report("g1", 1, 0, news=[(1, total(1))], usage={"cpu": 5.0})
    assert list(box.events(job.id, after_seq=0).reports[0].usage) == [{}, {"cpu": 5.0}]


def test_epochs_that_are_told_of_together_are_events_of_their_own():
    box, job = mailbox(), assignment(decisions=(3,))
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    news = [(epoch, total(epoch)) for epoch in (1, 2, 3)]
    assert box.report("g1", 0, 0, news=news, usage={"cpu": 5.0}) is WAIT
    assert box.report("g1", 0, 0, news=news, usage={"cpu": 5.0}) is WAIT, "asked again"
    _, *told = box.events(job.id, after_seq=-1).reports
    assert [(report.epoch, report.metrics) for report in told] == news
    assert [list(report.usage) for report in told] == [[{"cpu": 5.0}]] * 3
    box.events(job.id, after_seq=told[-1].seq)
    assert box.report("g1", 0, 0, news=news) is CONTINUE


def test_epochs_told_of_from_what_was_saved_say_nothing_of_what_was_used():
    box, job = taken_over()
    box.begin("g2", 0, 0, epoch=1, history=[(1, total(1))])
    box.report("g2", 0, 0, news=[(2, total(2))], usage={"cpu": 5.0})
    box.finish("g2", 0, 0, history=[(1, total(1)), (2, total(2)), (3, total(3))])
    reports = box.events(job.id, after_seq=-1).reports
    told = {report.epoch: list(report.usage) for report in reports if report.event is Event.EPOCH}
    assert told == {1: [], 2: [{"cpu": 5.0}], 3: []}


def test_ranks_abandon_at_the_same_epoch():
    box, job = mailbox(world_size=2), assignment()
    box.post(job)
    taken(box)
    for rank in (0, 1, 0):
        box.begin("g1", rank, 0, epoch=0)
    box.report("g1", 0, 0, news=[(1, total(1))])
    assert box.report("g1", 1, 0, news=[(1, total(1))]) is CONTINUE
    box.withdraw(job.id)
    # Rank 0 asks about epoch 1 only now: the verdict on it stands.
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is CONTINUE
    assert box.report("g1", 0, 0, news=[(2, total(2))]) is WAIT
    assert box.report("g1", 1, 0, news=[(2, total(2))]) is ABANDON
    assert box.report("g1", 0, 0, news=[(2, total(2))]) is ABANDON


def test_ranks_that_found_different_epochs_fail():
    box, job = mailbox(world_size=2), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=1)
    assert box.begin("g1", 1, 0, epoch=2) is ABANDON
    assert "different saved epochs" in str(box.events(job.id, after_seq=-1).reports[-1].message)


def test_a_stage_that_another_group_committed_before_it_died_is_finished_at_once():
    box, job = mailbox(world_size=2), assignment(epochs=1)
    box.post(job)
    taken(box)
    box.begin("g1", 1, 0, epoch=0)
    box.finish("g1", 0, 0, history=[(1, total(1))])
    assert box.begin("g1", 1, 0, epoch=0) is ABANDON
    assert [event for _, event, _ in seen(box, job)] == [
        Event.STARTED,
        Event.EPOCH,
        Event.FINISHED,
    ]


def test_a_slot_without_memory_goes_on_where_the_trial_stands():
    box, job = mailbox(), assignment(decisions=(2,))
    assert box.events(job.id, after_seq=4).is_unknown
    box.post(job, next_seq=5, epoch=2)
    taken(box)
    history = [(1, total(1)), (2, total(2)), (3, total(3))]
    assert box.begin("g1", 0, 0, epoch=3, history=history) is CONTINUE
    assert seen(box, job, after_seq=4) == [(5, Event.STARTED, 3), (6, Event.EPOCH, 3)]


def test_a_training_worker_that_falls_silent_is_overdue_after_the_watchdog_time():
    clock = Clock()
    box, job = mailbox(clock=clock), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    clock.time_s = 999.0
    assert box.overdue() is None
    clock.time_s = 1001.0
    assert "no progress" in str(box.overdue())
    box.lose_group("killed")
    assert box.overdue() is None
    assert isinstance(box.take("g1", 0, 1), Leave)


def training(clock: Clock) -> Mailbox:
    box = mailbox(clock=clock)
    box.post(assignment())
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    return box


def test_a_worker_that_told_of_a_batch_and_tells_of_no_other_is_overdue_soon():
    clock = Clock()
    box = training(clock)
    box.working("g1", 0, 0, beat=1, on_batches=True)
    clock.time_s = HANG_S
    assert box.overdue() is None
    box.working("g1", 0, 0, beat=2, on_batches=True)
    clock.time_s += HANG_S
    assert box.overdue() is None
    clock.time_s += 1
    assert box.overdue() == f"worker 0 worked on no batch for {HANG_S + 1:.0f} s"


@pytest.mark.parametrize("overtaken", [False, True])
def test_a_worker_that_saves_or_never_tells_of_batches_has_the_watchdog_time(overtaken):
    clock = Clock()
    box = training(clock)
    beats = [(1, True), (2, False)]
    for beat, on_batches in reversed(beats) if overtaken else beats:
        box.working("g1", 0, 0, beat=beat, on_batches=on_batches)
    clock.time_s = 1000.0
    assert box.overdue() is None
    clock.time_s += 1
    assert "made no progress" in str(box.overdue())


def test_what_one_assignment_told_of_batches_says_nothing_of_the_next():
    clock = Clock()
    box = training(clock)
    box.working("g1", 0, 0, beat=7, on_batches=True)
    box.finish("g1", 0, 0, history=[])
    box.post(assignment(1))
    taken(box, number=1)
    box.working("g1", 0, 0, beat=8, on_batches=True)  # late, of the assignment before
    clock.time_s = HANG_S + 1
    assert box.overdue() is None


def test_a_worker_that_waits_at_a_decision_epoch_is_not_overdue():
    clock = Clock()
    box, job = mailbox(clock=clock), assignment(decisions=(1,))
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    for second in range(0, 1000, 50):
        clock.time_s = float(second)
        assert box.report("g1", 0, 0, news=[(1, total(1))]) is WAIT
        assert box.overdue() is None


def test_an_idle_worker_that_falls_silent_is_overdue_sooner():
    clock = Clock()
    box = mailbox(clock=clock)
    box.take("g1", 0, 0)
    clock.time_s = 31.0
    assert "had no work" in str(box.overdue())


def test_a_rank_left_behind_by_a_failed_one_is_overdue_soon():
    clock = Clock()
    box, job = mailbox(world_size=2, clock=clock), assignment()
    box.post(job)
    taken(box)
    for rank in (0, 1, 0):
        box.begin("g1", rank, 0, epoch=0)
    box.fail("g1", 1, 0, error_class="code", message="", recycle=False)
    clock.time_s = 31.0
    box.take("g1", 1, 1)
    assert str(box.overdue()).startswith("worker 0")


def test_a_closing_slot_sends_its_workers_away():
    box, job = mailbox(), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.closing = True
    box.withdraw_all()
    assert box.report("g1", 0, 0, news=[(1, total(1))]) is ABANDON
    assert isinstance(box.take("g1", 0, 1), Leave)


def test_a_slot_whose_workers_cannot_serve_is_broken():
    box = mailbox()
    box.cannot_serve("run", "ModuleNotFoundError: No module named 'kornia'")
    assert box.phase is SlotPhase.BROKEN
    status: dict[str, Any] = box.status()
    assert "kornia" in status["message"]


def test_a_slot_that_breaks_hands_back_what_it_holds():
    box, job = mailbox(), assignment()
    box.post(job)
    taken(box)
    box.begin("g1", 0, 0, epoch=0)
    box.run_ended("run", "no worker group can be started")
    box.give_up("no worker group can be started")
    *_, last = box.events(job.id, after_seq=-1).reports
    assert (last.event, last.error_class) == (Event.FAILED, "worker_lost")
    assert "its slot is broken: no worker group can be started" in last.message
