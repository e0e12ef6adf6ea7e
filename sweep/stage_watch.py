"""Which stages are finished, and which of the others can be trained now: none ever by two slots."""

from collections.abc import Iterable, Sequence

from sweep.facts import Failure, StoredEpochs
from sweep.resources import Claims, Slots, Stages
from sweep.trials import StageEntry
from trainables.assignment import STAGE_LOST, STORAGE, Stage
from trainables.manifest import CorruptStage


class StageWatch:
    """What the driver knows of stages.

    It asks the store once about each key. A stage is taken from when a trial that needs it is
    handed out until that trial has left its slot; where the slot was told to abandon it, until the
    slot has let go. With `claims`, other drivers that share the store are kept out for that time.
    """

    def __init__(self, store: Stages, slots: Slots, claims: Claims | None) -> None:
        self._store, self._slots, self._claims = store, slots, claims
        self._finished: dict[str, bool] = {}
        self._taken: set[str] = set()
        self._letting_go: dict[str, str] = {}  # key -> the slot that was told to abandon it

    def missing(self, stages: Sequence[Stage]) -> list[Stage]:
        """Return the stages that are not finished."""
        return [stage for stage in stages if not self._is_finished(stage.key)]

    def finished(self, key: str) -> None:
        """Take in that a stage is finished; who trained it needs it no longer for itself."""
        self._finished[key] = True
        if key in self._taken:
            self._taken.remove(key)
            self._release(key)

    def epochs_of(self, stage: StageEntry) -> StoredEpochs | Failure:
        """Return the epochs of a finished stage; if they cannot be read, why.

        A damaged stage is lost, and set aside, so that whoever needs it next trains it.
        """
        try:
            try:
                return self._store.metrics(stage.key)
            except (CorruptStage, FileNotFoundError) as error:
                self._store.set_aside(stage.key)
                message = f"{stage.label} has to be trained again: {error}"
                return Failure(STAGE_LOST, message, by_slot=False, label=stage.label)
        except OSError as error:
            message = f"{stage.label} cannot be read: {error}"
            return Failure(STORAGE, message, by_slot=False, label=stage.label)

    def are_finished(self, stages: Sequence[Stage]) -> bool:
        """Say whether nothing of these is left to train, as far as the store answers."""
        try:
            return not self.missing(stages)
        except OSError:
            return False

    def forget(self, stages: Iterable[Stage]) -> None:
        """Ask the store again about these, the next time."""
        for stage in stages:
            self._finished.pop(stage.key, None)

    def is_taken(self, stages: Sequence[Stage]) -> bool:
        """Say whether somebody is at work on something that these stages need.

        Or may be: of a store that does not answer nothing is taken now.
        """
        try:
            return any(
                stage.key in self._taken
                or self._is_held(stage.key)
                or self._is_claimed_by_others(stage.key)
                for stage in self.missing(stages)
            )
        except OSError:
            return True

    def take(self, stages: Sequence[Stage]) -> bool:
        """Take what is missing for a trial.

        False while another driver has some of it, or the store does not answer.
        """
        try:
            if not self._claim(self.missing(stages)):
                self.forget(self.missing(stages))  # the other driver may commit it
                return False
            self._taken.update(stage.key for stage in self.missing(stages))
        except OSError:
            return False
        return True

    def leave(self, stages: Sequence[Stage], *, abandoned_by: str | None) -> None:
        """Let go of what was taken for a trial.

        Args:
            stages: The trial's.
            abandoned_by: The slot that was told to abandon them and may still be at work; None if
                it is not.
        """
        for key in [stage.key for stage in stages if stage.key in self._taken]:
            self._taken.remove(key)
            if abandoned_by is None:
                self._release(key)
            else:
                self._letting_go[key] = abandoned_by

    def lent(self, slot: str) -> None:
        """Take in that a slot is ready for something new, so that it has let go of the old."""
        for key in [key for key, holder in self._letting_go.items() if holder == slot]:
            self._has_let_go(key)

    def _is_held(self, key: str) -> bool:
        if key in self._letting_go and self._slots.is_free(self._letting_go[key]):
            self._has_let_go(key)
        return key in self._letting_go

    def _is_claimed_by_others(self, key: str) -> bool:
        if self._claims is None or self._claims.is_free(key):
            return False
        self._finished.pop(key, None)  # they may commit it
        return True

    def _has_let_go(self, key: str) -> None:
        del self._letting_go[key]
        self._finished.pop(key, None)  # it may have been committed at the last moment
        self._release(key)

    def _claim(self, stages: Sequence[Stage]) -> bool:
        """Claim all of these or none; those that somebody has committed meanwhile need no claim."""
        if self._claims is None:
            return True
        claimed: list[str] = []
        needed: set[str] = set()
        try:
            for stage in stages:
                if not self._claims.take(stage.key):
                    return False
                claimed.append(stage.key)
            self.forget(stages)
            needed = {stage.key for stage in self.missing(stages)}
            return True
        finally:
            for key in claimed:
                if key not in needed:
                    self._release(key)

    def _release(self, key: str) -> None:
        if self._claims is not None:
            self._claims.release(key)

    def _is_finished(self, key: str) -> bool:
        if key not in self._finished:
            self._finished[key] = self._store.is_committed(key)
        return self._finished[key]
