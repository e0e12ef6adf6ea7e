"""What a slot knows: its assignment, the worker group that serves it, and how far it has come.

Plain bookkeeping without Ray, threads or waiting, so that every order of events can be tested. The
slot actor (`trainables.slot`) owns one `Mailbox` and calls it from a single thread.

A worker group takes assignments by number: every rank asks for number k, and gets it once all ranks
have asked. An epoch counts when every rank has reported it; then one verdict is fixed for it, the
same for all ranks, so that ranks stop together. A group that is not the slot's present one is told
to leave, whatever it says.
"""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any

from trainables.assignment import Assignment, Directive, Event, Usage
from trainables.posting import Answer, Posting
from trainables.worker_group import HANG_S, Group, Leave, Member, News, Order, Turn

MAX_GROUPS_LOST = 3
"""Worker groups an assignment may cost in a row, without a new epoch, until it is FAILED."""


class SlotPhase(StrEnum):
    """What a slot is doing."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    BROKEN = "broken"
    CLOSING = "closing"


class Mailbox:
    """The slot's memory and rules.

    Args:
        world_size: Workers of a group.
        watchdog_s: A worker that trains must be heard of this often, even if it never tells of
            batches.
        hang_s: One that works on batches must be heard of this often.
        now: A monotonic clock.
    """

    def __init__(
        self,
        *,
        world_size: int,
        watchdog_s: float,
        hang_s: float = HANG_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.world_size = world_size
        self.watchdog_s = watchdog_s
        self.hang_s = hang_s
        self.dropped = 0
        self.groups_started = 0
        self.closing = False
        self.broken: str | None = None
        self.notes: list[str] = []  # what people should know
        self._now = now
        self._run: str | None = None
        self._group: Group | None = None
        self._posting: Posting | None = None
        self._withdrawn: deque[str] = deque(maxlen=1000)

    # The trial's side

    def post(self, assignment: Assignment, *, next_seq: int = 0, epoch: int = 0) -> None:
        """Give the slot something to do; posting what it has already changes nothing.

        Args:
            assignment: The work. One that is still held is withdrawn: its trial has moved on.
            next_seq: Position the stream of reports goes on from, when the slot forgot it.
            epoch: Last epoch the trial was told of, and by asking again has granted.
        """
        if self._posting is not None:
            if self._posting.assignment.id == assignment.id:
                return
            self.withdraw(self._posting.assignment.id)
        with suppress(ValueError):
            self._withdrawn.remove(assignment.id)
        self._posting = Posting(
            assignment, next_seq=next_seq, reported_epoch=epoch, granted_epoch=epoch
        )

    def events(self, assignment_id: str, *, after_seq: int) -> Answer:
        """Return the reports after this position, and take those up to it as seen and approved."""
        posting = self._posting
        if posting is None or posting.assignment.id != assignment_id:
            return Answer(known=False, withdrawn=assignment_id in self._withdrawn)
        for report in posting.unread:
            if report.seq <= after_seq and report.event is Event.EPOCH:
                posting.granted_epoch = max(posting.granted_epoch, report.epoch)
        posting.unread = [report for report in posting.unread if report.seq > after_seq]
        return Answer(known=True, withdrawn=False, reports=tuple(posting.unread))

    def acknowledge_end(self, assignment_id: str) -> None:
        """Forget an assignment whose end was received."""
        posting = self._posting
        if posting is not None and posting.assignment.id == assignment_id and posting.ended:
            self._posting = None

    def withdraw(self, assignment_id: str | None = None, *, trial: int | None = None) -> None:
        """Take back an assignment, named by itself or its trial; any other stays untouched."""
        posting = self._posting
        if posting is None:
            return
        if posting.assignment.id == assignment_id or posting.assignment.trial == trial:
            posting.withdrawn = True
            self._posting = None
            if not posting.ended:
                self._withdrawn.append(posting.assignment.id)

    def withdraw_all(self) -> None:
        """Take back whatever the slot has."""
        if self._posting is not None:
            self.withdraw(self._posting.assignment.id)

    # The worker group's side

    def run_started(self, run: str) -> None:
        """Expect groups of this Train run and of no other."""
        self._run = run

    def run_ended(self, run: str, trouble: str | None) -> None:
        """Note that a Train run returned, and why, if not as it should."""
        if run == self._run:
            self._run = None
            self.lose_group(trouble or "its Train run ended")

    def join(self, run: str, group_id: str, member: Member) -> bool:
        """Take a worker in; False sends it away."""
        if run != self._run:
            self.dropped += 1
            return False
        if self._group is None or self._group.id != group_id:
            self.lose_group("a new worker group replaced it")
            self._group = Group(group_id, since=self._now())
            self.groups_started += 1
        self._group.members[member.rank] = member
        self._group.heard_at[member.rank] = self._now()
        return True

    def take(self, group_id: str, rank: int, number: int) -> Order | Leave | None:
        """Return assignment number k of a group once all its ranks ask for it, None until then."""
        group = self._heard(group_id, rank)
        if group is None:
            return Leave(renew=False)
        group.asking[rank] = number
        turn = group.turn
        if turn is not None and turn.number == number:
            return Order(number, turn.posting.assignment)
        if self.closing or group.recycle:
            return Leave(renew=not self.closing)
        if self._posting is None or self._posting.ended or not group.is_free(self.world_size):
            return None
        group.turn = Turn(number, self._posting)
        return Order(number, self._posting.assignment)

    def begin(
        self, group_id: str, rank: int, number: int, *, epoch: int, history: News = ()
    ) -> Directive:
        """Hear that a rank is about to train after `epoch` epochs that were saved before.

        Rank 0's history tells the epochs whose reports may have been lost with an earlier group.
        """
        turn = self._turn(group_id, rank, number)
        if turn is None or turn.over:
            return Directive.ABANDON
        if rank == 0:
            turn.news = history
        turn.reached[rank] = epoch
        if len(turn.reached) < self.world_size:
            return Directive.WAIT
        if len(set(turn.reached.values())) > 1 and not turn.begun:
            self._fail(turn, f"the workers found different saved epochs: {turn.reached}.")
            return Directive.ABANDON
        if not turn.begun:
            turn.begun = True
            turn.posting.emit(Event.STARTED, epoch=epoch)
        return self._verdict(turn, epoch)

    def working(
        self, group_id: str, rank: int, number: int, *, beat: int, on_batches: bool
    ) -> None:
        """Hear that a rank works on batches, or that it does something else for a while.

        Beats grow from one message to the next; one that was overtaken changes nothing.
        """
        turn = self._turn(group_id, rank, number)
        if turn is None or turn.beats.get(rank, (0, False)) > (beat, False):
            self.dropped += 1
        else:
            turn.beats[rank] = (beat, on_batches)

    def report(
        self,
        group_id: str,
        rank: int,
        number: int,
        *,
        news: News,
        usage: Usage | None = None,
    ) -> Directive:
        """Hear that a rank finished one or more epochs and saved the last; rank 0's metrics count.

        What each rank used is told beside them. Ranks that train together tell of the same epochs.
        """
        turn = self._turn(group_id, rank, number)
        if turn is None or turn.over:
            self.dropped += 1
            return Directive.ABANDON
        epoch, _ = news[-1]
        if rank == 0:
            turn.news = news
        turn.reached[rank] = epoch
        turn.usage[rank] = usage or {}
        return self._verdict(turn, epoch)

    def finish(self, group_id: str, rank: int, number: int, *, history: News) -> None:
        """Hear from rank 0 that the stage is committed."""
        turn = self._turn(group_id, rank, number)
        if turn is None or turn.over:
            self.dropped += 1
            return
        turn.over = True
        if not turn.begun:
            turn.posting.emit(Event.STARTED, epoch=turn.posting.assignment.stage.epochs)
        for epoch, metrics in history:
            turn.posting.emit_epoch(epoch, metrics)
        turn.posting.emit(Event.FINISHED, epoch=turn.posting.assignment.stage.epochs)

    def fail(
        self,
        group_id: str,
        rank: int,
        number: int,
        *,
        error_class: str,
        message: str,
        recycle: bool,
    ) -> None:
        """Hear that a rank could not go on; the trial gets it as a result."""
        group = self._heard(group_id, rank)
        if group is None or group.turn is None or group.turn.number != number:
            self.dropped += 1
            return
        group.recycle = group.recycle or recycle
        if recycle:
            self.notes.append(f"the worker group is started afresh after {error_class}.")
        self._fail(group.turn, message, error_class)

    def recycle(self, group_id: str, reason: str) -> None:
        """Send the group away once it has finished what it is doing."""
        if self._group is not None and self._group.id == group_id and not self._group.recycle:
            self._group.recycle = True
            self.notes.append(f"the worker group is started afresh: {reason}.")

    def lose_group(self, reason: str) -> None:
        """Count the loss of the present group; what it was serving waits for the next one."""
        group, self._group = self._group, None
        if group is None or group.turn is None or group.turn.over:
            return
        posting = group.turn.posting
        group.turn.over = True
        if posting.withdrawn or posting.ended:
            return
        posting.losses += 1
        trial = posting.assignment.trial
        self.notes.append(
            f"a worker group was lost with trial {trial} ({posting.assignment.stage.label}, after "
            f"epoch {posting.reported_epoch}): {reason}; "
            f"loss {posting.losses} of {MAX_GROUPS_LOST}."
        )
        if posting.losses >= MAX_GROUPS_LOST:
            posting.emit_lost(
                f"{posting.losses} worker groups in a row were lost with it; the last: {reason}"
            )

    def cannot_serve(self, run: str, message: str) -> None:
        """Hear that workers cannot do any work here, so that another group would not help."""
        if run == self._run:
            self.give_up(message)

    def give_up(self, reason: str) -> None:
        """Declare the slot broken: nothing it could try again would help.

        What it holds is FAILED(worker_lost), so that its trial goes to another slot.
        """
        self.broken = reason
        self.notes.append(f"the slot is broken: {reason}")
        posting = self._posting
        if posting is not None and not posting.ended:
            posting.emit_lost(f"its slot is broken: {reason}")

    # What others see

    @property
    def phase(self) -> SlotPhase:
        """Return what the slot is doing; idle means that every rank asks for work."""
        if self.broken is not None:
            return SlotPhase.BROKEN
        if self.closing:
            return SlotPhase.CLOSING
        group = self._group
        if group is None or not group.is_complete(self.world_size):
            return SlotPhase.STARTING
        if not group.is_free(self.world_size):
            return SlotPhase.BUSY
        if group.recycle:
            return SlotPhase.STARTING
        has_work = self._posting is not None and not self._posting.ended
        return SlotPhase.BUSY if has_work else SlotPhase.IDLE

    @property
    def group_id(self) -> str | None:
        """Return the placement group of the present worker group."""
        return None if self._group is None else self._group.id

    def status(self) -> dict[str, Any]:
        """Return the facts for the pool, tests and people."""
        members = [] if self._group is None else self._group.members.values()
        return {
            "phase": self.phase,
            "assignment": None if self._posting is None else self._posting.assignment.id,
            "group": self.group_id,
            "groups_started": self.groups_started,
            "pids": {member.rank: member.pid for member in members},
            "dropped": self.dropped,
            "message": self.broken,
        }

    def overdue(self) -> str | None:
        """Return why the present group must be killed, or None while it behaves."""
        if self._group is None:
            return None
        return self._group.overdue(
            self._now(),
            world_size=self.world_size,
            watchdog_s=self.watchdog_s,
            hang_s=self.hang_s,
        )

    def _heard(self, group_id: str, rank: int) -> Group | None:
        group = self._group
        if group is None or group.id != group_id or rank not in group.members:
            return None
        group.heard_at[rank] = self._now()
        return group

    def _turn(self, group_id: str, rank: int, number: int) -> Turn | None:
        group = self._heard(group_id, rank)
        if group is None or group.turn is None or group.turn.number != number:
            return None
        if group.turn.posting.ended:
            group.turn.over = True
        return group.turn

    def _verdict(self, turn: Turn, epoch: int) -> Directive:
        """Return the verdict on an epoch: fixed once every rank is there and nothing waits."""
        if epoch in turn.verdicts:
            return turn.verdicts[epoch]
        if any(turn.reached.get(rank) != epoch for rank in range(self.world_size)):
            return Directive.WAIT
        posting = turn.posting
        if posting.withdrawn:
            self.dropped += 1
            turn.over = True
            turn.verdicts[epoch] = Directive.ABANDON
            return Directive.ABANDON
        turn.tell_news()
        if posting.waits_at is not None and posting.waits_at <= epoch:
            return Directive.WAIT
        turn.verdicts[epoch] = Directive.CONTINUE
        return Directive.CONTINUE

    def _fail(self, turn: Turn, message: str, error_class: str = "code") -> None:
        if turn.over:
            return
        turn.over = True
        if not (turn.posting.withdrawn or turn.posting.ended):
            turn.posting.emit(
                Event.FAILED,
                epoch=turn.posting.reported_epoch,
                error_class=error_class,
                message=message,
            )
