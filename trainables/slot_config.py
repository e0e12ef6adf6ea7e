"""What a slot is made of: the worker group it keeps, and what that needs to know."""

from collections.abc import Collection
from dataclasses import dataclass

from trainables.admission import Terms
from trainables.rhythm import REPORT_EVERY_S
from trainables.worker_group import HANG_S

ACCELERATOR_LABEL = "ray.io/accelerator-type"
"""What Ray calls the type of a machine's GPUs."""

NODE_LABEL = "ray.io/node-id"
"""What it calls the machine itself."""


@dataclass(frozen=True)
class SlotShape:
    """The worker group of a slot.

    Attributes:
        workers: Processes that train one stage together.
        cpus_per_worker: CPUs reserved for each; bookkeeping, no fence.
        gpus_per_worker: GPUs reserved for each; a fraction is a part of one, and of its memory.
        threads: Threads each uses for arithmetic.
        accelerator: The GPU type that each is to have, as Ray labels machines; None: any.
    """

    workers: int = 1
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0
    threads: int = 1
    accelerator: str | None = None

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be."""
        for name, least in (("workers", 1), ("threads", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        for name in ("cpus_per_worker", "gpus_per_worker"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}.")


@dataclass(frozen=True)
class SlotConfig:
    """What a slot and its workers need to know.

    Attributes:
        store_root: The stage store, reachable from every worker.
        scratch: Where Train runs keep their own files; each run's are removed at its end.
        watchdog_s: A worker that trains, and tells of no batches, reports at least this often,
            else its group is replaced; longer than the longest epoch of such a phase.
        phases: `module:attribute` of the phases by name.
        opener: `module:attribute` of the function that opens a stage's data.
        report_every_s: A worker that trains alone saves and tells of epochs at most this often, but
            for the last and those that a decision depends on or that are kept or drawn; 0: of each
            as it ends.
        hang_s: A worker that works on batches tells of one at least this often, else its group is
            replaced.
        remote: The URI of which the stage store's folder is a cache, on every machine; None where
            the folder itself is shared.
        terms: What a machine that joined later must show before a worker trains on it; None where
            none can join.
        refused: Nodes, as Ray calls them, that did not; no worker is started there.
    """

    shape: SlotShape
    store_root: str
    scratch: str
    watchdog_s: float
    phases: str
    opener: str
    report_every_s: float = REPORT_EVERY_S
    hang_s: float = HANG_S
    remote: str | None = None
    terms: Terms | None = None
    refused: frozenset[str] = frozenset()


def label_selector(shape: SlotShape, refused: Collection[str]) -> dict[str, str] | None:
    """Return the labels by which Ray chooses the machines of a worker group; None: any machine.

    Args:
        shape: What the group needs.
        refused: Nodes that it must not be on.
    """
    selector = {} if shape.accelerator is None else {ACCELERATOR_LABEL: shape.accelerator}
    if refused:
        selector[NODE_LABEL] = f"!in({','.join(sorted(refused))})"
    return selector or None
