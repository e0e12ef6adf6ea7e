"""Slots on a real Ray instance: trials that succeed, fail or are abandoned; workers that die."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
import slot_phases
from slot_driver import (
    PATIENCE_S,
    Trial,
    assignment,
    is_running,
    kill,
    lend,
    small_pool,
    status,
)

from trainables.pool import SlotPool
from trainables.slot_config import SlotShape
from trainables.stages import StageStore

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_a_trial_runs_its_stages_and_the_next_one_starts_in_under_a_second(slot, store):
    jobs = [assignment(0, epochs=2), assignment(0, epochs=1)]
    first = Trial(slot, store, *jobs)
    first.run()
    assert first.events() == [
        ("started", 0),
        ("epoch", 1),
        ("epoch", 2),
        ("finished", 2),
        ("started", 0),
        ("epoch", 1),
        ("finished", 1),
    ]
    assert {report["trial"] for report in first.reports} == {0}
    assert StageStore(store).artifacts(jobs[0].stage.key).facts == {"total": 3}

    posted_s = time.time()
    second = first.reset(slot, store, assignment(1))
    second.run()
    assert second.reports[1]["metrics"]["train/first_line_s"] - posted_s < 1.0
    assert second.pids() == first.pids()
    assert first.longest_step_s < 1.0


def test_a_committed_stage_is_reported_as_reused_and_not_trained_again(slot, store):
    done, new = assignment(2), assignment(2, epochs=1)
    Trial(slot, store, done).run()
    trial = Trial(slot, store, done, new)
    trial.run()
    assert trial.events() == [("reused", 2), ("started", 0), ("epoch", 1), ("finished", 1)]
    assert trial.reports[0]["metrics"]["val/total"] == 3.0


def test_a_worker_goes_no_further_than_the_decision_epoch_until_the_next_step(slot, store):
    trial = Trial(slot, store, assignment(3, epochs=4, decisions=(2,)))
    trial.until(lambda report: report["epoch"] == 2)
    time.sleep(1.5)  # time enough to train on, were it allowed to
    handle = ray.get_actor(slot)
    answer = ray.get(handle.events.remote(trial.reports[0]["assignment"], 1, 0.0))
    assert [report["epoch"] for report in answer["reports"]] == [2]
    trial.run()
    assert trial.epochs() == [1, 2, 3, 4]


def test_stopped_in_mid_phase_the_slot_is_reused_and_no_late_report_reaches_the_next(
    pool, slot, store
):
    stopped = Trial(slot, store, assignment(4, epochs=50, rest_s=0.3))
    stopped.until(lambda report: report["event"] == "epoch")
    pid = stopped.pids()
    pool.withdraw(slot, 4)
    following = stopped.reset(slot, store, assignment(5))
    following.run()
    assert following.events() == [("started", 0), ("epoch", 1), ("epoch", 2), ("finished", 2)]
    assert {report["trial"] for report in following.reports} == {5}
    assert following.pids() == pid
    assert status(slot)["dropped"] >= 1


@pytest.mark.parametrize(
    ("trouble", "error_class", "words"),
    [
        ("raise", "code", "a bug in a phase"),
        ("exit", "code", "SystemExit"),
        ("diverge", "diverged", "train/loss is nan"),
        ("nan", "diverged", "val/total is nan after epoch 1"),
        ("file", "data", "sample 17 is gone"),
    ],
)
def test_a_failure_is_a_result_and_the_slot_stays_warm(slot, store, trouble, error_class, words):
    before = status(slot)["pids"]
    trial = Trial(slot, store, assignment(6, trouble=trouble), assignment(6))
    last = trial.run()[-1]
    assert (last["event"], last["error_class"]) == ("failed", error_class)
    assert words in last["message"]
    assert Trial(slot, store, assignment(7)).run()[-1]["event"] in ("finished", "reused")
    assert status(slot)["pids"] == before


def test_data_that_cannot_be_opened_fails_the_trial_as_data(slot, store):
    last = Trial(slot, store, assignment(8, root="missing")).run()[-1]
    assert last["error_class"] == "data"
    assert "no such folder" in last["message"]


def test_the_third_trial_after_a_failed_and_an_abandoned_one_equals_a_fresh_process(
    pool, slot, store
):
    failed = Trial(slot, store, assignment(10, "net", then="raise"))
    assert failed.run()[-1]["error_class"] == "code"
    abandoned = Trial(slot, store, assignment(11, "net", then="go_on", epochs=9, decisions=(1,)))
    abandoned.until(lambda report: report["epoch"] == 1)
    pool.withdraw(slot, 11)
    third = Trial(slot, store, assignment(12, "net", seed=2**47 + 5))
    third.run()
    fresh = subprocess.run(
        [sys.executable, slot_phases.__file__, str(2**47 + 5)],
        capture_output=True,
        text=True,
        check=True,
    )
    served = [r["metrics"]["val/weights"].hex() for r in third.reports if r["event"] == "epoch"]
    assert served == fresh.stdout.split()
    assert third.reports[1]["metrics"]["val/threads"] == 1.0


def test_running_out_of_memory_fails_the_trial_and_starts_the_worker_group_afresh(
    pool, slot, store
):
    before = status(slot)["pids"]
    last = Trial(slot, store, assignment(13, trouble="memory")).run()[-1]
    assert last["error_class"] == "out_of_memory"
    Trial(slot, store, assignment(14)).run()
    assert status(slot)["pids"] != before
    assert _was_noted(pool, "afresh after out_of_memory")


def test_a_worker_killed_while_training_costs_no_reported_epoch(pool, slot, store):
    trial = Trial(slot, store, assignment(15, epochs=6, rest_s=0.4, decisions=(4,)))
    trial.until(lambda report: report["epoch"] == 2)
    kill(status(slot)["pids"][0])
    trial.run()
    assert trial.epochs() == [1, 2, 3, 4, 5, 6]
    assert trial.reports[-2]["metrics"]["val/total"] == 21.0
    starts = [epoch for event, epoch in trial.events() if event == "started"]
    assert starts[0] == 0
    assert starts[1] >= 2
    assert len(trial.pids()) == 2
    assert _was_noted(pool, "loss 1 of 3")


def test_a_worker_killed_between_its_report_and_the_answer_reports_nothing_twice(slot, store):
    trial = Trial(slot, store, assignment(21, epochs=4, decisions=(2,)))
    trial.until(lambda report: report["epoch"] == 2)  # granted by the next step only
    kill(status(slot)["pids"][0])
    trial.run()
    assert trial.epochs() == [1, 2, 3, 4]
    assert trial.reports[-2]["metrics"]["val/total"] == 10.0
    assert len(trial.pids()) == 2


def test_a_worker_killed_while_idle_is_replaced(pool, slot, store):
    before = status(slot)["pids"]
    kill(before[0])
    trial = Trial(slot, store, assignment(16))
    assert trial.run()[-1]["event"] == "finished"
    assert trial.pids() != [before[0]]


def test_a_killed_slot_actor_comes_back_and_the_trial_goes_on(pool, slot, store):
    before = status(slot)
    trial = Trial(slot, store, assignment(17, epochs=8, rest_s=0.4))
    trial.until(lambda report: report["epoch"] == 2)
    kill(before["pid"])
    trial.run()
    assert trial.epochs() == list(range(1, 9))
    assert [report["seq"] for report in trial.reports] == list(range(len(trial.reports)))
    assert trial.reports[-2]["metrics"]["val/total"] == 36.0
    assert status(slot)["incarnation"] != before["incarnation"]
    assert _was_noted(pool, "came back")


def test_a_killed_controller_is_replaced_and_the_trial_goes_on(slot, store):
    trial = Trial(slot, store, assignment(18, epochs=5, rest_s=0.4))
    trial.until(lambda report: report["epoch"] == 1)
    kill(_children_named("ray::TrainController", of=status(slot)["pid"])[0])
    trial.run()
    assert trial.epochs() == [1, 2, 3, 4, 5]


@pytest.mark.soak
def test_an_assignment_that_kills_every_worker_ends_as_worker_lost(slot, store):
    last = Trial(slot, store, assignment(19, trouble="kill")).run()[-1]
    assert (last["event"], last["error_class"]) == ("failed", "worker_lost")
    assert Trial(slot, store, assignment(20)).run()[-1]["event"] == "finished"


@pytest.fixture(scope="module")
def duo(ray_cluster: None, store: Path) -> Iterator[SlotPool]:
    """One slot of two workers."""
    pool = small_pool(
        store,
        shape=SlotShape(workers=2, threads=1),
        scratch=store.parent / "duo",
        watchdog_s=6.0,
    )
    pool.start()
    yield pool
    pool.close()


def test_f15_two_workers_train_together_and_survive_a_frozen_one(duo, store):
    slot = lend(duo)
    first = Trial(slot, store, assignment(30))
    first.run()
    totals = [r["metrics"]["val/total"] for r in first.reports if r["event"] == "epoch"]
    assert totals == [2.0, 6.0]  # both ranks count 1, 1 + 2
    second = Trial(slot, store, assignment(31, epochs=6, rest_s=0.3))
    second.until(lambda report: report["epoch"] == 2)
    kill(status(slot)["pids"][1], signal.SIGSTOP)
    second.run()
    assert second.epochs() == [1, 2, 3, 4, 5, 6]
    assert second.reports[-2]["metrics"]["val/total"] == 42.0
    assert _was_noted(duo, "no progress")
    duo.give_back(slot)


def test_closing_a_busy_pool_leaves_no_process_and_no_placement_group(duo, store):
    slot = lend(duo)
    facts = status(slot)
    busy = Trial(slot, store, assignment(40, epochs=100, rest_s=0.2))
    busy.until(lambda report: report["event"] == "epoch")
    assert duo.close() == []
    deadline = time.monotonic() + PATIENCE_S
    pids = [facts["pid"], *facts["pids"].values()]
    while any(map(is_running, pids)):
        time.sleep(0.1)
        assert time.monotonic() < deadline
    assert ray.util.placement_group_table()[facts["group"]]["state"] == "REMOVED"
    assert not (store.parent / "duo").exists()


def _children_named(name: str, *, of: int) -> list[int]:
    """Return the processes of this name with the same raylet as a process."""
    raylet = Path(f"/proc/{of}/stat").read_text().rpartition(")")[2].split()[1]
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            title = (folder / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == raylet and title.startswith(name):
            found.append(int(folder.name))
    return found


def _was_noted(pool: SlotPool, words: str) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if any(words in note for note in pool.poll()):
            return True
        time.sleep(0.05)
    return False
