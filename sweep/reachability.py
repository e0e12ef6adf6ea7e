"""Which stages of a runs folder its studies still need, read off their journals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.folders import RunsDir
from sweep.journal import read_journal
from sweep.ledger import Ledger, Record
from sweep.trials import Trial
from trainables.manifest import CorruptStage
from trainables.stages import StageStore


@dataclass(frozen=True)
class Reachable:
    """The keys of stages that are needed.

    Attributes:
        finished: Study -> finished stages that its trials name, and all that those were built on.
        unfinished: Stages that a trial which has not ended will go on with.
    """

    finished: Mapping[str, frozenset[str]]
    unfinished: frozenset[str]

    @property
    def named(self) -> frozenset[str]:
        """Return the finished stages of all studies."""
        return frozenset().union(*self.finished.values())

    def __or__(self, other: "Reachable") -> "Reachable":
        """Return what either says is needed."""
        empty: frozenset[str] = frozenset()
        studies = sorted(self.finished.keys() | other.finished.keys())
        finished = {
            study: self.finished.get(study, empty) | other.finished.get(study, empty)
            for study in studies
        }
        return Reachable(finished=finished, unfinished=self.unfinished | other.unfinished)


def reachable_stages(runs: RunsDir) -> Reachable:
    """Return what the studies of a runs folder need; a study that was deleted needs nothing.

    Raises:
        ValueError: If a journal or a manifest cannot be read, so that nobody knows.
        OSError: The same.
    """
    store = StageStore(runs.stages)
    finished: dict[str, frozenset[str]] = {}
    unfinished: set[str] = set()
    for study in runs.studies():
        if not study.journal.exists():
            continue
        named, needed = _named_and_needed(read_journal(study.journal))
        finished[study.root.name] = _with_ancestors(named, store)
        unfinished |= needed
    return Reachable(finished=finished, unfinished=frozenset(unfinished))


def given_stages(records: Iterable[Record]) -> set[str]:
    """Return the keys of the weights that a journal's study was given."""
    return {
        key
        for record in records
        if record["kind"] == "study"
        for key in record["study"].get("from_weights", {}).values()
    }


def stages_of(ledger: Ledger) -> set[str]:
    """Return the keys that a study's trials name, and those of others' that it may take over."""
    trials = [*ledger.everything(), *_known_prefixes(ledger)]
    return {stage.key for trial in trials for stage in trial.stages}


def _named_and_needed(records: Sequence[Record]) -> tuple[set[str], set[str]]:
    """Return the keys that a study names, and those that a trial has still to train."""
    ledger = Ledger(records)
    needed = {stage.key for trial in ledger.running() for stage in trial.stages}
    return given_stages(records) | stages_of(ledger), needed


def _known_prefixes(ledger: Ledger) -> list[Trial]:
    """Return the trials known from another study whose stages the search may take over."""
    search: Mapping[str, Any] = (ledger.study or {}).get("search", {})
    return list(ledger.known.values()) if search.get("reuse", 0) > 0 else []


def _with_ancestors(keys: Iterable[str], store: StageStore) -> frozenset[str]:
    """Return these stages and, if they are finished, all they were built on."""
    seen: set[str] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        try:
            waiting.extend(store.manifest(key)["stage"].get("parents", {}).values())
        except (FileNotFoundError, CorruptStage):
            continue  # not finished, or about to be set aside: its trial names what it needs
    return frozenset(seen)
