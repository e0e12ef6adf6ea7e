"""Whether a study may go on in a folder that it has: what changed, and what that means."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.folders import StudyDir
from sweep.ledger import Record
from sweep.lock import driver_lock
from sweep.messages import shown_path
from sweep.study import Study
from sweep.tree import flattened

FREE_PATHS = (
    "question",
    "search/trials",
    "final",
    "ablation",
    "budget",
    "storage",
    "slots/count",
    "slots/max",
    "slots/gpu",
    "slots/accelerator",
    "max_failed",
    "sizes",
)
"""What may change: it says how long and where a study runs, not what any of its trials is."""

_ABSENT = object()


def recorded_study(records: Sequence[Record]) -> dict[str, Any] | None:
    """Return the study that a journal is of, with every arm it has ever had, or None.

    A driver that weights were given to recorded it without the arms that they made equal. Keys that
    came to studies after this one was recorded have the values that stand for their absence.
    """
    studies = [record["study"] for record in records if record["kind"] == "study"]
    if not studies:
        return None
    arms = {name: arm for study in studies for name, arm in study["arms"].items()}
    return Study.model_validate({**studies[-1], "arms": arms}).model_dump(mode="json")


@dataclass(frozen=True)
class Change:
    """One value that is not what it was."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.old)} -> {_shown(self.new)}"


def changes(old: Mapping[str, Any], new: Study, *, left_out: Collection[str] = ()) -> list[Change]:
    """Return what changed since a study began and keeps it from going on.

    Added arms are no such change: they are trials still to run.

    Args:
        old: The study as resolved when it began, as JSON data.
        new: The study as resolved now.
        left_out: Arms that it still has and that are not run now.
    """
    before = dict(flattened(old))
    after = dict(flattened(new.model_dump(mode="json")))
    compared = set(old.get("arms", {})) - set(left_out)
    return [
        Change(path, before.get(path, _ABSENT), after.get(path, _ABSENT))
        for path in sorted({*before, *after})
        if before.get(path, _ABSENT) != after.get(path, _ABSENT)
        and not _is_free(path)
        and not _is_of_other_arm(path, compared)
    ]


def refuse_changed(
    records: Sequence[Record], study: Study, *, folder: str, left_out: Collection[str] = ()
) -> None:
    """Refuse to go on in a journal whose study is another one now.

    Raises:
        ValueError: If so, with each change and the two ways on.
    """
    known, name = recorded_study(records), study.name
    found = [] if known is None else changes(known, study, left_out=left_out)
    if not found:
        return
    lines = "\n".join(f"  {change}" for change in found)
    raise ValueError(
        f"{folder}: the study is not what it was when it began here:\n{lines}\n"
        f"Either put this back to continue it, or start it over with --fresh --yes, which deletes "
        f"{folder} but no trained stage. (--set name={name}_2 runs the changed one beside it.)"
    )


def refuse_other_data(lineage: Mapping[str, Any], digest: str, *, folder: str) -> None:
    """Refuse to go on with other data than the trials so far were trained on.

    Raises:
        ValueError: If the data's digest is not the one on record.
    """
    known = lineage.get("data", {}).get("digest")
    if known is not None and known != digest:
        raise ValueError(
            f"{folder}: the data set is not the one this study began with: its digest was "
            f"{known[:16]}, now it is {digest[:16]}. Either put the old data back (or the old "
            f"version of this program, if the data is rendered), or start the study over with "
            f"--fresh --yes."
        )


def refuse_fresh(folder: StudyDir, *, yes: bool) -> None:
    """Refuse to start over without `--yes`, or where there is something else than a study.

    Raises:
        ValueError: If so, with what would be deleted.
    """
    root = folder.root
    if not root.exists():
        return
    if root.is_symlink() or not (folder.journal.exists() or folder.lock.exists()):
        raise ValueError(f"--fresh: {shown_path(root)} is not the folder of a study; move it away.")
    if not yes:
        names = ", ".join(sorted(path.name for path in root.iterdir()))
        raise ValueError(
            f"--fresh: this deletes {shown_path(root)} ({names}); add --yes if that is meant. "
            f"Trained stages are kept and used again."
        )


def start_over(folder: StudyDir) -> None:
    """Delete everything of a study except its lock, which is held meanwhile.

    Raises:
        StudyInUse: If another driver runs the study.
    """
    if not folder.root.exists():
        return
    with driver_lock(folder.lock):
        for path in folder.root.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != folder.lock:
                path.unlink()


def _is_free(path: str) -> bool:
    return any(path == free or path.startswith(f"{free}/") for free in FREE_PATHS)


def _is_of_other_arm(path: str, compared: set[str]) -> bool:
    head, _, rest = path.partition("/")
    return head == "arms" and rest.split("/", 1)[0] not in compared


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "(not set)"
    return "null" if value is None else str(value)
