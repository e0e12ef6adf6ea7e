"""`--gc`: delete from a runs folder what no study needs any more; without `--yes`, only say what.

What the trials of any study name, and what that was built on, stays. A study that was deleted or
started over names nothing.
"""

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpe.whole_file import is_temporary
from sweep.folders import RunsDir
from sweep.messages import counted, shown_path, shown_size
from sweep.reachability import Reachable, reachable_stages
from sweep.runs_lock import alone_in
from trainables.claims import CLAIMS
from trainables.manifest import MANIFEST
from trainables.stages import CORRUPT, LOCKS, StageStore

UNNAMED = "finished stages that no study names"
ENDED = "unfinished stages that no trial goes on with"
DAMAGED = "stages that were set aside as damaged"
SURPLUS = "files that writers left in stages"
SCRATCH = "folders that drivers left"
REASONS = (UNNAMED, ENDED, DAMAGED, SURPLUS, SCRATCH)

_KEY = re.compile(r"[0-9a-f]{64}")
_SET_ASIDE = re.compile(rf"[0-9a-f]{{64}}{re.escape(CORRUPT)}[0-9a-f]+")


@dataclass(frozen=True)
class Waste:
    """Something that can go.

    Attributes:
        path: A file or a folder.
        reason: One of `REASONS`.
    """

    path: Path
    reason: str
    num_bytes: int


@dataclass(frozen=True)
class Collection:
    """What can go from a runs folder, and what stays."""

    waste: Sequence[Waste]
    reachable: Reachable


def collect(runs: RunsDir, *, delete: bool) -> Collection:
    """Return what can go from a runs folder, which this has to itself meanwhile.

    Args:
        runs: The folder.
        delete: Whether it goes now.

    Raises:
        ValueError: If there is no such folder or a driver is at work in it, or if a journal or a
            manifest cannot be read, so that it is not known what is needed.
    """
    if not runs.root.is_dir():
        raise ValueError(f"--runs-dir: there is no folder {shown_path(runs.root)}.")
    with alone_in(runs):
        collection = _plan(runs)
        if delete:
            for waste in collection.waste:
                _delete(waste.path)
            for locks in (LOCKS, CLAIMS):  # nobody holds any of them now
                shutil.rmtree(runs.stages / locks, ignore_errors=True)
    return collection


def _plan(runs: RunsDir) -> Collection:
    try:
        reachable = reachable_stages(runs)
    except OSError as error:
        raise ValueError(f"{error}. Nothing was deleted.") from error
    except ValueError as error:
        raise ValueError(f"{error}\nNothing was deleted.") from error
    waste = [*_stage_waste(runs, reachable), *_scratch(runs)]
    return Collection(waste=waste, reachable=reachable)


def describe_collection(collection: Collection, runs: RunsDir, *, deleted: bool) -> str:
    """Return in lines what stays, by study, and what went or would go, by reason."""
    going = {waste.path.name for waste in collection.waste if waste.path.parent == runs.stages}
    stages = {study: keys - going for study, keys in collection.reachable.finished.items()}
    users = Counter(key for keys in stages.values() for key in keys)
    sizes = {key: _size(runs.stages / key) for key in users}
    rows = []
    for study, keys in stages.items():
        here = [key for key in keys if sizes[key]]
        shared = sum(users[key] > 1 for key in here)
        size = shown_size(sum(sizes[key] for key in here))
        also = f", {shared} of them shared with other studies" if shared else ""
        rows.append(f"  {study}: {size} in {counted(len(here), 'stage')}{also}")
    total = shown_size(sum(sizes.values()))
    lines = [f"{shown_path(runs.root)}: {total} of stages stay", *rows]
    verb = "deleted" if deleted else "can go"
    lines.append(f"{shown_size(sum(waste.num_bytes for waste in collection.waste))} {verb}")
    for reason in REASONS:
        found = [waste for waste in collection.waste if waste.reason == reason]
        if found:
            size = shown_size(sum(waste.num_bytes for waste in found))
            lines.append(f"  {len(found)} {reason}: {size}")
    return "\n".join(lines)


def _stage_waste(runs: RunsDir, reachable: Reachable) -> Iterator[Waste]:
    if not runs.stages.is_dir():
        return
    store, named = StageStore(runs.stages), reachable.named
    for path in sorted(runs.stages.iterdir()):
        if is_temporary(path):
            yield _waste(path, SURPLUS)
        elif _SET_ASIDE.fullmatch(path.name):
            yield _waste(path, DAMAGED)
        elif not _KEY.fullmatch(path.name):
            continue  # not the store's: it may be anything
        elif store.is_committed(path.name):
            if path.name in named:
                yield from _surplus(path, {MANIFEST, *store.manifest(path.name)["files"]})
            else:
                yield _waste(path, UNNAMED)
        elif path.name in reachable.unfinished:
            yield from (_waste(file, SURPLUS) for file in path.rglob("*") if is_temporary(file))
        else:
            yield _waste(path, ENDED)


def _surplus(stage: Path, files: set[str]) -> Iterator[Waste]:
    """Yield the files of a finished stage that do not belong to it."""
    for path in sorted(stage.rglob("*")):
        if path.is_file() and path.relative_to(stage).as_posix() not in files:
            yield _waste(path, SURPLUS)


def _scratch(runs: RunsDir) -> Iterator[Waste]:
    """Yield what Ray kept for drivers that were killed; none is at work now."""
    folders = [runs.train_scratch, *(study.scratch for study in runs.studies())]
    for folder in folders:
        if folder.is_dir():
            yield from (_waste(path, SCRATCH) for path in sorted(folder.iterdir()))


def _waste(path: Path, reason: str) -> Waste:
    return Waste(path, reason, _size(path))


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; 0 if there is neither."""
    if path.is_symlink() or path.is_file():
        return path.lstat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


def _delete(path: Path) -> None:
    """Delete a file or folder; of a stage the manifest first, so that it never looks finished."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path)
