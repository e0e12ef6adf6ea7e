"""What a study's journal says of one trial: what it ran, on what, and what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.continuation import recorded_study
from sweep.folders import RunsDir, StudyDir
from sweep.journal import read_journal
from sweep.ledger import Ledger, Record
from sweep.references import told_numbers
from sweep.slot_time import Slot
from sweep.study import Study
from sweep.trials import Trial


@dataclass(frozen=True)
class TrialRecord:
    """A trial with what was on record when it was trained.

    Attributes:
        study: The study as last recorded, with every arm it has had.
        folder: Where the journal lies.
    """

    study: Study
    trial: Trial
    folder: StudyDir

    @property
    def lineage(self) -> Mapping[str, Any]:
        """Return that of the session which trained or reused a stage of it last."""
        return self.trial.lineage

    @property
    def changes(self) -> Path | None:
        """Return the patch of what its code differed from the commit in, if it was kept."""
        digest = (self.lineage.get("git") or {}).get("changes")
        path = None if digest is None else self.folder.changes(digest)
        return path if path is not None and path.is_file() else None

    @property
    def plan(self) -> Sequence[str]:
        """Return the phases of its plan, those that weights stood for included."""
        arm = self.study.arms.get(self.trial.arm or "")
        return (arm.plan if arm is not None else None) or self.study.plan

    @property
    def slot(self) -> Slot:
        """Return the slot that it was trained on last."""
        return Slot.of(self.lineage)


def journal_of(reference: str, runs: RunsDir) -> Path:
    """Return the journal that is meant: a study of the runs folder, or a journal brought along.

    Args:
        reference: A study's name, the folder of one, or the path of a journal.
        runs: Where names are looked for.

    Raises:
        ValueError: If there is no such journal.
    """
    path = Path(reference)
    for journal in (runs.study(reference).journal, StudyDir(path).journal, path):
        if journal.is_file():
            return journal
    known = ", ".join(study.root.name for study in runs.studies()) or "none"
    raise ValueError(
        f"{reference}: {runs.root} has no such study (there: {known}), and it is neither a journal "
        "nor a folder with one."
    )


def read_trial(journal: Path, reference: str) -> TrialRecord:
    """Return what a journal says of a trial.

    Args:
        journal: The study's journal.
        reference: `7`, or `7,1003`: what ran the same point as trial 7 with trial seed 1003, which
            may be a replicate.

    Raises:
        ValueError: If there is no such trial.
    """
    records = read_journal(journal)
    ledger, content = Ledger(records), recorded_study(records)
    if content is None:
        raise ValueError(f"{journal}: no study has begun there yet.")
    trial = _find(ledger, reference)
    return TrialRecord(
        study=Study.model_validate(content),
        trial=trial,
        folder=StudyDir(journal.parent),
    )


def records_of(records: Sequence[Record], number: int) -> list[Record]:
    """Return those of a journal's records from which `read_trial` comes to the same for a trial."""
    of_study = ("study", "session")
    return [
        record
        for record in records
        if record["kind"] in of_study or record.get("trial", record.get("number")) == number
    ]


def _find(ledger: Ledger, reference: str) -> Trial:
    number, comma, seed = reference.partition(",")
    if not number.isdigit() or (comma and not seed.isdigit()):
        raise ValueError(f"{reference}: must be a trial's number, or number,seed such as 7,1003.")
    trial = ledger.find(int(number))
    if trial is None:
        raise ValueError(f"there is no trial {number}; there are {told_numbers(ledger)}.")
    if not comma:
        return trial
    same = [other for other in ledger.everything() if _is_same_point(other, trial)]
    for other in same:
        if other.seed == int(seed):
            return other
    seeds = ", ".join(str(other.seed) for other in same)
    raise ValueError(
        f"the point of trial {number} did not run with seed {seed}, only with {seeds}."
    )


def _is_same_point(other: Trial, trial: Trial) -> bool:
    if other.arm != trial.arm or (other.without or ()) != (trial.without or ()):
        return False
    return trial.arm is not None or other.params == trial.params
