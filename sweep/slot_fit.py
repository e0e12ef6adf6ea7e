"""The slots that fit into a machine or a cluster."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sweep.machine import Machine
from sweep.messages import counted
from sweep.study import Slots

MAX_AUTO_SLOTS = 8
"""With more, most of a small search would be chosen before anything is learnt from it."""

SHARED_MEMORY_BYTES = 1536 * 2**20
MEMORY_PER_WORKER_BYTES = 1792 * 2**20
"""Of the command and Ray, and of each slot of one worker on a CPU, both rounded up from what
benchmarks/slot_memory.py found (1,319 and 1,642 MiB)."""


@dataclass(frozen=True)
class Resources:
    """What a cluster has for slots, and what to call it in messages.

    Attributes:
        memory_bytes: Where all slots share one machine's memory: how much; None where not known.
    """

    cpus: int
    gpus: int
    where: str
    memory_bytes: int | None = None


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

    def __str__(self) -> str:
        gpu = f", {self.gpus_per_worker:g} GPU" if self.gpus_per_worker else ""
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
    return Resources(
        cpus=machine.cpus, gpus=gpus, where="this machine", memory_bytes=machine.memory_bytes
    )


def cluster_resources(totals: Mapping[str, float], *, address: str) -> Resources:
    """Return what a running Ray cluster has, from `ray.cluster_resources()`."""
    return Resources(
        cpus=int(totals.get("CPU", 0)), gpus=int(totals.get("GPU", 0)), where=f"cluster {address}"
    )


def fit_slots(slots: Slots, has: Resources) -> SlotFit:
    """Return the slots a study gets: what it asks for, and all that fit where it says auto.

    Raises:
        ValueError: If it asks for more than there is.
    """
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
    fitting = has.cpus // slots.workers
    if gpu:
        fitting = min(fitting, _groups(has.gpus, gpu, slots.workers))
    if fitting == 0:
        raise ValueError(
            f"slots/gpu: a slot of {counted(slots.workers, 'worker')} with {gpu:g} GPU each needs "
            f"{slots.workers} GPUs, because no worker has parts of two; {has.where} has "
            f"{has.gpus}; lower slots/gpu or slots/workers."
        )
    count = _comfortable(fitting, slots, has) if slots.count == "auto" else slots.count
    if count > fitting:
        raise ValueError(
            f"slots/count: {has.where} ({counted(has.cpus, 'core')}, {counted(has.gpus, 'GPU')}) "
            f"has room for {fitting}, got {count}; lower it, or set it to auto."
        )
    cores = has.cpus // (count * slots.workers)
    return SlotFit(
        count=count,
        workers=slots.workers,
        cpus_per_worker=cores,
        gpus_per_worker=gpu,
        threads=cores,
    )


def memory_needed(count: int, workers: int) -> int:
    """Return the bytes of memory with which this many slots train small networks in comfort."""
    return SHARED_MEMORY_BYTES + count * workers * MEMORY_PER_WORKER_BYTES


def _comfortable(fitting: int, slots: Slots, has: Resources) -> int:
    """Return how many of the slots that fit are started by themselves; at least one."""
    count = min(fitting, MAX_AUTO_SLOTS)
    if has.memory_bytes is not None:
        while count > 1 and memory_needed(count, slots.workers) > has.memory_bytes:
            count -= 1
    return count


def _gpus_per_worker(slots: Slots, has: Resources) -> float:
    if slots.gpu == "auto":
        return 1.0 if has.gpus >= slots.workers else 0.0
    return float(slots.gpu)


def _groups(gpus: int, gpu: float, workers: int) -> int:
    """Return how many slots of this shape the GPUs hold; a worker never spans half of two."""
    places = gpus * math.floor(1 / gpu) if gpu < 1 else gpus // int(gpu)
    return places // workers
