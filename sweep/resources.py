"""What the conductor needs of its surroundings: slots to run on, and finished stages."""

from typing import Protocol

from sweep.facts import StoredEpochs


class Slots(Protocol):
    """Where trials run: `trainables.pool.SlotPool`, as the conductor sees it."""

    def lend(self) -> str | None:
        """Return a slot that is ready and now lent, or None."""

    def withdraw(self, slot: str, trial: int) -> None:
        """Tell a slot to abandon a trial."""

    def give_back(self, slot: str) -> None:
        """Take a slot back; it is lent again once it is ready."""

    def poll(self) -> list[str]:
        """Look after the slots; return what people should know."""


class FinishedStages(Protocol):
    """What is trained already: `trainables.stages.StageStore`, as the conductor sees it."""

    def is_committed(self, key: str) -> bool:
        """Say whether a stage is finished."""

    def metrics(self, key: str) -> StoredEpochs:
        """Return the epochs of a finished stage."""
