"""What people call a finished or unfinished stage: a key, STUDY/TRIAL, or an MLflow run's id."""

import re
from collections.abc import Collection

from sweep.folders import RunsDir
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.trials import Trial
from trainables.stages import StageStore

_STAGE_KEY = re.compile(r"[0-9a-f]{8,64}")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TRIAL = re.compile(r"(?P<study>[A-Za-z0-9][A-Za-z0-9._-]*)/(?P<number>[0-9]+)")


def is_stage_key(text: str) -> bool:
    """Say whether a text may be a stage's key, or the first eight or more digits of one."""
    return _STAGE_KEY.fullmatch(text) is not None


def stage_like(store: StageStore, prefix: str) -> str | None:
    """Return the key of the stage, finished or not, that begins so; None if there is none.

    Raises:
        ValueError: If there are several.
    """
    names = [path.name for path in store.root.glob(f"{prefix}*") if path.is_dir()]
    found = [name for name in names if is_stage_key(name)]
    if len(found) > 1:
        raise ValueError(f"{prefix}: {len(found)} stages begin so; give more of the key.")
    return found[0] if found else None


def named_trial(text: str) -> tuple[str, int] | None:
    """Return the study and the number that `STUDY/TRIAL` names; None for anything else."""
    found = _TRIAL.fullmatch(text)
    return None if found is None else (found["study"], int(found["number"]))


def named_study(text: str, runs: RunsDir) -> Ledger | None:
    """Return what the journal of the study of this name tells; None if there is no such study."""
    if _STUDY.fullmatch(text) is None or not runs.study(text).journal.is_file():
        return None
    return Ledger(read_journal(runs.study(text).journal))


def recorded_trial(runs: RunsDir, study: str, number: int) -> tuple[Ledger, Trial]:
    """Return a trial or a replicate, and all that its study's journal tells.

    Raises:
        ValueError: If there is no such study, or no such trial in it.
    """
    journal = runs.study(study).journal
    if not journal.is_file():
        raise ValueError(f"{runs.root} has no study {study!r}.")
    ledger = Ledger(read_journal(journal))
    trial = ledger.find(number)
    if trial is None:
        raise ValueError(f"{study} has no trial {number}; it has {told_numbers(ledger)}.")
    return ledger, trial


def told_numbers(ledger: Ledger) -> str:
    """Return which trials there are, and which replicates."""
    text = _span(ledger.trials) if ledger.trials else "none"
    if ledger.replicates:
        text += f" and replicates {_span(ledger.replicates)}"
    return text


def _span(numbers: Collection[int]) -> str:
    first, last = min(numbers), max(numbers)
    return f"{first} to {last}" if last > first else str(first)


def key_of_run(text: str, *labels: str, tracking_uri: str) -> str | None:
    """Return the key of the stage that an MLflow run shows; None if this is no run's id.

    Args:
        text: The id of the run of a phase or of a trial.
        labels: The plan labels that are meant of a trial.
        tracking_uri: Where runs are.

    Raises:
        ValueError: As `sweep.run_lookup.stage_key_of_run` does.
    """
    if _RUN_ID.fullmatch(text) is None:
        return None
    # MLflow takes seconds to import, and only this form needs it.
    from sweep.run_lookup import stage_key_of_run  # noqa: PLC0415

    return stage_key_of_run(tracking_uri, text, *labels)
