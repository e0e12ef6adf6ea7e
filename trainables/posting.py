"""An assignment that a slot holds, and the stream of reports its trial reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainables.assignment import WORKER_LOST, Assignment, Event, SlotReport, Usage


@dataclass(frozen=True)
class Answer:
    """What a trial learns when it asks for events.

    Attributes:
        known: False when the slot does not have this assignment: it was never posted, or the slot
            lost its memory; posting it (again) is the remedy.
        withdrawn: The assignment was taken back; nothing more will come.
    """

    known: bool
    withdrawn: bool
    reports: tuple[SlotReport, ...] = ()

    @property
    def is_unknown(self) -> bool:
        """Say whether the assignment has to be posted (again)."""
        return not (self.known or self.withdrawn)


@dataclass
class Posting:
    """An assignment from its posting until its end is acknowledged.

    Attributes:
        losses: Worker groups it has cost since its last epoch.
    """

    assignment: Assignment
    next_seq: int
    reported_epoch: int
    granted_epoch: int
    unread: list[SlotReport] = field(default_factory=list)
    losses: int = 0
    withdrawn: bool = False
    ended: bool = False

    @property
    def waits_at(self) -> int | None:
        """Return the first decision epoch that was not granted yet."""
        later = (e for e in self.assignment.decision_epochs if e > self.granted_epoch)
        return min(later, default=None)

    def emit(
        self,
        event: Event,
        *,
        epoch: int,
        metrics: Mapping[str, float] | None = None,
        usage: Sequence[Usage] = (),
        error_class: str | None = None,
        message: str | None = None,
    ) -> None:
        """Append a report to the assignment's stream."""
        self.unread.append(
            SlotReport(
                assignment=self.assignment.id,
                seq=self.next_seq,
                event=event,
                epoch=epoch,
                epochs=self.assignment.stage.epochs,
                metrics=dict(metrics or {}),
                error_class=error_class,
                message=message,
                usage=[dict(worker) for worker in usage],
            )
        )
        self.next_seq += 1
        self.ended = self.ended or event in (Event.FINISHED, Event.FAILED)

    def emit_epoch(
        self, epoch: int, metrics: Mapping[str, float], usage: Sequence[Usage] = ()
    ) -> None:
        """Append an epoch's report unless it, or a later one, was reported before."""
        if epoch > self.reported_epoch:
            self.emit(Event.EPOCH, epoch=epoch, metrics=metrics, usage=usage)
            self.reported_epoch = epoch
            self.losses = 0

    def emit_lost(self, message: str) -> None:
        """Append the end of an assignment whose slot cannot serve it; its trial may try another."""
        self.emit(
            Event.FAILED,
            epoch=self.reported_epoch,
            error_class=WORKER_LOST,
            message=message,
        )
