"""Whether what a trial was trained with is what is here: code, packages, data, workers, device."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpe.outside_files import outside_files
from hpe.phases.phase import PhaseSpec
from sweep.lineage import PROJECT, SHA_CHARS, Commit, code_commands, read_commit
from sweep.messages import shown_path
from sweep.trial_record import TrialRecord
from trainables.assignment import Stage
from trainables.keys import Execution, installed_libraries, stage_key
from trainables.libraries import NUMERIC_LIBRARIES

SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Difference:
    """One thing that is not what it was.

    Attributes:
        what: It.
        then: What it was.
        here: What it is.
        undo: Commands that put it back; none where that takes more than commands.
    """

    what: str
    then: str
    here: str
    undo: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.what}: {self.then} then, {self.here} here"


def execution_then(record: TrialRecord) -> Execution:
    """Return what of the machine entered the keys of a recorded trial."""
    return Execution(world_size=record.slot.workers, device="cuda" if record.slot.gpus else "cpu")


def differences(
    record: TrialRecord,
    stages: Sequence[Stage],
    *,
    digest: str,
    execution: Execution,
    phases: Mapping[str, PhaseSpec],
) -> list[Difference]:
    """Return all that makes a retrained trial another computation than the recorded one.

    Args:
        record: The trial.
        stages: Its stages as they are here (`sweep.retraining.stages_here`).
        digest: Of the data set here.
        execution: What it is to be trained on here.
        phases: The phases by name.
    """
    return [
        *_of_code(record, stages, phases),
        *_of_packages(record),
        *_of_data(record, digest),
        *_of_execution(execution_then(record), execution),
    ]


def remarks(record: TrialRecord, machine: Mapping[str, Any]) -> Iterator[str]:
    """Yield what may make the last bits differ though the computation is the same.

    Args:
        record: The trial.
        machine: This machine, as lineage has it.
    """
    then: Mapping[str, Any] = record.lineage.get("hardware") or {}
    for name in ("host", "system", "python"):
        if name in then and then[name] != machine.get(name):
            yield f"{name}: {then[name]} then, {machine.get(name)} here"
    here = record.slot.threads
    for stage in record.trial.stages:
        if stage.started_s is None:
            continue
        trained_with = {slot.threads for slot in (stage.slot, *(slot for slot, _ in stage.earlier))}
        for threads in sorted(trained_with - {here}):
            yield f"threads: {stage.label} was trained with {threads} then, with {here} here"


def _of_code(
    record: TrialRecord, stages: Sequence[Stage], phases: Mapping[str, PhaseSpec]
) -> Iterator[Difference]:
    """Yield a difference where keys differ that are made of everything else as recorded."""
    recorded = {stage.key: record.trial.stage(stage.label).key for stage in stages}
    changed, names_files = [], False
    for stage in stages:
        config = phases[stage.phase].config.model_validate(dict(stage.config))
        key = stage_key(
            spec=phases[stage.phase],
            phase=stage.phase,
            config=config,
            parents={name: recorded.get(key, key) for name, key in stage.parents.items()},
            data_digest=_digest(record) or stage.data["digest"],
            seed=stage.seed,
            execution=execution_then(record),
            libraries=_libraries(record),
        )
        if key != recorded[stage.key]:
            changed.append(stage.label)
            names_files |= any(outside_files(config))
    if changed:
        what = "code, or files that settings name," if names_files else "code"
        here = read_commit(PROJECT)
        undo = () if names_files else _code_back(record, here)
        yield Difference(
            f"{what} of {', '.join(changed)}", _commit(record), _commit_here(here), undo
        )


def _code_back(record: TrialRecord, here: Commit | None) -> Sequence[str]:
    """Return commands that bring the recorded code back; none where they would lose work here."""
    git: Mapping[str, Any] = record.lineage.get("git") or {}
    if here is None or here.dirty or (git.get("dirty") and record.changes is None):
        return ()
    return code_commands(record.lineage, record.folder)


def _of_packages(record: TrialRecord) -> Iterator[Difference]:
    then, here = _libraries(record), installed_libraries()
    for name in NUMERIC_LIBRARIES.values():
        if then[name] != here[name]:
            released = str(then[name] or "").partition("+")[0]  # a build of it is the machine's own
            undo = [f"pip install {name}=={released}"] if released else []
            yield Difference(f"package {name}", str(then[name]), str(here[name]), undo)


def _of_data(record: TrialRecord, digest: str) -> Iterator[Difference]:
    known = _digest(record)
    if known is not None and known != digest:
        yield Difference("data digest", known[:SHOWN_DIGITS], digest[:SHOWN_DIGITS])


def _of_execution(then: Execution, here: Execution) -> Iterator[Difference]:
    if then.world_size != here.world_size:
        yield Difference("workers", str(then.world_size), str(here.world_size))
    if then.device != here.device:
        yield Difference("device", then.device, here.device)


def _libraries(record: TrialRecord) -> dict[str, str | None]:
    """Return the recorded versions; what an old journal does not name is taken to be as here."""
    packages: Mapping[str, str | None] = record.lineage.get("packages") or {}
    here = installed_libraries()
    return {name: packages.get(name, here[name]) for name in here}


def _digest(record: TrialRecord) -> str | None:
    data: Mapping[str, str] = record.lineage.get("data") or {}
    return data.get("digest")


def _commit(record: TrialRecord) -> str:
    git: Mapping[str, Any] = record.lineage.get("git") or {}
    told = _told(git.get("commit"), dirty=bool(git.get("dirty")))
    return told if record.changes is None else f"{told} ({shown_path(record.changes)})"


def _commit_here(commit: Commit | None) -> str:
    return _told(None, dirty=False) if commit is None else _told(commit.sha, dirty=commit.dirty)


def _told(sha: str | None, *, dirty: bool) -> str:
    if sha is None:
        return "no git commit"
    return f"commit {sha[:SHA_CHARS]}{' with changes' if dirty else ''}"
