"""Epochs of a stage, whether this study trained it or took it from the store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from hpe.phases.phase import Artifacts
from sweep.trials import Epoch, StageEntry
from trainables.manifest import CorruptStage

EpochsOf = Callable[[StageEntry], Sequence[Epoch]]


class Stages(Protocol):
    """What a report reads from the stage store (`trainables.stages.StageStore`)."""

    def artifacts(self, key: str) -> Artifacts: ...

    def metrics(self, key: str) -> list[dict[str, Any]]: ...


def epochs_from(store: Stages | None) -> EpochsOf:
    """Return a function from a stage to its epochs; a reused stage's come from the store."""

    def epochs_of(stage: StageEntry) -> Sequence[Epoch]:
        if stage.epochs or stage.status != "reused" or store is None:
            return stage.epochs
        try:
            history: Sequence[Mapping[str, Any]] = store.metrics(stage.key)
        except (FileNotFoundError, CorruptStage):
            return []  # cleaned from the store, or damaged, since
        return [Epoch(entry["epoch"], entry["metrics"], 0.0) for entry in history]

    return epochs_of
