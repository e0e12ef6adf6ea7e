"""The pool: what it refuses, notices and leaves behind."""

import re
import time
from types import SimpleNamespace

import pytest
import ray
from slot_driver import PATIENCE_S, Trial, assignment, lend, small_pool, status

from trainables import pool as pool_module
from trainables.placement_groups import why_waiting
from trainables.pool import NoSlotLeft, SlotPool
from trainables.slot_config import SlotShape
from trainables.slot_handle import SlotHandle


def test_refuses_a_pool_without_slots(tmp_path):
    with pytest.raises(ValueError, match="at least 1 slot, got 0"):
        SlotPool(count=0, shape=SlotShape(), store_root=tmp_path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"gpus_per_worker": -0.5}, "gpus_per_worker must not be negative, got -0.5"),
    ],
)
def test_refuses_a_shape_that_cannot_be(shape, words):
    with pytest.raises(ValueError, match=words):
        SlotShape(**shape)


@pytest.mark.parametrize(
    ("free", "is_unplaced", "words"),
    [
        ({"CPU": 2.0}, True, "slow to start"),
        ({"CPU": 0.0}, False, "slow to start"),
        (
            {"CPU": 1.0},
            True,
            r"waits for resources: it needs 2 x \(1 CPU, 0 GPU\), free now: 1 CPU",
        ),
        ({}, True, "waits for resources: .* free now: 0 CPU, 0 GPU"),
    ],
    ids=["room", "placed", "too few", "none"],
)
def test_says_whether_a_slot_lacks_resources_or_is_slow(free, is_unplaced, words):
    assert re.search(words, why_waiting(SlotShape(workers=2), free=free, is_unplaced=is_unplaced))


def test_follows_a_cluster_that_grows_and_shrinks(tmp_path, monkeypatch):
    room, now_s, started = [2], [0.0], []
    monkeypatch.setattr(pool_module.time, "monotonic", lambda: now_s[0])
    pool = SlotPool(count=4, shape=SlotShape(), store_root=tmp_path, limit=lambda: room[0])

    def start(index):
        started.append(index)
        pool._slots[str(index)] = SlotHandle(index=index, name=str(index), actor=None)

    monkeypatch.setattr(pool, "_start_slot", start)
    pool._start_missing(9)
    assert started == [0, 1]
    room[0] = 3
    pool._follow_the_cluster()
    pool._start_missing(9)
    assert started == [0, 1], "it looks every ten seconds only"
    now_s[0] = 11.0
    pool._follow_the_cluster()
    pool._start_missing(9)
    assert started == [0, 1, 2]
    room[0], now_s[0] = 9, 22.0
    pool._follow_the_cluster()
    pool._start_missing(9)
    assert started == [0, 1, 2, 3], "no more than it was made for"
    room[0], now_s[0] = 1, 33.0
    pool._follow_the_cluster()
    del pool._slots["3"]
    pool._start_missing(9)
    assert started == [0, 1, 2, 3], "what ends is not started again"
    assert pool._notes[0] == "room for slots in the cluster: 3, 2 before."


def test_a_slot_that_never_answers_is_given_twice_as_long_each_time(tmp_path, monkeypatch):
    pool = SlotPool(count=1, shape=SlotShape(), store_root=tmp_path)
    now_s, replaced_s = [0.0], []
    monkeypatch.setattr("trainables.pool.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    monkeypatch.setattr(
        pool,
        "_replace",
        lambda slot, reason: replaced_s.append(now_s[0]) or setattr(slot, "answered_at", now_s[0]),
    )
    slot = SlotHandle(index=0, name="slot-0", actor=None, answered_at=0.0, told_waiting=True)
    slot.used_at = float("inf")
    for now_s[0] in range(1000):
        pool._look_after(slot)
    assert replaced_s == [61, 61 + 121, 61 + 121 + 241, 61 + 121 + 241 + 481]


@pytest.mark.ray
@pytest.mark.slow
def test_a_slot_is_lent_to_one_trial_at_a_time_and_only_when_it_is_idle(pool, store):
    slot = lend(pool)
    assert pool.lend() is None
    trial = Trial(slot, store, assignment(70, epochs=30, rest_s=0.2))
    trial.until(lambda report: report["event"] == "epoch")
    pool.withdraw(slot, 70)
    pool.give_back(slot)
    assert pool.states()[slot] in ("idle", "busy")
    assert lend(pool) == slot
    assert status(slot)["phase"] == "idle"
    pool.give_back(slot)


