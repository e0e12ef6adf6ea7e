"""Train a recorded trial again, in this process, as a worker of a slot would."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError

from hpe.phases.phase import PhaseSpec
from sweep.trial_record import TrialRecord
from sweep.trials import StageEntry, TrialState
from trainables.assignment import Assignment, Directive, Stage
from trainables.clean_room import CleanRoom
from trainables.keys import Execution
from trainables.plans import make_stages, parse_plan
from trainables.saved_states import History
from trainables.stages import StageStore
from trainables.training import DataOpener, Failure, Seat, failure_of, train_stage

Epochs = Mapping[int, Mapping[str, float]]
"""Epoch -> metrics."""


@dataclass(frozen=True)
class Retrained:
    """What training again came to.

    Attributes:
        epochs: Plan label -> the epochs of its stage.
        failure: What ended it before its plan, if something did.
        failed_in: The label of that stage.
    """

    epochs: Mapping[str, Epochs]
    failure: Failure | None = None
    failed_in: str | None = None


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

    def report(self, epoch: int, metrics: Mapping[str, float]) -> Directive:
        self.epochs[epoch] = dict(metrics)
        return Directive.ABANDON if epoch == self._stop_after else Directive.CONTINUE

    def finish(self, history: History) -> None:
        self._take(history)

    def _take(self, history: History) -> None:
        self.epochs |= {entry["epoch"]: entry["metrics"] for entry in history}


def stages_here(
    record: TrialRecord,
    *,
    data: Mapping[str, Any],
    execution: Execution,
    phases: Mapping[str, PhaseSpec],
) -> tuple[Stage, ...]:
    """Return the recorded stages with the keys that they have here.

    Args:
        record: The trial.
        data: `{"config", "root", "digest"}` of the data set here.
        execution: What it is to run on here.
        phases: The phases by name.

    Raises:
        ValueError: If the code here does not know its phases or settings any more.
    """
    plan = parse_plan(record.plan, phases)
    entries = {entry.label: entry for entry in record.trial.stages}
    configs = {}
    for label, entry in entries.items():
        try:
            configs[label] = phases[entry.phase].config.model_validate(dict(entry.config))
        except (KeyError, ValidationError) as error:
            raise ValueError(f"the code here cannot take {label}'s settings: {error}") from None
    return make_stages(
        plan,
        configs,
        data=data,
        seed=record.trial.seed,
        execution=execution,
        imported=record.study.from_weights,
    )


def retrain(
    record: TrialRecord,
    stages: Sequence[Stage],
    *,
    store: StageStore,
    phases: Mapping[str, PhaseSpec],
    open_data: DataOpener,
    device: torch.device,
) -> Retrained:
    """Train the stages of a trial as far as they are on record.

    Every stage begins in a process as good as new, with the threads and the seed that a worker
    had.

    Args:
        record: The trial.
        stages: From `stages_here`.
        store: Where to; what it holds of these stages already is not trained again.
        phases: The phases by name.
        open_data: Opens the data set of a stage.
        device: Where to train.
    """
    room = CleanRoom(threads=record.threads)
    epochs: dict[str, Epochs] = {}
    for stage in stages:
        entry = record.trial.stage(stage.label)
        fails_here = record.trial.state is TrialState.FAIL and _may_fail_in(record, entry)
        if not entry.epochs and not fails_here:
            break  # it was stopped before
        desk = _Desk(None if fails_here else _stop_after(entry))
        room.restore(stage.seed)
        try:
            train_stage(
                Assignment(trial=record.trial.number, attempt=1, stage=stage),
                store=store,
                phases=phases,
                open_data=open_data,
                desk=desk,
                seat=Seat(rank=0, world_size=1, device=device),
                lineage={"replayed": record.study.name, "trial": record.trial.number},
            )
        except Exception as error:  # noqa: BLE001  an edge: how it ends is compared with the record
            epochs[stage.label] = desk.epochs
            return Retrained(epochs, failure_of(error), stage.label)
        finally:
            room.release()
        epochs[stage.label] = desk.epochs
    return Retrained(epochs)


def _may_fail_in(record: TrialRecord, entry: StageEntry) -> bool:
    """Say whether it was in this stage that the trial failed."""
    if record.trial.failed_in is not None:
        return record.trial.failed_in == entry.label
    return entry.status not in ("done", "reused")


def _stop_after(entry: StageEntry) -> int | None:
    """Return the epoch after which a stage was stopped; None where it went to its end."""
    if entry.status in ("done", "reused"):
        return None
    return max(epoch.epoch for epoch in entry.epochs)
