"""What training took: seconds of slots, and of the GPUs or cores that they held."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spent:
    """Time that was spent on training.

    Attributes:
        slot_s: Seconds of slots.
        gpu_s: Seconds of the GPUs they held.
        core_s: Seconds of the cores of slots without a GPU, as far as they are on record.
    """

    slot_s: float = 0.0
    gpu_s: float = 0.0
    core_s: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.slot_s + other.slot_s, self.gpu_s + other.gpu_s, self.core_s + other.core_s
        )

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(
            self.slot_s - other.slot_s, self.gpu_s - other.gpu_s, self.core_s - other.core_s
        )

    def __bool__(self) -> bool:
        return self != NOTHING


NOTHING = Spent()


@dataclass(frozen=True)
class Slot:
    """A slot as it was when something was trained on it.

    Attributes:
        workers: How many trained together.
        threads: Threads that each computed with.
        gpus: GPUs of all of them; a share of one where slots divide it.
        cores: Cores of all of them; None with GPUs, or where nothing is on record.
    """

    workers: int = 1
    threads: int = 1
    gpus: float = 0.0
    cores: float | None = None

    @classmethod
    def of(cls, lineage: Mapping[str, Any]) -> "Slot":
        """Return the slots of a session by its lineage."""
        slots: Mapping[str, Any] = lineage.get("slots") or {}
        workers, gpus = slots.get("workers", 1), slots.get("gpus_per_worker", 0.0)
        cores = slots.get("cpus_per_worker")
        return cls(
            workers=workers,
            threads=slots.get("threads", 1),
            gpus=float(workers * gpus),
            cores=None if gpus or cores is None else float(workers * cores),
        )

    def spent(self, seconds: float) -> Spent:
        """Return what these seconds took of it."""
        return Spent(seconds, self.gpus * seconds, (self.cores or 0.0) * seconds)
