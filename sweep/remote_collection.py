"""`--gc` in the storage that machines share: what no study needs any more of what lies there.

Other heads use the storage too. What their studies need is read off the copies of their journals
there, which are a minute old at most; whatever changed within the last hour, by the storage's
own clock, stays in any case.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hpe.whole_file import is_temporary
from sweep.folders import RunsDir
from sweep.reachability import Reachable, reachable_stages
from sweep.shared_storage import STAGES, STUDIES, SharedStorage
from sweep.waste import DAMAGED, ENDED, KEY, SURPLUS, UNNAMED
from trainables.manifest import MANIFEST
from trainables.remote_folder import Entry, RemoteFolder
from trainables.stage_remote import link_remote
from trainables.stages import CORRUPT, STATES

GRACE_S = 3600.0


@dataclass(frozen=True)
class RemoteWaste:
    """Files of one stage in the storage that can go.

    Attributes:
        names: Below the storage's folder of stages, in the order in which they go.
        reason: One of `sweep.waste.REASONS`.
    """

    names: tuple[str, ...]
    reason: str
    num_bytes: int


def reachable_elsewhere(storage: SharedStorage) -> Reachable:
    """Return what the studies need whose copies are in the storage.

    Raises:
        ValueError: If a journal or a manifest cannot be read, so that nobody knows.
        OSError: The same.
    """
    there = RemoteFolder.at(storage.below(STUDIES))
    with TemporaryDirectory() as folder:
        runs = RunsDir(Path(folder))
        for name in there.names():
            study, _, file = name.partition("/")
            if file == runs.study(study).journal.name:
                there.get(name, runs.study(study).journal)
        if storage.is_remote:
            link_remote(runs.stages, storage.below(STAGES))
        else:
            runs.stages.symlink_to(Path(storage.place) / STAGES)
        return reachable_stages(runs)


def settled_before_s(storage: SharedStorage) -> float:
    """Return since when what changed stays, as its study may not have told of it yet.

    In seconds since 1970 by the storage's own clock; minus infinity where it has none.
    """
    return RemoteFolder.at(storage.below(STAGES)).clock_s() - GRACE_S


def remote_waste(storage: SharedStorage, needed: Reachable) -> Sequence[RemoteWaste]:
    """Return what can go of the stages in a storage.

    Args:
        storage: One that is reached by a URI.
        needed: What the studies of all heads need.
    """
    there = RemoteFolder.at(storage.below(STAGES))
    settled_s = settled_before_s(storage)
    stages: dict[str, list[Entry]] = defaultdict(list)
    for entry in there.entries():
        key = entry.name.partition("/")[0]
        if KEY.fullmatch(key):
            stages[key].append(entry)
    return [
        waste
        for key, entries in sorted(stages.items())
        if max(entry.changed_s for entry in entries) < settled_s
        for waste in _waste_of(key, entries, needed)
    ]


def delete_remote(storage: SharedStorage, waste: Sequence[RemoteWaste]) -> None:
    """Delete what was found; of a stage the manifest first, so that it never looks finished."""
    there = RemoteFolder.at(storage.below(STAGES))
    for found in waste:
        for name in found.names:
            there.delete(name)


def _waste_of(key: str, entries: Sequence[Entry], needed: Reachable) -> Iterator[RemoteWaste]:
    """Yield what can go of one stage: all of it, or what does not belong to it."""
    manifest = f"{key}/{MANIFEST}"
    damaged = [entry for entry in entries if entry.name.startswith(f"{manifest}{CORRUPT}")]
    is_finished = any(entry.name == manifest for entry in entries)
    if is_finished and key not in needed.named:
        yield _waste(entries, UNNAMED, first=manifest)
        return
    if not is_finished and key not in needed.unfinished:
        yield _waste(entries, DAMAGED if damaged else ENDED)
        return
    if damaged:
        yield _waste(damaged, DAMAGED)
    surplus = [
        entry
        for entry in entries
        if entry.name.startswith(f"{key}/{STATES}/") or is_temporary(Path(entry.name))
    ]
    if is_finished and surplus:
        yield _waste(surplus, SURPLUS)


def _waste(entries: Sequence[Entry], reason: str, *, first: str | None = None) -> RemoteWaste:
    names = sorted((entry.name for entry in entries), key=lambda name: (name != first, name))
    return RemoteWaste(tuple(names), reason, sum(entry.num_bytes for entry in entries))
