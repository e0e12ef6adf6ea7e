"""Train a recorded stage again on one worker, as far as it is on record."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpe.phases.phase import PhaseSpec
from trainables.assignment import Assignment, Directive
from trainables.clean_room import CleanRoom
from trainables.saved_states import History
from trainables.stages import StageStore
from trainables.training import DataOpener, Failure, Seat, failure_of, train_stage
from trainables.worker_group import News

Epochs = Mapping[int, Mapping[str, float]]
"""Epoch -> metrics."""


@dataclass(frozen=True)
class Work:
    """A stage, and what every worker that trains it needs to know.

    Attributes:
        assignment: The stage.
        store: Where the stage store lies.
        threads: Threads that a worker computes with.
        stop_after: The epoch after which the stage was stopped; None where it went to its end.
        lineage: By whom it is trained, for the manifest.
    """

    assignment: Assignment
    store: Path
    threads: int
    stop_after: int | None
    lineage: Mapping[str, Any]


@dataclass(frozen=True)
class TrainedAgain:
    """What a stage came to.

    Attributes:
        epochs: Its epochs, from the first.
        failure: What ended it, if something did.
    """

    epochs: Epochs
    failure: Failure | None = None


class _Desk:
    """Takes down what a stage reports, and ends it after its last recorded epoch."""

    def __init__(self, stop_after: int | None) -> None:
        self._stop_after = stop_after
        self.epochs: dict[int, Mapping[str, float]] = {}

    def begin(self, epoch: int, history: History) -> Directive:
        self._take(history)
        done = self._stop_after is not None and epoch >= self._stop_after
        return Directive.ABANDON if done else Directive.CONTINUE

    def working(self, beat: int, on_batches: bool) -> None:
        del beat, on_batches  # nobody watches over this process

    def report(self, epochs: News) -> Directive:
        self.epochs |= {epoch: dict(metrics) for epoch, metrics in epochs}
        return Directive.ABANDON if epochs[-1][0] == self._stop_after else Directive.CONTINUE

    def finish(self, history: History) -> None:
        self._take(history)

    def _take(self, history: History) -> None:
        self.epochs |= {entry["epoch"]: entry["metrics"] for entry in history}


def train_again(
    work: Work,
    seat: Seat,
    room: CleanRoom,
    *,
    phases: Mapping[str, PhaseSpec],
    open_data: DataOpener,
) -> TrainedAgain:
    """Train a stage in this process, made as good as new, with the seed that a worker had.

    Args:
        work: The stage.
        seat: The worker's place among those that train it.
        room: Of this process.
        phases: The phases by name.
        open_data: Opens the stage's data set.
    """
    desk = _Desk(work.stop_after)
    room.restore(work.assignment.stage.seed)
    try:
        train_stage(
            work.assignment,
            store=StageStore(work.store),
            phases=phases,
            open_data=open_data,
            desk=desk,
            seat=seat,
            lineage=work.lineage,
        )
    except (Exception, SystemExit) as error:  # noqa: BLE001  an edge: compared with the record
        return TrainedAgain(desk.epochs, failure_of(error))
    finally:
        room.release()
    return TrainedAgain(desk.epochs)
