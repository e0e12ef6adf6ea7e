"""Replaying a trial: what is here against what was then, training again, and what that says."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from hpe.data.opened import OpenedData
from hpe.phases.phase import PhaseSpec
from sweep.agreement import OBJECTIVE, Agreement, agreements
from sweep.folders import RunsDir
from sweep.local_workers import AS_IN_STUDIES, Names, WorkerGroup
from sweep.machine import see_machine
from sweep.messages import counted
from sweep.naming import metric_words, trial_name, with_unit
from sweep.retraining import retrain, stages_here
from sweep.sameness import Difference, differences, remarks
from sweep.trial_record import TrialRecord
from trainables.keys import Execution
from trainables.stages import StageStore

GPU_TOLERANCE = 0.02
"""Relative difference that counts as the same where a GPU is involved, whose sums have no order."""


@dataclass(frozen=True)
class Here:
    """What a trial is replayed with.

    Attributes:
        runs: Where stages lie that weights stand for.
        data: The opened data set.
        root: Its folder.
        phases: The phases by name.
        names: Where workers in processes of their own find phases and data.
    """

    runs: RunsDir
    data: OpenedData[Any]
    root: Path
    phases: Mapping[str, PhaseSpec]
    names: Names = AS_IN_STUDIES

    def workers(self, record: TrialRecord) -> WorkerGroup:
        """Return those that train a trial here: as many as then, on GPUs if there are enough.

        A machine with some GPUs, but fewer than workers, has one worker on one of them.
        """
        gpus = torch.cuda.device_count() if record.slot.gpus else 0
        size = 1 if 0 < gpus < record.slot.workers else record.slot.workers
        return WorkerGroup(size, "cuda" if gpus else "cpu", self.names)


@dataclass(frozen=True)
class Outcome:
    """What a replay says.

    Attributes:
        name: The trial.
        metric: What the study's objective is.
        agreements: Every number that was compared.
        tolerance: Relative difference that counts as the same.
        differences: What was not as it was then.
    """

    name: str
    metric: str
    agreements: tuple[Agreement, ...]
    tolerance: float
    differences: tuple[Difference, ...]

    @property
    def holds(self) -> bool:
        """Say whether the trial is reproduced."""
        return bool(self.agreements) and all(a.holds(self.tolerance) for a in self.agreements)

    @property
    def sentence(self) -> str:
        """Return the outcome in words."""
        count = sum(agreement.compared for agreement in self.agreements)
        other = [a.name for a in self.agreements if not a.holds(self.tolerance)]
        under = f" (although {'; '.join(map(str, self.differences))})" if self.differences else ""
        if not self.agreements:
            return f"{self.name} had reported nothing that could be compared."
        if other:
            differs = f"{self.name} differs in {', '.join(other)}"
            return f"NOT reproduced: {differs}{under}.{self._objective}"
        if all(agreement.is_equal for agreement in self.agreements):
            bit_equal = f"all {count} numbers of {self.name} are bit-equal"
            return f"Reproduced: {bit_equal}{under}.{self._objective}"
        worst = max(agreement.relative for agreement in self.agreements)
        return (
            f"Reproduced: all {count} numbers of {self.name} are within {self.tolerance:g} of what "
            f"they were, the farthest by {worst:.2g}{under}.{self._objective}"
        )

    @property
    def _objective(self) -> str:
        """Return a sentence on what the objective has come to now, if it has."""
        row = next((a for a in self.agreements if a.name == OBJECTIVE), None)
        if row is None or row.value is None:
            return ""
        words = metric_words(self.metric, unit=False)
        return f" It came to {with_unit(row.value, self.metric)} {words}."


def replay(
    record: TrialRecord,
    here: Here,
    *,
    folder: Path,
    anyway: bool,
    tolerance: float | None,
    tell: Callable[[str], None],
) -> Outcome:
    """Train a recorded trial again and compare it.

    Args:
        record: The trial.
        here: What there is to train it with.
        folder: Where its stages go.
        anyway: Train even if it is another computation now.
        tolerance: Relative difference that counts as the same; None: 0 on CPUs, `GPU_TOLERANCE`
            where a GPU is or was used.
        tell: Shows what happens.

    Raises:
        ValueError: If it cannot be trained here, or would be another computation and `anyway` is
            not set; it names what differs.
    """
    group = here.workers(record)
    execution = Execution(world_size=group.size, device=group.device)
    data = {"config": record.study.data, "root": str(here.root), "digest": here.data.digest}
    stages = stages_here(record, data=data, execution=execution, phases=here.phases)
    name = f"{trial_name(record.trial, many_seeds=True)} of {record.study.name}"
    found = differences(
        record, stages, digest=here.data.digest, execution=execution, phases=here.phases
    )
    if found and not anyway:
        lines = "\n".join(f"  {difference}" for difference in found)
        raise ValueError(
            f"{name} would be another computation here:\n{lines}\n"
            f"Put this back as it was{_by(found)}, or add --anyway to train it nevertheless."
        )
    for difference in found:
        tell(f"differs: {difference}")
    for remark in remarks(record, see_machine().to_json()):
        tell(f"remark: {remark}")
    store = StageStore(folder)
    _bring_given_weights(record, here, store)
    workers = f"{counted(group.size, 'worker')} with {counted(record.slot.threads, 'thread')}"
    tell(f"training {name} again on {group.device}, {workers}")
    replayed = retrain(
        record,
        stages,
        store=store,
        group=group,
        phases=here.phases,
        open_data=lambda _: here.data,
    )
    if tolerance is None:
        tolerance = GPU_TOLERANCE if record.slot.gpus else 0.0
    return Outcome(
        name,
        record.study.objective.metric,
        tuple(agreements(record, replayed)),
        tolerance,
        tuple(found),
    )


def table_of(outcome: Outcome) -> Table:
    """Return what was compared, a line for each metric."""
    table = Table(
        "compared", "epochs", "last value", "largest difference", "relative", "", box=None
    )
    for row in outcome.agreements:
        said = "bit-equal" if row.is_equal else "same" if row.holds(outcome.tolerance) else "OTHER"
        table.add_row(
            row.name,
            str(row.compared),
            "" if row.value is None else f"{row.value:.6g}",
            f"{row.apart:.3g}",
            f"{row.relative:.2g}" + (f" (epoch {row.epoch})" if row.epoch else ""),
            f"{said}: {row.missing}" if row.missing else said,
        )
    return table


def _by(found: Sequence[Difference]) -> str:
    commands = [command for difference in found for command in difference.undo]
    return f" (in the project's folder: `{' && '.join(commands)}`)" if commands else ""


def _bring_given_weights(record: TrialRecord, here: Here, store: StageStore) -> None:
    """Copy the stages that weights stand for, which no replay can train."""
    source = StageStore(here.runs.stages)
    for label, key in record.study.from_weights.items():
        if store.is_committed(key):
            continue
        if not source.is_committed(key):
            raise ValueError(
                f"{record.study.name} began with given weights for {label}, stage {key[:12]}, and "
                f"{source.root} does not have them: bring that folder along."
            )
        source.files(key)  # verified, and brought here where the store is a cache
        shutil.copytree(source.folder(key), store.folder(key))