@pytest.mark.ray
@pytest.mark.slow
def test_a_withdrawn_slot_is_free_once_its_worker_has_let_go(pool, store):
    slot = lend(pool)
    trial = Trial(slot, store, assignment(71, epochs=30, rest_s=0.5))
    trial.until(lambda report: report["event"] == "epoch")
    assert not pool.is_free(slot)
    pool.withdraw(slot, 71)
    pool.give_back(slot)
    deadline = time.monotonic() + PATIENCE_S
    while not pool.is_free(slot):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert status(slot)["phase"] == "idle"
    assert pool.is_free("a slot that is gone")


@pytest.mark.ray
@pytest.mark.slow
def test_work_that_comes_after_its_withdrawal_does_not_keep_the_slot(pool, store):
    slot = lend(pool)
    pool.withdraw(slot, 72)
    pool.give_back(slot)
    Trial(slot, store, assignment(72, epochs=1000, rest_s=0.2)).step()
    assert lend(pool) == slot
    pool.give_back(slot)


@pytest.mark.soak
@pytest.mark.ray
@pytest.mark.slow
def test_a_slot_without_work_is_given_back_and_started_again_when_there_is_some(
    ray_cluster, tmp_path, monkeypatch
):
    pool = small_pool(tmp_path / "stages", count=2)
    pool.start(wanted=1)
    assert len(pool.states()) == 1
    slot = lend(pool)
    group = status(slot)["group"]
    monkeypatch.setattr("trainables.pool.IDLE_SLOT_S", 0.5)
    time.sleep(1.0)
    pool.poll()
    assert slot in pool.states()  # it is lent
    pool.give_back(slot)
    notes = _poll_until(pool, lambda: not pool.states())
    assert any("no work" in note and "given back" in note for note in notes)
    _poll_until(pool, lambda: ray.util.placement_group_table()[group]["state"] == "REMOVED")
    monkeypatch.undo()
    again = lend(pool)
    assert again != slot
    trial = Trial(again, tmp_path / "stages", assignment(72, epochs=1))
    assert trial.until(lambda report: report["event"] == "finished")
    assert pool.close() == []


@pytest.mark.soak
@pytest.mark.ray
@pytest.mark.slow
def test_a_broken_slot_is_started_afresh_after_a_while(ray_cluster, tmp_path, monkeypatch):
    pool = small_pool(tmp_path / "stages", count=2, phases="slot_phases:NO_SUCH_TABLE")
    monkeypatch.setattr("trainables.pool.RETRY_BROKEN_S", 0.5)
    pool.start(wanted=1)
    (first,) = pool.states()
    notes = _poll_until(pool, lambda: first not in pool.states())
    assert any("it is started afresh" in note for note in notes)
    pool.close()


def _poll_until(pool, happened):
    notes: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        notes += pool.poll()
        time.sleep(0.05)
    return notes


@pytest.mark.soak
@pytest.mark.ray
@pytest.mark.slow
def test_slots_that_cannot_work_are_told_with_the_reason(ray_cluster, tmp_path):
    pool = small_pool(tmp_path / "stages", shape=SlotShape(), phases="slot_phases:NO_SUCH_TABLE")
    pool.start()
    deadline = time.monotonic() + PATIENCE_S
    with pytest.raises(NoSlotLeft, match="NO_SUCH_TABLE"):
        while time.monotonic() < deadline:
            pool.poll()
            time.sleep(0.1)
    assert pool.lend() is None
    pool.close()


def test_slots_are_not_silent_while_nobody_asked_them(monkeypatch):
    pool, slot = SlotPool.__new__(SlotPool), SimpleNamespace(answered_at=0.0)
    pool._slots, pool._polled_at = {"slot": slot}, 0.0
    clock = iter([10.0, 1000.0, 1010.0])
    monkeypatch.setattr(pool_module.time, "monotonic", lambda: next(clock))
    answered = []
    for _ in range(3):
        pool._forgive_own_silence()
        answered.append(slot.answered_at)
    assert answered == [0.0, 1000.0, 1000.0]


@pytest.mark.soak
@pytest.mark.ray
@pytest.mark.slow
def test_a_slot_that_is_gone_for_good_is_replaced_and_its_placement_group_removed(
    pool, monkeypatch
):
    gone = lend(pool)
    group = status(gone)["group"]
    pool.poll()
    ray.kill(ray.get_actor(gone))
    monkeypatch.setattr("trainables.pool.SILENT_SLOT_S", 1.0)
    notes: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while gone in pool.states():
        notes += pool.poll()
        time.sleep(0.1)
        assert time.monotonic() < deadline
    monkeypatch.undo()
    pool.give_back(gone)
    replacement = lend(pool)
    assert replacement != gone
    assert any("it was replaced" in note for note in notes)
    while ray.util.placement_group_table()[group]["state"] != "REMOVED":
        pool.poll()
        time.sleep(0.1)
        assert time.monotonic() < deadline
    pool.give_back(replacement)
