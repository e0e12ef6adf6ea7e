"""The study that a search begins with (`from`): finding it, and whether it says anything here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hpe.names import nearest
from sweep.continuation import recorded_study
from sweep.folders import RunsDir
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.messages import about
from sweep.objectives import other_metrics
from sweep.samplers import SAMPLERS
from sweep.study import Study
from sweep.trials import Trial


@dataclass(frozen=True)
class Source:
    """The study that a search begins with, as far as it has come."""

    study: Study
    ledger: Ledger

    @property
    def digest(self) -> str | None:
        """Return that of its data set."""
        data: Mapping[str, Any] = self.ledger.lineage.get("data") or {}
        return data.get("digest")

    @property
    def trials(self) -> list[Trial]:
        """Return its searched trials, after those that it began with itself."""
        return [*self.ledger.known.values(), *self.ledger.searched()]


def is_due(study: Study, ledger: Ledger) -> bool:
    """Say whether the source's trials are still to be taken: once, before anything is searched."""
    return study.source is not None and study.search.trials > 0 and ledger.source is None


def read_source(study: Study, runs: RunsDir) -> Source:
    """Return the study that `from` names; its journal is read without its lock.

    Raises:
        ValueError: If there is none in the runs folder, or what it measured is not comparable.
    """
    assert study.source is not None
    name, folder = study.source, runs.study(study.source)
    root = runs.root.resolve()
    if not folder.journal.is_file() or not folder.journal.resolve().is_relative_to(root):
        known = [found.root.name for found in runs.studies()]
        raise ValueError(
            f"from: {runs.root} has no study {name!r}{nearest(name, known)}; "
            f"studies there are {', '.join(known) or 'none'}."
        )
    with about("from"):
        records = read_journal(folder.journal)
    content = recorded_study(records)
    if content is None:
        raise ValueError(f"from: {name} has not begun; run it first, or leave `from` out.")
    source = Source(Study.model_validate(content), Ledger(records))
    _refuse_another_objective(study, source.study)
    return source


def refuse_source_of_other_data(source: Source, digest: str) -> None:
    """Refuse to begin with results on other data than this study is about.

    Raises:
        ValueError: If the digests differ.
    """
    if source.digest is not None and source.digest != digest:
        raise ValueError(
            f"from: {source.study.name} was run on other data: its digest is {source.digest[:16]}, "
            f"that of this study's data is {digest[:16]}; give both the same `data`, or leave "
            f"`from` out."
        )


def check_source(study: Study) -> None:
    """Refuse to begin with a study where that could not help.

    Raises:
        ValueError: If so, with the reason.
    """
    search = study.search
    if study.source is None:
        return
    if study.source == study.name:
        raise ValueError(
            f"from: a study cannot begin with itself, got {study.source}; the same command goes on "
            f"with it."
        )
    learns = SAMPLERS[search.sampler].learns or search.neighbours > 0 or search.reuse > 0
    if search.trials > 0 and not learns:
        able = [name for name, kind in SAMPLERS.items() if kind.learns]
        raise ValueError(
            f"from: the sampler {search.sampler} learns nothing from trials it did not suggest, so "
            f"that {study.source} would make no difference; choose one of {', '.join(able)}, or "
            f"leave `from` out."
        )


def _refuse_another_objective(study: Study, source: Study) -> None:
    here, there = study.objective, source.objective
    if (here.metric, here.direction) != (there.metric, there.direction):
        raise ValueError(
            f"from: {source.name} searched another objective ({there.direction} {there.metric}; "
            f"here: {here.direction} {here.metric}), which says nothing about this one; give both "
            f"the same, or leave `from` out."
        )
    missing = [name for name in other_metrics(here) if name not in other_metrics(there)]
    if missing:
        raise ValueError(
            f"from: {source.name} did not record {', '.join(missing)}, which this study improves "
            f"or bounds; leave it out here, or leave `from` out."
        )
