"""A slot: an actor that keeps a Ray Train worker group warm and hands it one job after another.

The actor has no CPU of its own. A thread in it makes one Train run after another
(`trainables.train_run`) until the slot is closed; trials, the pool and the workers call its
methods, which do nothing but consult its `Mailbox`. Killed, the actor comes back under the same
handle with an empty memory: its old workers are sent away, and the trial posts its assignment
again.
"""

import asyncio
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import ray
from ray.actor import ActorHandle

from trainables.assignment import Assignment, Directive, Usage
from trainables.mailbox import Mailbox, SlotPhase
from trainables.posting import Answer
from trainables.slot_config import SlotConfig
from trainables.worker_group import LEAVE, RENEW, Leave, Member, News, Order

HOUSEKEEPING_S = 1.0
RESTART_PAUSE_S = 1.0
FRUITLESS_RUNS = 3
"""Train runs in a row that end without any worker having come before the slot counts as broken."""

logger = logging.getLogger(__name__)

T = TypeVar("T")


class SlotActor:
    """The actor; `SlotPool` creates it with its name, node and environment.

    All methods run in the actor's event loop. None waits longer than it was told to, nothing is
    ever broadcast: who wants to know something asks, and asks again.
    """

    def __init__(self, name: str, config: SlotConfig) -> None:
        self._name = name
        self._config = config
        self._incarnation = uuid.uuid4().hex[:8]
        self._mailbox = Mailbox(
            world_size=config.shape.workers,
            watchdog_s=config.watchdog_s,
            hang_s=config.hang_s,
        )
        self._handles: dict[int, ActorHandle] = {}
        self._refused: dict[str, str] = {}  # node -> what people should know
        self._myself = ray.get_runtime_context().current_actor
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._housekeeping = self._loop.create_task(self._keep_house())
        self._runs = threading.Thread(target=self._keep_running, name="train-runs", daemon=True)
        self._runs.start()

    # For the trial

    async def post(self, assignment: Mapping[str, Any], next_seq: int, epoch: int) -> None:
        """See `Mailbox.post`."""
        self._mailbox.post(Assignment.from_json(assignment), next_seq=next_seq, epoch=epoch)
        self._tell_all()

    async def events(self, assignment_id: str, after_seq: int, wait_s: float) -> dict[str, Any]:
        """Return `{"known", "withdrawn", "reports"}`; waits for news when there are none.

        Asking for what comes after a report grants what that report waits for.
        """
        self._mailbox.events(assignment_id, after_seq=after_seq)
        self._tell_all()

        def news() -> Answer | None:
            answer = self._mailbox.events(assignment_id, after_seq=after_seq)
            return answer if answer.reports or answer.is_unknown else None

        answer = await self._wait_for(news, wait_s)
        return asdict(answer or self._mailbox.events(assignment_id, after_seq=after_seq))

    async def acknowledge_end(self, assignment_id: str) -> None:
        """See `Mailbox.acknowledge_end`."""
        self._mailbox.acknowledge_end(assignment_id)
        self._tell_all()

    async def withdraw(self, assignment_id: str | None = None, trial: int | None = None) -> None:
        """See `Mailbox.withdraw`."""
        self._mailbox.withdraw(assignment_id, trial=trial)
        self._tell_all()

    # For the workers

    async def join(
        self, run: str, group: str, member: Mapping[str, Any], handle: ActorHandle
    ) -> bool:
        """See `Mailbox.join`; the handle is for killing the worker."""
        welcome = self._mailbox.join(run, group, Member(**member))
        if welcome:
            self._handles[member["rank"]] = handle
            self._tell_all()
        return welcome

    async def take(
        self, group: str, rank: int, number: int, wait_s: float
    ) -> dict[str, Any] | str | None:
        """Return assignment number k as JSON data, LEAVE or RENEW, or None if there is none."""
        self._mailbox.take(group, rank, number)
        self._tell_all()
        answer = await self._wait_for(lambda: self._mailbox.take(group, rank, number), wait_s)
        match answer:
            case Leave(renew=renew):
                return RENEW if renew else LEAVE
            case Order(assignment=assignment):
                return assignment.to_json()
        return None

    async def begin(
        self, group: str, rank: int, number: int, epoch: int, history: News, wait_s: float
    ) -> str:
        """See `Mailbox.begin`; waits while the answer is WAIT."""
        return await self._verdict(
            lambda: self._mailbox.begin(group, rank, number, epoch=epoch, history=history), wait_s
        )

    async def working(
        self, group: str, rank: int, number: int, beat: int, on_batches: bool
    ) -> None:
        """See `Mailbox.working`; nobody waits for the answer."""
        self._mailbox.working(group, rank, number, beat=beat, on_batches=on_batches)

    async def report(
        self,
        group: str,
        rank: int,
        number: int,
        news: News,
        usage: Usage,
        wait_s: float,
    ) -> str:
        """See `Mailbox.report`; waits while the answer is WAIT."""
        return await self._verdict(
            lambda: self._mailbox.report(group, rank, number, news=news, usage=usage), wait_s
        )

    async def finish(self, group: str, rank: int, number: int, history: News) -> None:
        """See `Mailbox.finish`."""
        self._mailbox.finish(group, rank, number, history=history)
        self._tell_all()

    async def fail(
        self, group: str, rank: int, number: int, error_class: str, message: str, recycle: bool
    ) -> None:
        """See `Mailbox.fail`."""
        self._mailbox.fail(
            group, rank, number, error_class=error_class, message=message, recycle=recycle
        )
        self._tell_all()

    async def recycle(self, group: str, reason: str) -> None:
        """See `Mailbox.recycle`."""
        self._mailbox.recycle(group, reason)
        self._tell_all()

    async def cannot_serve(self, run: str, message: str) -> None:
        """See `Mailbox.cannot_serve`."""
        self._mailbox.cannot_serve(run, message)
        self._tell_all()

    async def refuse_machine(self, run: str, node: str, reason: str) -> None:
        """Hear that a worker's machine is not fit; the next Train run keeps off it."""
        self._refused[node] = reason
        self._mailbox.run_ended(run, reason)
        self._tell_all()

    # For the pool

    async def phase(self) -> SlotPhase:
        """Return what the slot is doing now."""
        return self._mailbox.phase

    async def status(self, notes_after: int = 0) -> dict[str, Any]:
        """Return `Mailbox.status`, this actor's identity and its notes from a position on."""
        return {
            **self._mailbox.status(),
            "incarnation": self._incarnation,
            "pid": os.getpid(),
            "notes": self._mailbox.notes[notes_after:],
            "refused": dict(self._refused),
        }

    async def close(self, wait_s: float) -> bool:
        """Let the workers go and the Train run end; say whether all did in time."""
        self._mailbox.closing = True
        self._mailbox.withdraw_all()
        self._tell_all()
        await self._loop.run_in_executor(None, self._runs.join, wait_s)
        return not self._runs.is_alive()

    # Inside

    async def _verdict(self, ask: Callable[[], Directive], wait_s: float) -> str:
        def decided() -> Directive | None:
            directive = ask()
            return None if directive is Directive.WAIT else directive

        verdict = decided()
        self._tell_all()
        return verdict or await self._wait_for(decided, wait_s) or Directive.WAIT

    async def _wait_for(self, ask: Callable[[], T | None], wait_s: float) -> T | None:
        """Ask after every change until there is an answer or the time is up."""
        deadline = time.monotonic() + wait_s
        while True:
            changed = self._changed
            answer = ask()
            left_s = deadline - time.monotonic()
            if answer is not None or left_s <= 0:
                return answer
            try:
                await asyncio.wait_for(changed.wait(), left_s)
            except TimeoutError:
                return ask()

    def _tell_all(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            reason = self._mailbox.overdue()
            if reason is not None:
                logger.warning("Slot %s kills its worker group: %s.", self._name, reason)
                self._mailbox.lose_group(reason)
                for handle in self._handles.values():
                    ray.kill(handle)  # ends frozen processes too; Train then starts a new group
                self._handles.clear()
                self._tell_all()

    def _keep_running(self) -> None:
        """Run Train until the slot is closed; the body of the thread."""
        try:
            self._run_again_and_again()
        except Exception as error:  # a thread's edge: without it the slot would start for ever
            reason = f"its Train runs ended with {type(error).__name__}: {error}"
            self._in_loop(self._mailbox.give_up, reason)
            raise

    def _run_again_and_again(self) -> None:
        fruitless = 0
        while not self._mailbox.closing and self._mailbox.broken is None:
            run = f"{self._name}-{self._incarnation}-{uuid.uuid4().hex[:8]}"
            groups_before = self._mailbox.groups_started
            self._in_loop(self._mailbox.run_started, run)
            trouble = self._fit(run)
            self._in_loop(self._mailbox.run_ended, run, trouble)
            fruitful = trouble is None or self._mailbox.groups_started > groups_before
            fruitless = 0 if fruitful else fruitless + 1
            if fruitless >= FRUITLESS_RUNS:
                self._in_loop(self._mailbox.give_up, f"no worker group can be started: {trouble}")
            if trouble is not None:
                time.sleep(RESTART_PAUSE_S)

    def _fit(self, run: str) -> str | None:
        """Run one Train run to its end; return what went wrong with it, if anything."""
        # Not above: it imports torch, and whoever calls a slot loads this module for its class.
        from trainables.train_run import fit  # noqa: PLC0415

        refused = self._config.refused | self._refused.keys()
        return fit(self._config, slot=self._myself, name=self._name, run=run, refused=refused)

    def _in_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call into the mailbox from the thread, where the event loop runs."""

        async def call() -> None:
            function(*arguments)
            self._tell_all()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result()
