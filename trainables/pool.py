"""The slots of a study, kept by its driver: started, lent to trials, replaced, ended."""

import logging
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import ObjectRef
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trainables import placement_groups
from trainables.admission import Terms
from trainables.mailbox import SlotPhase
from trainables.placement_groups import UNPLACED, train_groups, why_waiting
from trainables.rhythm import REPORT_EVERY_S
from trainables.slot import SlotActor
from trainables.slot_config import SlotConfig, SlotShape
from trainables.slot_handle import SlotHandle, is_there
from trainables.stage_remote import linked_remote

SILENT_SLOT_S = 60.0
"""A slot that does not answer for this long, restarts included, is replaced; doubled each time in a
row, since on a machine that is busy enough no slot starts within a minute."""
WAITING_SLOT_S = 60.0
"""After this long without a worker group, people are told what a slot waits for."""
ORPHAN_S = 10.0
"""How long Ray's own cleaner has to remove the placement group of a lost worker group."""
CLOSE_S = 30.0
ANSWER_S = 2.0  # for a slot to say that its workers did not end in time
LIMIT_S = 10.0  # between looks at how many slots the cluster has room for
IDLE_SLOT_S = 60.0
"""A slot that had no work for this long is given back; `lend` starts it again."""
RETRY_BROKEN_S = 60.0
"""A broken slot is started afresh after this long, doubled each time it breaks in a row."""

logger = logging.getLogger(__name__)


class NoSlotLeft(RuntimeError):
    """Every slot is broken; the message says why."""


