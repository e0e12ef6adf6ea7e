"""A worker that reports faster than anybody reads: the slot loses nothing, and can hold it up."""

import random

from trainables.assignment import Assignment, Directive, Event, Stage
from trainables.mailbox import Mailbox
from trainables.worker_group import Member, Order

EPOCHS = 10_000
RUNG = 4_000
READ_EVERY = 2_500


def job() -> Assignment:
    stage = Stage(
        key="0" * 64,
        label="walk",
        phase="walk",
        config={},
        parents={},
        data={},
        seed=0,
        epochs=EPOCHS,
    )
    return Assignment(trial=0, attempt=1, stage=stage, decision_epochs=(RUNG,))


def busy_slot(assignment: Assignment) -> Mailbox:
    box = Mailbox(world_size=1, watchdog_s=1000.0, now=lambda: 0.0)
    box.run_started("run")
    box.join("run", "group", Member(rank=0, pid=1, node_id="n"))
    box.post(assignment)
    assert isinstance(box.take("group", 0, 0), Order)
    box.begin("group", 0, 0, epoch=0)
    return box


def test_f16_of_ten_thousand_results_at_once_none_is_lost_changed_or_out_of_order():
    rng, assignment, read = random.Random(0), job(), []
    box = busy_slot(assignment)
    errors = [rng.random() for _ in range(EPOCHS)]

    def ask() -> None:
        after_seq = read[-1].seq if read else -1
        read.extend(box.events(assignment.id, after_seq=after_seq).reports)

    for epoch, error in enumerate(errors, start=1):
        asked = [box.report("group", 0, 0, news=[(epoch, {"val/error": error})]) for _ in range(2)]
        if epoch == RUNG:  # until the trial asks for more, however often the worker does
            assert asked == [Directive.WAIT] * 2
            ask()
            ask()
            asked = [box.report("group", 0, 0, news=[(epoch, {"val/error": error})])]
        assert set(asked) == {Directive.CONTINUE}
        if epoch % READ_EVERY == 0:
            ask()
    box.finish("group", 0, 0, history=[(e, {"val/error": x}) for e, x in enumerate(errors, 1)])
    ask()
    assert [report.seq for report in read] == list(range(EPOCHS + 2))
    assert [report.event for report in (read[0], read[-1])] == [Event.STARTED, Event.FINISHED]
    assert [report.metrics["val/error"] for report in read[1:-1]] == errors
    assert box.dropped == 0
