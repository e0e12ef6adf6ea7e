"""Which stages are finished, and which of those that are not can be trained now."""

from collections.abc import Iterable, Sequence

from sweep.resources import FinishedStages
from trainables.assignment import Stage


class StageWatch:
    """What the driver knows of stages. It asks the store once about each key."""

    def __init__(self, store: FinishedStages) -> None:
        self._store = store
        self._finished: dict[str, bool] = {}

    def missing(self, stages: Sequence[Stage]) -> list[Stage]:
        """Return the stages that are not finished."""
        return [stage for stage in stages if not self._is_finished(stage.key)]

    def finished(self, key: str) -> None:
        """Take in that a stage is finished."""
        self._finished[key] = True

    def forget(self, keys: Iterable[str]) -> None:
        """Ask the store again about these, the next time."""
        for key in keys:
            self._finished.pop(key, None)

    def _is_finished(self, key: str) -> bool:
        if key not in self._finished:
            self._finished[key] = self._store.is_committed(key)
        return self._finished[key]
