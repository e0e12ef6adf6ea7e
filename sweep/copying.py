"""Moving a study's results between a folder of this machine and a place somewhere else.

Stages go first, each with its manifest last, then the study's own files: whoever finds a journal
finds what it names. Every file is compared with the sum its stage's manifest states. What an
interrupted copy brought is not copied again.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.folders import RunsDir, StudyDir
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.lock import driver_lock
from sweep.messages import shown_path
from sweep.places import Place
from sweep.reachability import given_stages, stages_of
from sweep.references import told_numbers
from sweep.runs_lock import in_use
from sweep.shared_storage import STAGES
from sweep.study import NAME_PATTERN
from trainables.manifest import MANIFEST, read_manifest, verified
from trainables.remote_folder import checked_name
from trainables.stages import StageStore

_KEY = re.compile(r"[0-9a-f]{64}")
_TRIAL = re.compile(r"(?P<study>[^/]+)(?:/(?P<trial>[0-9]+))?")

ManifestOf = Callable[[str], dict[str, Any] | None]


@dataclass(frozen=True)
class Wanted:
    """A study, or one trial of it."""

    study: str
    trial: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Wanted":
        """Return what `STUDY` or `STUDY/TRIAL` names.

        Raises:
            ValueError: If it is neither.
        """
        match = _TRIAL.fullmatch(text)
        if match is None or not re.fullmatch(NAME_PATTERN, match["study"]):
            raise ValueError(f"{text}: this is neither STUDY nor STUDY/TRIAL.")
        return cls(match["study"], None if match["trial"] is None else int(match["trial"]))


@dataclass(frozen=True)
class Copied:
    """What a copy did: stages that were copied, and those that were there before."""

    copied: int
    present: int


def bring(wanted: Wanted, place: Place, runs: RunsDir) -> Copied:
    """Copy results into a runs folder of this machine.

    Raises:
        ValueError: If they are not there, are damaged, or would replace other results.
    """
    store, target = StageStore(runs.stages), runs.study(wanted.study)
    with in_use(runs), _scratch(runs) as scratch:
        place.fetch([wanted.study], scratch)
        incoming = StudyDir(scratch / wanted.study)
        keys = _named(incoming, wanted)

        def manifest_of(key: str) -> dict[str, Any] | None:
            place.fetch([f"{STAGES}/{key}/{MANIFEST}"], scratch)
            folder = scratch / STAGES / key
            return read_manifest(folder) if (folder / MANIFEST).exists() else None

        counts = {True: 0, False: 0}
        for key, manifest in _with_parents(keys, manifest_of):
            is_new = not store.is_committed(key)
            counts[is_new] += 1
            if is_new:
                _bring_stage(key, manifest, place, runs, scratch / STAGES / key / MANIFEST)
        target.root.mkdir(parents=True, exist_ok=True)
        with driver_lock(target.lock):
            _refuse_other(ours=target, theirs=incoming)
            for path in (incoming.lock, incoming.scratch):
                _remove(path)
            shutil.copytree(incoming.root, target.root, dirs_exist_ok=True)
    return Copied(copied=counts[True], present=counts[False])


def send(wanted: Wanted, runs: RunsDir, place: Place) -> Copied:
    """Copy results of a runs folder of this machine somewhere else.

    Raises:
        ValueError: If they are not here, are damaged, or would replace other results.
    """
    store, source = StageStore(runs.stages), runs.study(wanted.study)
    with in_use(runs), _scratch(runs) as scratch:
        keys = _named(source, wanted)
        place.fetch([f"{wanted.study}/{source.journal.name}"], scratch)
        _refuse_other(ours=StudyDir(scratch / wanted.study), theirs=source)

        def manifest_of(key: str) -> dict[str, Any] | None:
            return store.manifest(key) if store.is_committed(key) else None

        counts = {True: 0, False: 0}
        for key, manifest in _with_parents(keys, manifest_of):
            store.files(key)  # all here, and as committed
            last = f"{STAGES}/{key}/{MANIFEST}"
            is_new = bool(place.differing([last], runs.root))
            counts[is_new] += 1
            if is_new:
                _send(place, [f"{STAGES}/{key}/{name}" for name in manifest["files"]], runs.root)
                _send(place, [last], runs.root)
        _send(place, list(_files_of(source, runs.root)), runs.root)
    return Copied(copied=counts[True], present=counts[False])


def _bring_stage(
    key: str, manifest: dict[str, Any], place: Place, runs: RunsDir, stated: Path
) -> None:
    names = [checked_name(name) for name in manifest["files"]]
    place.fetch([f"{STAGES}/{key}/{name}" for name in names], runs.root)
    folder = runs.stages / key
    verified(folder, manifest, names)
    shutil.copyfile(stated, folder / f"{MANIFEST}.part")
    (folder / f"{MANIFEST}.part").replace(folder / MANIFEST)


def _send(place: Place, names: Sequence[str], source: Path) -> None:
    place.send(names, source)
    differing = place.differing(names, source)
    if differing:
        raise ValueError(f"{differing[0]} is not there as it is here; copy again.")


def _named(study: StudyDir, wanted: Wanted) -> set[str]:
    """Return the stages that a study names, or one trial of it."""
    if not study.journal.exists():
        raise ValueError(f"{wanted.study}: there is no such study where it is copied from.")
    records = read_journal(study.journal)
    ledger = Ledger(records)
    if wanted.trial is None:
        keys = stages_of(ledger)
    else:
        trial = ledger.find(wanted.trial)
        if trial is None:
            name, told = f"{wanted.study}/{wanted.trial}", told_numbers(ledger)
            raise ValueError(f"{name}: there is no such trial; it has {told}.")
        keys = {stage.key for stage in trial.stages}
    return {key for key in keys | given_stages(records) if _KEY.fullmatch(key)}


def _with_parents(
    keys: Iterable[str], manifest_of: ManifestOf
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the finished stages among these and all they were built on, parents first."""
    seen: set[str] = set()

    def visit(key: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if key in seen or not _KEY.fullmatch(key):
            return
        seen.add(key)
        manifest = manifest_of(key)
        if manifest is None:
            return  # not finished
        for parent in manifest["stage"].get("parents", {}).values():
            yield from visit(parent)
        yield key, manifest

    for key in sorted(keys):
        yield from visit(key)


def _refuse_other(*, ours: StudyDir, theirs: StudyDir) -> None:
    """Refuse to replace a study by one that is not the same, further on."""
    if not ours.journal.exists():
        return
    known = ours.journal.read_bytes()
    known = known[: known.rfind(b"\n") + 1]  # the last record may be half of one
    if not theirs.journal.read_bytes().startswith(known):
        raise ValueError(
            f"{theirs.root.name}: there is a study of this name with results that the one to be "
            f"copied has not; rename or delete one of them."
        )


def _files_of(study: StudyDir, root: Path) -> Iterator[str]:
    """Yield the names of a study's own files, its journal last."""
    files = sorted(study.root.rglob("*"), key=lambda path: (path == study.journal, path))
    for path in files:
        if path.is_file() and path != study.lock and not path.is_relative_to(study.scratch):
            yield path.relative_to(root).as_posix()


@contextmanager
def _scratch(runs: RunsDir) -> Iterator[Path]:
    """Make a folder beside the studies for what has not been looked at yet."""
    if not runs.root.is_dir():
        raise ValueError(f"{shown_path(runs.root)}: there is no such folder.")
    with tempfile.TemporaryDirectory(prefix=".copying-", dir=runs.root) as folder:
        yield Path(folder)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