class SlotPool:
    """Starts slots on the driver's node, lends those that are ready, replaces those that are gone.

    A slot without work is given back after a minute and started again when there is some. Nothing
    here waits, except `lend` (a third of a second for a slot that fell silent) and `close`.

    Args:
        count: Slots to have at most.
        shape: Their worker groups.
        store_root: The stage store, reachable from every worker, or a cache of what is.
        watchdog_s: See `SlotConfig`.
        report_every_s: See `SlotConfig`.
        scratch: Where Ray Train keeps its own files, on the driver's machine; by default beside the
            store.
        phases: `module:attribute` of the phases by name.
        opener: `module:attribute` of the function that opens a stage's data.
        limit: How many slots the cluster has room for now, which changes as machines come and go;
            None: all of them.
        terms: What a machine that joins later must show before a worker trains on it.
    """

    def __init__(
        self,
        *,
        count: int,
        shape: SlotShape,
        store_root: Path,
        watchdog_s: float = 1800.0,
        report_every_s: float = REPORT_EVERY_S,
        scratch: Path | None = None,
        phases: str = "hpe.phases.catalog:PHASES",
        opener: str = "trainables.stage_data:open_stage_data",
        limit: Callable[[], int] | None = None,
        terms: Terms | None = None,
    ) -> None:
        if count < 1:
            raise ValueError(f"a pool needs at least 1 slot, got {count}.")
        self._count = count
        self._ask_limit = limit
        self._limit = count if limit is None else min(count, limit())
        self._limit_asked_at = time.monotonic()
        self._id = uuid.uuid4().hex[:6]
        store_root = store_root.resolve()
        self._scratch = (scratch or store_root.parent / ".train").resolve() / self._id
        self._config = SlotConfig(
            shape=shape,
            store_root=str(store_root),
            scratch=str(self._scratch),
            watchdog_s=watchdog_s,
            report_every_s=report_every_s,
            phases=phases,
            opener=opener,
            remote=linked_remote(store_root),
            terms=terms,
        )
        self._slots: dict[str, SlotHandle] = {}
        self._ending: dict[ObjectRef, SlotHandle] = {}  # given back, their workers are leaving
        self._wanted_at = time.monotonic()  # when a slot was asked for last and none was ready
        self._polled_at = time.monotonic()
        self._setbacks: Counter[int] = Counter()  # place -> how often in a row its slot failed
        self._orphans: dict[str, float] = {}  # placement group -> when it lost its worker group
        self._notes: list[str] = []
        self._foreign: set[str] = set()  # placement groups that were there before

    def start(self, wanted: int | None = None) -> None:
        """Start slots; `lend` gives them out as they become ready.

        Args:
            wanted: How many there is work for; None for all of the pool's.
        """
        for folder in (self._scratch, Path(self._config.store_root)):
            folder.mkdir(parents=True, exist_ok=True)
        self._foreign = train_groups()
        self._start_missing(self._count if wanted is None else wanted)

    def lend(self, wanted: int = 1) -> str | None:
        """Return a slot that is ready, which is then lent, or None.

        Args:
            wanted: How many more slots there is work for now. Where fewer are there, or on their
                way, more are started, so that an autoscaling cluster sees the true demand.
        """
        for slot in self._slots.values():
            if not slot.lent and self._is_idle(slot):
                slot.lent = True
                return slot.name
        self._wanted_at = time.monotonic()
        self._start_missing(wanted)
        return None

    def is_free(self, slot: str) -> bool:
        """Say whether a slot does nothing any more of what was withdrawn from it.

        It is asked, and not waited for: False until its answer is there.
        """
        return slot not in self._slots or self._slots[slot].has_let_go()

    def give_back(self, slot: str) -> None:
        """Take a slot back from its trial; one that was replaced meanwhile is gone already."""
        if slot in self._slots:
            self._slots[slot].lent = False

    def withdraw(self, slot: str, trial: int) -> None:
        """Take back what a slot does for a trial; it becomes ready at the worker's next report."""
        if slot in self._slots:
            self._slots[slot].withdraw(trial)

    def poll(self) -> list[str]:
        """Look after the slots; return what happened since the last call, for people.

        Raises:
            NoSlotLeft: If every slot is broken.
        """
        self._forgive_own_silence()
        for slot in list(self._slots.values()):
            self._take_status(slot)
            self._look_after(slot)
        self._follow_the_cluster()
        self._bury_the_ended()
        self._remove_orphans()
        if len(self._slots) >= self._limit and all(
            slot.phase is SlotPhase.BROKEN for slot in self._slots.values()
        ):
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

    def close(self, patience_s: float = CLOSE_S) -> list[str]:
        """End all slots and return notes: workers return, Train ends, then the actors go.

        Whatever does not end within its time is killed; placement groups that are left are removed.

        Args:
            patience_s: How long workers may take to their next report; without it what came after
                the last is lost.
        """
        self._close_actors(patience_s)
        for slot in (*self._slots.values(), *self._ending.values()):
            ray.kill(slot.actor)
        self._slots.clear()
        self._ending.clear()
        for group in sorted(train_groups() - self._foreign):
            placement_groups.remove(group)
            self._notes.append(f"removed placement group {group}, which Ray Train left behind.")
        shutil.rmtree(self._scratch, ignore_errors=True)
        with suppress(OSError):
            self._scratch.parent.rmdir()  # unless another pool is at work in it
        notes, self._notes = self._notes, []
        return notes

    def _start_missing(self, wanted: int) -> None:
        """Start as many slots as there is work for beyond those that are lent or on their way."""
        at_hand = sum(
            not slot.lent and slot.phase is not SlotPhase.BROKEN for slot in self._slots.values()
        )
        taken = {slot.index for slot in (*self._slots.values(), *self._ending.values())}
        free = [index for index in range(self._count) if index not in taken]
        room = max(0, self._limit - len(taken))
        for index in free[: min(room, max(0, wanted - at_hand))]:
            self._start_slot(index)

    def _follow_the_cluster(self) -> None:
        """See how many slots there is room for; those that are too many end for want of work."""
        now = time.monotonic()
        if self._ask_limit is None or now - self._limit_asked_at < LIMIT_S:
            return
        self._limit_asked_at = now
        limit = min(self._count, self._ask_limit())
        if limit != self._limit:
            self._notes.append(f"room for slots in the cluster: {limit}, {self._limit} before.")
        self._limit = limit

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
                        # A slot may wait for a node to come; remaking its placement group every
                        # minute, as Ray does otherwise, gives up its place among those waiting.
                        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",
                        # Epochs are saved as it is: a notice of preemption would change nothing.
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
        self._slots[name] = SlotHandle(index=index, name=name, actor=actor)

    def _is_idle(self, slot: SlotHandle) -> bool:
        self._take_status(slot)
        if slot.phase not in (SlotPhase.IDLE, SlotPhase.BUSY):
            return False
        # What it said last may be old; a trial must not be given to a slot that is busy.
        return slot.phase_now() is SlotPhase.IDLE

    def _take_status(self, slot: SlotHandle) -> None:
        """Take in how a slot is, if it has told since the last time."""
        status = slot.status()
        if status is not None:
            self._take_in(slot, status)

    def _take_in(self, slot: SlotHandle, status: Mapping[str, Any]) -> None:
        if slot.incarnation not in (None, status["incarnation"]):
            self._notes.append(f"slot {slot.index}: its actor died and came back.")
            slot.notes_read = 0
        slot.incarnation = status["incarnation"]
        if slot.group != status["group"]:
            self._orphan(slot)
        slot.group = status["group"]
        slot.phase = SlotPhase(status["phase"])
        slot.message = status["message"]
        self._notes.extend(f"slot {slot.index}: {note}" for note in status["notes"])
        slot.notes_read += len(status["notes"])
        self._keep_off(status["refused"])
        if status["assignment"] is not None and not slot.lent:
            # Its trial has left; the withdrawal came before the work, which others sent.
            slot.actor.withdraw.remote(status["assignment"], None)
        now = time.monotonic()
        if slot.phase is not SlotPhase.STARTING:
            slot.ready_at = now
            slot.told_waiting = False
        if slot.phase is SlotPhase.BROKEN:
            slot.broken_at = slot.broken_at or now
        elif slot.phase in (SlotPhase.IDLE, SlotPhase.BUSY):
            del self._setbacks[slot.index]

    def _keep_off(self, refused: Mapping[str, str]) -> None:
        """Start no slot on machines that a slot found unfit, and tell of each once."""
        new = refused.keys() - self._config.refused
        self._notes.extend(refused[node] for node in sorted(new))
        self._config = replace(self._config, refused=self._config.refused | new)

    def _forgive_own_silence(self) -> None:
        """Count no slot as silent for a time in which nobody asked, such as a stopped process's."""
        now = time.monotonic()
        if now - self._polled_at > SILENT_SLOT_S / 2:
            for slot in self._slots.values():
                slot.answered_at = now
        self._polled_at = now

    def _look_after(self, slot: SlotHandle) -> None:
        now = time.monotonic()
        if slot.lent or slot.phase is SlotPhase.BUSY:
            slot.used_at = now
        elif slot.phase is SlotPhase.STARTING:
            slot.used_at = max(slot.used_at, self._wanted_at)
        silence_s = SILENT_SLOT_S * 2 ** self._setbacks[slot.index]
        if now - slot.answered_at > silence_s:
            self._setbacks[slot.index] += 1
            self._replace(slot, f"no answer for {silence_s:.0f} s, it was replaced")
        elif slot.broken_at is not None and not slot.lent:
            patience_s = RETRY_BROKEN_S * 2 ** self._setbacks[slot.index]
            if now - slot.broken_at > patience_s:
                self._setbacks[slot.index] += 1
                self._replace(slot, f"broken for {patience_s:.0f} s, it is started afresh")
        elif now - slot.used_at > IDLE_SLOT_S:
            self._notes.append(f"slot {slot.index}: no work for {IDLE_SLOT_S:.0f} s, given back.")
            self._ending[slot.actor.close.remote(CLOSE_S)] = self._slots.pop(slot.name)
        elif now - slot.ready_at > WAITING_SLOT_S and not slot.told_waiting:
            self._tell_waiting(slot)

    def _replace(self, slot: SlotHandle, reason: str) -> None:
        self._notes.append(f"slot {slot.index}: {reason}.")
        ray.kill(slot.actor)
        self._orphan(slot)
        del self._slots[slot.name]
        self._start_slot(slot.index)

    def _tell_waiting(self, slot: SlotHandle) -> None:
        reason = why_waiting(
            self._config.shape,
            free=ray.available_resources(),
            is_unplaced=bool(train_groups(*UNPLACED) - self._foreign),
        )
        unused = len(self._config.refused)
        apart = f"; machines that are not used, {unused}, do not count" if unused else ""
        self._notes.append(
            f"slot {slot.index}: no worker group for {WAITING_SLOT_S:.0f} s; {reason}{apart}."
        )
        slot.told_waiting = True

    def _bury_the_ended(self) -> None:
        """End the actors of slots that were given back, once their workers have left."""
        for answer in [answer for answer in self._ending if is_there(answer)]:
            slot = self._ending.pop(answer)
            ray.kill(slot.actor)
            self._orphan(slot)

    def _orphan(self, slot: SlotHandle) -> None:
        """Note that a slot's placement group, if it has one, has lost its worker group."""
        if slot.group is not None:
            self._orphans[slot.group] = time.monotonic()

    def _remove_orphans(self) -> None:
        now = time.monotonic()
        due = [group for group, since in self._orphans.items() if now - since > ORPHAN_S]
        for group in due:
            del self._orphans[group]
            if placement_groups.exists(group):
                placement_groups.remove(group)
                self._notes.append(f"removed placement group {group}: its worker group is gone.")

    def _close_actors(self, patience_s: float) -> None:
        closing = {slot.actor.close.remote(patience_s): slot for slot in self._slots.values()}
        closing |= self._ending
        timeout_s = patience_s + ANSWER_S
        done, late = ray.wait(list(closing), num_returns=len(closing), timeout=timeout_s)
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
