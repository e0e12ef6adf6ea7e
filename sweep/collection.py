"""`--gc`: delete from a runs folder what no study needs any more; without `--yes`, only say what.

What the trials of any study name, and what that was built on, stays. A study that was deleted or
started over names nothing. With `--storage`, what studies of other heads need stays too, and
whatever changed within the last hour (`sweep.remote_collection`).
"""

import math
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
from sweep.remote_collection import (
    RemoteWaste,
    delete_remote,
    reachable_elsewhere,
    remote_waste,
    settled_before_s,
)
from sweep.runs_lock import alone_in
from sweep.shared_storage import SharedStorage, storage_of
from sweep.waste import DAMAGED, ENDED, KEY, REASONS, SCRATCH, SURPLUS, UNNAMED
from trainables.admission import FOLDER as PREFLIGHT
from trainables.claims import CLAIMS
from trainables.manifest import MANIFEST
from trainables.stages import CORRUPT, LOCKS, StageStore

_SET_ASIDE = re.compile(rf"{KEY.pattern}{re.escape(CORRUPT)}[0-9a-f]+")


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
    """What can go from a runs folder, and what stays.

    Attributes:
        waste: What can go of the folder itself.
        reachable: What its studies need.
        storage: The object storage of which its stages are a cache, if they are.
        remote: What can go there.
    """

    waste: Sequence[Waste]
    reachable: Reachable
    storage: SharedStorage | None = None
    remote: Sequence[RemoteWaste] = ()

    @property
    def is_empty(self) -> bool:
        """Say whether nothing can go."""
        return not self.waste and not self.remote


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
            if not runs.stages.is_symlink():  # else other heads may hold some of them
                for locks in (LOCKS, CLAIMS):
                    shutil.rmtree(runs.stages / locks, ignore_errors=True)
            if collection.storage is not None:
                delete_remote(collection.storage, collection.remote)
    return collection


def _plan(runs: RunsDir) -> Collection:
    storage = storage_of(runs, None)
    try:
        reachable = reachable_stages(runs)
        needed = reachable if storage is None else reachable | reachable_elsewhere(storage)
        settled_s = math.inf
        if storage is not None and not storage.is_remote:
            settled_s = settled_before_s(storage)
            storage = None  # the folder itself is what heads share
        remote = () if storage is None else remote_waste(storage, needed)
    except OSError as error:
        raise ValueError(f"{error}. Nothing was deleted.") from error
    except ValueError as error:
        raise ValueError(f"{error}\nNothing was deleted.") from error
    stays = needed if storage is None else reachable  # of a cache others need nothing
    waste = [*_stage_waste(runs, stays, settled_s=settled_s), *_scratch(runs)]
    return Collection(waste=waste, reachable=reachable, storage=storage, remote=remote)


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
    lines += _describe_waste(collection.waste, verb)
    if collection.storage is not None:
        lines += _describe_waste(collection.remote, f"{verb} in {collection.storage.place}")
    return "\n".join(lines)


def _describe_waste(waste: Sequence[Waste] | Sequence[RemoteWaste], verb: str) -> Iterator[str]:
    yield f"{shown_size(sum(found.num_bytes for found in waste))} {verb}"
    for reason in REASONS:
        alike = [found.num_bytes for found in waste if found.reason == reason]
        if alike:
            yield f"  {len(alike)} {reason}: {shown_size(sum(alike))}"


def _stage_waste(runs: RunsDir, reachable: Reachable, *, settled_s: float) -> Iterator[Waste]:
    """Yield what can go of the stages, of those that changed before this time."""
    if not runs.stages.is_dir():
        return
    store, named = StageStore(runs.stages), reachable.named
    for path in sorted(runs.stages.iterdir()):
        if _changed_s(path) >= settled_s:
            continue
        if is_temporary(path):
            yield _waste(path, SURPLUS)
        elif _SET_ASIDE.fullmatch(path.name):
            yield _waste(path, DAMAGED)
        elif not KEY.fullmatch(path.name):
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
    """Yield what drivers that were killed had of Ray's and asked of machines; none is at work."""
    folders = [
        runs.train_scratch,
        runs.root / PREFLIGHT,
        *(study.scratch for study in runs.studies()),
    ]
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


def _changed_s(path: Path) -> float:
    """Return when a file, or anything of a folder, was changed last, in seconds since 1970.

    Infinity for what is being changed by another head just now.
    """
    try:
        return max(found.lstat().st_mtime for found in (path, *path.rglob("*")))
    except FileNotFoundError:
        return math.inf


def _delete(path: Path) -> None:
    """Delete a file or folder; of a stage the manifest first, so that it never looks finished."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path)
