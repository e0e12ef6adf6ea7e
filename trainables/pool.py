"""The slots of a study, kept by its driver: started, lent to trials, replaced, ended."""

import logging
import shutil
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError
from ray.util.placement_group import (
    PlacementGroup,
    PlacementGroupID,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trainables.mailbox import SlotPhase
from trainables.slot import SlotActor, SlotConfig, SlotShape

ASK_S = 0.3
SILENT_SLOT_S = 60.0
"""A slot that does not answer for this long, restarts included, is replaced."""
WAITING_SLOT_S = 60.0
"""After this long without a worker group, people are told what a slot waits for."""
ORPHAN_S = 10.0
"""How long Ray's own cleaner has to remove the placement group of a lost worker group."""
CLOSE_S = 30.0
UNPLACED = ("PENDING", "RESCHEDULING")  # placement groups that have no place yet, or no more

logger = logging.getLogger(__name__)


class NoSlotLeft(RuntimeError):
    """Every slot is broken; the message says why."""


@dataclass
class _Slot:
    """What the driver knows of one slot."""

    index: int
    name: str
    actor: ActorHandle
    lent: bool = False
    phase: SlotPhase = SlotPhase.STARTING
    incarnation: str | None = None
    group: str | None = None
    message: str | None = None
    notes_read: int = 0
    asked: Any = None  # the pending answer of `status`
    answered_at: float = field(default_factory=time.monotonic)
    ready_at: float = field(default_factory=time.monotonic)
    told_waiting: bool = False


class SlotPool:
    """Starts slots on the driver's node, lends those that are ready, replaces those that are gone.

    Nothing here waits, except `lend` (a third of a second for a slot that fell silent) and `close`.

    Args:
        count: Slots to keep.
        shape: Their worker groups.
        store_root: The stage store, reachable from every worker.
        watchdog_s: A worker group that reports nothing for this long while training is replaced;
            it must be longer than the longest epoch.
        scratch: Where Ray Train keeps its own files, reachable from every worker; by default beside
            the store.
        phases: `module:attribute` of the phases by name.
        opener: `module:attribute` of the function that opens a stage's data.
    """

    def __init__(
        self,
        *,
        count: int,
        shape: SlotShape,
        store_root: Path,
        watchdog_s: float = 1800.0,
        scratch: Path | None = None,
        phases: str = "hpe.phases.catalog:PHASES",
        opener: str = "trainables.hand_data:open_stage_data",
    ) -> None:
        if count < 1:
            raise ValueError(f"a pool needs at least 1 slot, got {count}.")
        self._count = count
        self._id = uuid.uuid4().hex[:6]
        store_root = store_root.resolve()
        self._scratch = (scratch or store_root.parent / ".train").resolve() / self._id
        self._config = SlotConfig(
            shape=shape,
            store_root=str(store_root),
            scratch=str(self._scratch),
            watchdog_s=watchdog_s,
            phases=phases,
            opener=opener,
        )
        self._slots: dict[str, _Slot] = {}
        self._orphans: dict[str, float] = {}  # placement group -> when it lost its worker group
        self._notes: list[str] = []
        self._foreign: set[str] = set()  # placement groups that were there before

    def start(self) -> None:
        """Start all slots; `lend` gives them out as they become ready."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._foreign = _train_groups()
        for index in range(self._count):
            self._start_slot(index)

    def lend(self) -> str | None:
        """Return a slot that is ready, which is then lent, or None."""
        for slot in self._slots.values():
            if not slot.lent and self._is_idle(slot):
                slot.lent = True
                return slot.name
        return None

    def give_back(self, slot: str) -> None:
        """Take a slot back from its trial; one that was replaced meanwhile is gone already."""
        if slot in self._slots:
            self._slots[slot].lent = False

    def withdraw(self, slot: str, trial: int) -> None:
        """Take back what a slot does for a trial; it becomes ready at the end of the epoch."""
        if slot in self._slots:
            self._slots[slot].actor.withdraw.remote(None, trial)

    def poll(self) -> list[str]:
        """Look after the slots; return what happened since the last call, for people.

        Raises:
            NoSlotLeft: If every slot is broken.
        """
        for slot in list(self._slots.values()):
            self._take_status(slot)
            self._look_after(slot)
        self._remove_orphans()
        if all(slot.phase is SlotPhase.BROKEN for slot in self._slots.values()):
            reasons = {slot.message or "unknown" for slot in self._slots.values()}
            raise NoSlotLeft(f"no slot can work: {'; '.join(sorted(reasons))}")
        notes, self._notes = self._notes, []
        return notes

    def states(self) -> Mapping[str, str]:
        """Return each slot's name and phase, as last heard."""
        return {slot.name: slot.phase.value for slot in self._slots.values()}

    def phases(self) -> Mapping[int, str]:
        """Return the phase of each slot by its place, which a replacement keeps."""
        return {slot.index: slot.phase.value for slot in self._slots.values()}

    def close(self) -> list[str]:
        """End all slots and return notes: workers return, Train ends, then the actors go.

        Whatever does not end within its time is killed; placement groups that are left are removed.
        """
        self._close_actors()
        for slot in self._slots.values():
            ray.kill(slot.actor)
        self._slots.clear()
        for group in sorted(_train_groups() - self._foreign):
            _remove(group)
            self._notes.append(f"removed placement group {group}, which Ray Train left behind.")
        shutil.rmtree(self._scratch, ignore_errors=True)
        with suppress(OSError):
            self._scratch.parent.rmdir()  # unless another pool is at work in it
        notes, self._notes = self._notes, []
        return notes

    def _start_slot(self, index: int) -> None:
        context = ray.get_runtime_context()
        name = f"slot-{index}-{self._id}-{uuid.uuid4().hex[:4]}"
        threads = str(self._config.shape.threads)
        actor = (
            ray.remote(SlotActor)
            .options(
                name=name,
                num_cpus=0,
                max_restarts=-1,
                # Only the driver's node is certain to live as long as the driver.
                scheduling_strategy=NodeAffinitySchedulingStrategy(
                    context.get_node_id(), soft=False
                ),
                runtime_env={
                    "env_vars": {
                        # Ray's placement group cleaner must find this cluster among several.
                        "RAY_ADDRESS": context.gcs_address,
                        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",
                        "RAY_TRAIN_METRICS_ENABLED": "0",
                        # Every epoch is saved: a notice of preemption would change nothing.
                        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
                        "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC": "0",  # it is in a thread
                        "OMP_NUM_THREADS": threads,
                        "OPENBLAS_NUM_THREADS": threads,
                        "MKL_NUM_THREADS": threads,
                    }
                },
            )
            .remote(name, self._config)
        )
        self._slots[name] = _Slot(index=index, name=name, actor=actor)

    def _is_idle(self, slot: _Slot) -> bool:
        self._take_status(slot)
        if slot.phase not in (SlotPhase.IDLE, SlotPhase.BUSY):
            return False
        try:
            # What it said last may be old; a trial must not be given to a slot that is busy.
            slot.phase = ray.get(slot.actor.phase.remote(), timeout=ASK_S)
        except RayError:
            return False
        return slot.phase is SlotPhase.IDLE

    def _take_status(self, slot: _Slot) -> None:
        """Ask how a slot is, and take in the answer once it is there."""
        if slot.asked is None:
            slot.asked = slot.actor.status.remote(slot.notes_read)
        try:
            status = ray.get(slot.asked, timeout=0)
        except GetTimeoutError:
            return
        except RayError as error:
            slot.asked = None
            slot.phase = SlotPhase.STARTING
            logger.info("Slot %s does not answer: %s", slot.name, error)
            return
        slot.asked = None
        slot.answered_at = time.monotonic()
        self._take_in(slot, status)

    def _take_in(self, slot: _Slot, status: Mapping[str, Any]) -> None:
        if slot.incarnation not in (None, status["incarnation"]):
            self._notes.append(f"slot {slot.index}: its actor died and came back.")
            slot.notes_read = 0
        slot.incarnation = status["incarnation"]
        if slot.group not in (None, status["group"]):
            self._orphans[slot.group] = time.monotonic()
        slot.group = status["group"]
        slot.phase = SlotPhase(status["phase"])
        slot.message = status["message"]
        self._notes.extend(f"slot {slot.index}: {note}" for note in status["notes"])
        slot.notes_read += len(status["notes"])
        if slot.phase is not SlotPhase.STARTING:
            slot.ready_at = time.monotonic()
            slot.told_waiting = False

    def _look_after(self, slot: _Slot) -> None:
        now = time.monotonic()
        if now - slot.answered_at > SILENT_SLOT_S:
            self._notes.append(
                f"slot {slot.index}: no answer for {SILENT_SLOT_S:.0f} s, it was replaced."
            )
            ray.kill(slot.actor)
            if slot.group is not None:
                self._orphans[slot.group] = now
            del self._slots[slot.name]
            self._start_slot(slot.index)
        elif now - slot.ready_at > WAITING_SLOT_S and not slot.told_waiting:
            reason = why_waiting(
                self._config.shape,
                free=ray.available_resources(),
                is_unplaced=any(_train_groups(state) - self._foreign for state in UNPLACED),
            )
            self._notes.append(
                f"slot {slot.index}: no worker group for {WAITING_SLOT_S:.0f} s; {reason}."
            )
            slot.told_waiting = True

    def _remove_orphans(self) -> None:
        now = time.monotonic()
        due = [group for group, since in self._orphans.items() if now - since > ORPHAN_S]
        for group in due:
            del self._orphans[group]
            if _exists(group):
                _remove(group)
                self._notes.append(f"removed placement group {group}: its worker group is gone.")

    def _close_actors(self) -> None:
        closing = {slot.actor.close.remote(CLOSE_S): slot for slot in self._slots.values()}
        done, late = ray.wait(list(closing), num_returns=len(closing), timeout=CLOSE_S + 5)
        for answer in done:
            slot = closing[answer]
            try:
                ended = ray.get(answer)
            except RayError:
                ended = False
            if not ended:
                self._notes.append(f"slot {slot.index}: it did not end by itself and was killed.")
        for answer in late:
            self._notes.append(f"slot {closing[answer].index}: no answer, it was killed.")


def why_waiting(shape: SlotShape, *, free: Mapping[str, float], is_unplaced: bool) -> str:
    """Say whether a slot without workers lacks resources or is merely slow to start.

    Args:
        shape: What it needs.
        free: The cluster's free resources.
        is_unplaced: Whether a worker group waits for its place. One that has it holds resources,
            which are not free then.
    """
    needed = {
        "CPU": shape.workers * shape.cpus_per_worker,
        "GPU": shape.workers * shape.gpus_per_worker,
    }
    lacking = [name for name, number in needed.items() if free.get(name, 0) < number]
    if not (is_unplaced and lacking):
        return "there is room for it, its workers are slow to start"
    return (
        f"it waits for resources: it needs {shape.workers} x ({shape.cpus_per_worker:g} CPU, "
        f"{shape.gpus_per_worker:g} GPU), free now: {free.get('CPU', 0):g} CPU, "
        f"{free.get('GPU', 0):g} GPU"
    )


def _train_groups(state: str | None = None) -> set[str]:
    """Return this job's placement groups without a name, which are Train's; Tune names its own.

    Args:
        state: Only those in this state; None for all that are there.
    """
    job = ray.get_runtime_context().get_job_id()
    return {
        group
        for group, facts in placement_group_table().items()
        if facts["state"] != "REMOVED"
        and facts["name"] == ""
        and group.endswith(job)
        and state in (None, facts["state"])
    }


def _exists(group: str) -> bool:
    facts = placement_group_table().get(group)
    return facts is not None and facts["state"] != "REMOVED"


def _remove(group: str) -> None:
    remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(group))))


__all__ = ["NoSlotLeft", "SlotPool", "SlotShape"]
