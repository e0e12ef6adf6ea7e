"""What the conductor needs of its surroundings: slots, finished stages, and what others train."""

from typing import Protocol

from sweep.facts import StoredEpochs


class Slots(Protocol):
    """Where trials run: `trainables.pool.SlotPool`, as the conductor sees it."""

    def lend(self, wanted: int) -> str | None:
        """Return a slot that is ready and now lent, or None.

        Args:
            wanted: How many there is work for, beside those that are lent.
        """

    def withdraw(self, slot: str, trial: int) -> None:
        """Tell a slot to abandon a trial."""

    def give_back(self, slot: str) -> None:
        """Take a slot back; it is lent again once it is ready."""

    def is_free(self, slot: str) -> bool:
        """Say whether a slot does nothing any more of what was withdrawn from it, or is gone."""

    def poll(self) -> list[str]:
        """Look after the slots; return what people should know."""


class Stages(Protocol):
    """What is trained already: `trainables.stages.StageStore`, as the conductor sees it."""

    def is_committed(self, key: str) -> bool:
        """Say whether a stage is finished."""

    def metrics(self, key: str) -> StoredEpochs:
        """Return the epochs of a finished stage.

        Raises:
            CorruptStage: If what holds them is damaged.
            FileNotFoundError: If the stage is gone.
        """

    def set_aside(self, key: str) -> object:
        """Put a damaged stage out of the way, to be trained again."""


class Claims(Protocol):
    """What this driver trains, told to others: `trainables.claims.Claims`."""

    def take(self, key: str) -> bool:
        """Claim a stage; False while another driver has it."""

    def is_free(self, key: str) -> bool:
        """Say whether a stage could be claimed just now, or is."""

    def release(self, key: str) -> None:
        """Let others claim a stage, if it was claimed here."""
