"""Train a recorded trial again, stage by stage, as the workers of a slot would."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from hpe.phases.phase import PhaseSpec
from sweep.local_workers import WorkerGroup, train_with_workers
from sweep.stage_again import Epochs, Work, train_again
from sweep.trial_record import TrialRecord
from sweep.trials import StageEntry, TrialState
from trainables.assignment import Assignment, Stage
from trainables.clean_room import CleanRoom
from trainables.keys import Execution
from trainables.plans import make_stages, parse_plan
from trainables.stages import StageStore
from trainables.training import DataOpener, Failure


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
    group: WorkerGroup,
    phases: Mapping[str, PhaseSpec],
    open_data: DataOpener,
) -> Retrained:
    """Train the stages of a trial as far as they are on record.

    Every stage begins in a process as good as new, with the threads and the seed that a worker
    had: one worker's in this one, several workers' in processes of their own.

    Args:
        record: The trial.
        stages: From `stages_here`.
        store: Where to; what it holds of these stages already is not trained again.
        group: Who trains; several find phases and data by its names.
        phases: The phases by name.
        open_data: Opens the data set of a stage.
    """
    room = CleanRoom(threads=record.slot.threads)
    epochs: dict[str, Epochs] = {}
    for stage in stages:
        entry = record.trial.stage(stage.label)
        fails_here = record.trial.state is TrialState.FAIL and _may_fail_in(record, entry)
        if not entry.epochs and not fails_here:
            break  # it was stopped before
        work = Work(
            assignment=Assignment(trial=record.trial.number, attempt=1, stage=stage),
            store=store.root,
            threads=record.slot.threads,
            stop_after=None if fails_here else _stop_after(entry),
            lineage={"replayed": record.study.name, "trial": record.trial.number},
        )
        if group.size > 1:
            trained = train_with_workers(work, group=group)
        else:
            trained = train_again(work, group.seat(0), room, phases=phases, open_data=open_data)
        epochs[stage.label] = trained.epochs
        if trained.failure is not None:
            return Retrained(epochs, trained.failure, stage.label)
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
