"""The thread in which a slot runs Ray Train, without Ray."""

import pytest

from trainables.mailbox import Mailbox, SlotPhase
from trainables.slot import FRUITLESS_RUNS, SlotActor


class Thread(SlotActor):
    """A slot's thread alone, whose Train runs end as told."""

    def __init__(self, fit):
        self._name, self._incarnation = "slot-0", "a"
        self._mailbox = Mailbox(world_size=1, watchdog_s=1.0)
        self._fit = fit

    def _in_loop(self, function, *arguments):
        function(*arguments)


def test_a_slot_whose_thread_meets_the_unexpected_is_broken_and_says_so():
    def full_disk(run):
        raise OSError("No space left on device")

    thread = Thread(full_disk)
    with pytest.raises(OSError, match="No space left"):
        thread._keep_running()
    assert thread._mailbox.phase is SlotPhase.BROKEN
    assert "OSError: No space left on device" in thread._mailbox.broken


def test_a_slot_without_any_worker_group_is_broken_after_a_few_runs(monkeypatch):
    monkeypatch.setattr("trainables.slot.RESTART_PAUSE_S", 0.0)
    runs = []

    def fruitless(run):
        runs.append(run)
        return "RuntimeError: no node"

    thread = Thread(fruitless)
    thread._keep_running()
    assert len(runs) == len(set(runs)) == FRUITLESS_RUNS
    assert thread._mailbox.broken == "no worker group can be started: RuntimeError: no node"
