"""The slots that fit into a machine or a cluster."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sweep.machine import Machine
from sweep.messages import counted
from sweep.study import Slots
from trainables.slot_config import ACCELERATOR_LABEL

SHARED_MEMORY_BYTES = 1536 * 2**20
MEMORY_PER_WORKER_BYTES = 1792 * 2**20
"""Of the command and Ray, and of each slot of one worker on a CPU, both rounded up from what
benchmarks/slot_memory.py found (1,319 and 1,642 MiB)."""


@dataclass(frozen=True)
class Node:
    """What one machine has for workers, none of which spans two.

    Attributes:
        accelerator: The type of its GPUs, as Ray calls it; None where not known.
    """

    cpus: int
    gpus: int
    accelerator: str | None = None

    def may_be(self, kind: "Node") -> bool:
        """Say whether this may be a machine of a kind, whose type of GPU may not be known."""
        return kind in (self, replace(self, accelerator=None))


@dataclass(frozen=True)
class Coming:
    """The machines that an autoscaler may start, and those of them that it has started.

    Attributes:
        nodes: As many of each type as there may be.
        most: How many there may be at once, of all types together.
    """

    nodes: tuple[Node, ...] = ()
    most: int = 0

    def largest(self, of: Callable[[Node], int]) -> int:
        """Return the sum over as many machines as may be there at once, the best ones."""
        return sum(sorted(map(of, self.nodes), reverse=True)[: self.most])


@dataclass(frozen=True)
class Resources:
    """What a machine or a cluster has for slots, and what to call it in messages.

    Attributes:
        nodes: Machines that are there for good.
        memory_bytes: Where all slots share one machine's memory: how much; None where not known.
        coming: Machines that are there when slots want them.
    """

    nodes: tuple[Node, ...]
    where: str
    memory_bytes: int | None = None
    coming: Coming = Coming()

    @property
    def kinds(self) -> tuple[Node, ...]:
        """Return all machines of which some are there at a time."""
        return (*self.nodes, *self.coming.nodes)

    @property
    def cpus(self) -> int:
        """Return the cores of all machines."""
        return self._all(lambda node: node.cpus)

    @property
    def gpus(self) -> int:
        """Return the GPUs of all machines."""
        return self._all(lambda node: node.gpus)

    def with_accelerator(self, accelerator: str | None) -> "Resources":
        """Return what is left with machines of one GPU type only; None: all of them."""
        if accelerator is None:
            return self
        here = tuple(node for node in self.nodes if node.accelerator == accelerator)
        coming = tuple(node for node in self.coming.nodes if node.accelerator == accelerator)
        return replace(self, nodes=here, coming=replace(self.coming, nodes=coming))

    def places(self, *, cpus: int, gpus: float) -> int:
        """Return how many workers with so many cores and GPUs fit, each on one machine."""
        return self._all(lambda node: _places_on(node, cpus=cpus, gpus=gpus))

    def _all(self, of: Callable[[Node], int]) -> int:
        return sum(map(of, self.nodes)) + self.coming.largest(of)


@dataclass(frozen=True)
class SlotFit:
    """Slots that fit: how many, and the shape of each.

    Attributes:
        threads: Threads each worker computes with.
    """

    count: int
    workers: int
    cpus_per_worker: int
    gpus_per_worker: float
    threads: int
    accelerator: str | None = None

    def __str__(self) -> str:
        kind = f" {self.accelerator}" if self.accelerator else ""
        gpu = f", {self.gpus_per_worker:g}{kind} GPU" if self.gpus_per_worker else ""
        return (
            f"{counted(self.count, 'slot')} of {counted(self.workers, 'worker')} with "
            f"{counted(self.cpus_per_worker, 'core')}{gpu} each"
        )


def resources_here(machine: Machine, *, cuda_devices: int) -> Resources:
    """Return what a local cluster on this machine has.

    Args:
        machine: The machine.
        cuda_devices: GPUs that the installed torch can use; the others are no use to a study.
    """
    gpus = min(len(machine.gpus), cuda_devices)
    here = Node(cpus=machine.cpus, gpus=gpus)
    return Resources((here,), where="this machine", memory_bytes=machine.memory_bytes)


def cluster_resources(
    nodes: Iterable[Mapping[str, Any]], *, coming: Coming = Coming(), address: str
) -> Resources:
    """Return what a running Ray cluster has, and will have where slots want it.

    Args:
        nodes: Its machines, as `ray.nodes()` tells them.
        coming: The machines that its autoscaler may start; those that it has started are among
            `nodes` and count once.
        address: Where it is.
    """
    stay, started, awaited = [], [], list(coming.nodes)
    alive = [facts for facts in nodes if facts["Alive"]]
    for node in (node_of(facts["Resources"], facts.get("Labels", {})) for facts in alive):
        kind = next((kind for kind in awaited if node.may_be(kind)), None)
        if kind is None:
            stay.append(node)
        else:
            started.append(node)
            awaited.remove(kind)
    return Resources(
        tuple(stay),
        f"cluster {address}",
        coming=replace(coming, nodes=(*started, *awaited)),
    )


def node_of(resources: Mapping[str, float], labels: Mapping[str, str]) -> Node:
    """Return the machine that Ray tells of by these resources and labels."""
    return Node(
        cpus=int(resources.get("CPU", 0)),
        gpus=int(resources.get("GPU", 0)),
        accelerator=labels.get(ACCELERATOR_LABEL),
    )


def fit_slots(slots: Slots, has: Resources) -> SlotFit:
    """Return the slots a study gets: what it asks for, and all that fit where it says auto.

    Raises:
        ValueError: If it asks for more than there is.
    """
    has = _of_the_type_asked_for(slots, has)
    gpu = _gpus_per_worker(slots, has)
    if slots.workers > has.cpus:
        raise ValueError(
            f"slots/workers: a slot of {slots.workers} workers needs {slots.workers} cores, "
            f"{has.where} has {has.cpus}; lower it, or give the --address of a larger cluster."
        )
    if gpu * slots.workers > has.gpus:
        raise ValueError(
            f"slots/gpu: a slot of {counted(slots.workers, 'worker')} with {gpu:g} GPU each needs "
            f"{gpu * slots.workers:g}, {has.where} has {has.gpus}; lower slots/gpu or "
            f"slots/workers (slots/gpu=0 trains on the CPU)."
        )
    fitting = has.places(cpus=1, gpus=gpu) // slots.workers
    if fitting == 0:
        raise ValueError(_why_none(slots, gpu, has))
    count = _comfortable(fitting, slots, has) if slots.count == "auto" else slots.count
    if count > fitting:
        raise ValueError(
            f"slots/count: {has.where} ({counted(has.cpus, 'core')}, {counted(has.gpus, 'GPU')}) "
            f"has room for {fitting}, got {count}; lower it, or set it to auto."
        )
    cores = _cores(count * slots.workers, gpu, has)
    return SlotFit(
        count=count,
        workers=slots.workers,
        cpus_per_worker=cores,
        gpus_per_worker=gpu,
        threads=cores,
        accelerator=slots.accelerator,
    )


def slots_that_fit(fit: SlotFit, has: Resources) -> int:
    """Return how many slots of a shape fit into what there is now; at least one is waited for."""
    has = has.with_accelerator(fit.accelerator)
    places = has.places(cpus=fit.cpus_per_worker, gpus=fit.gpus_per_worker)
    return max(1, places // fit.workers)


def memory_needed(count: int, workers: int) -> int:
    """Return the bytes of memory with which this many slots train small networks in comfort."""
    return SHARED_MEMORY_BYTES + count * workers * MEMORY_PER_WORKER_BYTES


def _comfortable(fitting: int, slots: Slots, has: Resources) -> int:
    """Return how many of the slots that fit are started by themselves; at least one."""
    count = min(fitting, slots.max)
    if has.memory_bytes is not None:
        while count > 1 and memory_needed(count, slots.workers) > has.memory_bytes:
            count -= 1
    return count


def _gpus_per_worker(slots: Slots, has: Resources) -> float:
    if slots.gpu == "auto":
        return 1.0 if has.gpus >= slots.workers else 0.0
    return float(slots.gpu)


def _places_on(node: Node, *, cpus: int, gpus: float) -> int:
    """Return how many workers a machine holds; none has parts of two GPUs."""
    places = node.cpus // cpus
    if gpus == 0:
        return places
    return min(places, node.gpus * math.floor(1 / gpus) if gpus < 1 else node.gpus // int(gpus))


def _cores(workers: int, gpu: float, has: Resources) -> int:
    """Return the most cores that each of so many workers can have."""
    most = has.cpus // workers
    return next(n for n in range(most, 0, -1) if has.places(cpus=n, gpus=gpu) >= workers)


def _of_the_type_asked_for(slots: Slots, has: Resources) -> Resources:
    """Return the machines with the GPU type that slots ask for."""
    fitting = has.with_accelerator(slots.accelerator)
    if fitting.kinds:
        return fitting
    types = sorted({node.accelerator for node in has.kinds if node.accelerator})
    raise ValueError(
        f"slots/accelerator: no machine of {has.where} is known to have {slots.accelerator}; there "
        f"are {', '.join(types) or 'none whose type is known (it is for clusters: --address)'}."
    )


def _why_none(slots: Slots, gpu: float, has: Resources) -> str:
    """Say why no slot fits though there are cores and GPUs enough altogether."""
    largest = max(has.kinds, key=lambda node: (node.gpus, node.cpus))
    slot = f"slots/gpu: a slot of {counted(slots.workers, 'worker')} with {gpu:g} GPU each"
    if len(has.kinds) > 1:
        return (
            f"{slot} needs {slots.workers} places, each on one machine; the largest of "
            f"{has.where} has {counted(largest.cpus, 'core')} and {counted(largest.gpus, 'GPU')}; "
            f"lower slots/gpu or slots/workers."
        )
    return (
        f"{slot} needs {slots.workers} GPUs, because no worker has parts of two; {has.where} has "
        f"{has.gpus}; lower slots/gpu or slots/workers."
    )
