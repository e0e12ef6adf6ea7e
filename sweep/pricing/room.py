"""What a slot and the disk have room for, and what of a study does not fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sweep.machine import Machine
from sweep.pricing.estimate import Interval
from sweep.pricing.wording import shown_bytes
from sweep.slot_fit import SHARED_MEMORY_BYTES, SlotFit
from sweep.study import Storage

RAY_BYTES = 1024 * 2**20
"""What a worker of a slot holds beside what it trains, with its part of the slot's own processes:
the memory that benchmarks/slot_memory.py finds for a slot less that of a tryout of the same
phases, rounded up."""

TIGHT = 0.9
GIGABYTE = 1e9


@dataclass(frozen=True)
class Room:
    """Bytes that one worker may use; None where not known or of no use.

    Attributes:
        host_bytes: Of the machine's memory.
        cuda_bytes: Of its GPU's.
        has_part_of_gpu: Whether the GPU has room for other workers.
    """

    host_bytes: int | None
    cuda_bytes: int | None
    has_part_of_gpu: bool = False


@dataclass(frozen=True)
class Need:
    """What a phase of a configuration needs.

    Attributes:
        who: The configuration and the phase, for people.
        host_bytes: As measured, without Ray.
        out_of_memory: Why it could not even be tried, or None.
    """

    who: str
    host_bytes: int
    cuda_bytes: int
    out_of_memory: str | None = None


def room_of(fit: SlotFit, machine: Machine, *, is_local: bool) -> Room:
    """Return a worker's share of the machine's memory, and of its GPU's."""
    host = None
    if is_local and machine.memory_bytes is not None:
        host = (machine.memory_bytes - SHARED_MEMORY_BYTES) // (fit.count * fit.workers)
    cuda = None
    if fit.gpus_per_worker and machine.gpus:
        smallest = min(gpu.memory_bytes for gpu in machine.gpus)
        cuda = int(smallest * min(1.0, fit.gpus_per_worker))
    return Room(host, cuda, has_part_of_gpu=0 < fit.gpus_per_worker < 1)


def misfits(needs: Sequence[Need], room: Room) -> Iterator[str]:
    """Yield a sentence for each configuration that will not fit, or hardly."""
    smaller = "make the batch or the network smaller"
    fewer_slots = f"start fewer slots (slots/count), or {smaller}"
    more_gpu = f"give it more of a GPU (slots/gpu), or {smaller}"
    for need in needs:
        if need.out_of_memory is not None:
            yield f"{need.who} does not fit: {need.out_of_memory}."
            continue
        on_gpu = more_gpu if room.has_part_of_gpu else smaller
        parts = [
            ("memory", need.host_bytes + RAY_BYTES, room.host_bytes, fewer_slots),
            ("GPU memory", need.cuda_bytes, room.cuda_bytes, on_gpu),
        ]
        for what, needed, available, way in parts:
            if available is not None and needed > TIGHT * available:
                verdict = "does not fit" if needed > available else "hardly fits"
                yield (
                    f"{need.who} {verdict}: a worker needs {shown_bytes(needed)} of {what} and "
                    f"has {shown_bytes(available)}; {way}."
                )


def storage_warnings(
    stages_bytes: Interval, *, other_bytes: float, used: float, free: float, storage: Storage
) -> Iterator[str]:
    """Yield a sentence for each limit that the study would run into.

    Args:
        stages_bytes: What its stages will leave.
        other_bytes: What else is written: data to be made, states of running stages.
        used: Bytes of the stages that are there.
        free: Bytes free on the disk.
        storage: The study's limits.
    """
    usable = free - storage.reserve_gb * GIGABYTE
    if stages_bytes.high + other_bytes > usable:
        yield (
            f"the disk may fill up: up to {shown_bytes(stages_bytes.high + other_bytes)} will be "
            f"written and {shown_bytes(max(0.0, usable))} are free, "
            f"{storage.reserve_gb:g} GB kept aside (storage/reserve_gb)."
        )
    if storage.quota_gb is not None and used + stages_bytes.high > storage.quota_gb * GIGABYTE:
        yield (
            f"storage/quota_gb: the stages may come to {shown_bytes(used + stages_bytes.high)}, "
            f"{shown_bytes(used)} of them there already, got {storage.quota_gb:g} GB; no trial "
            f"starts beyond that."
        )
