"""What fits into a slot and onto the disk."""

import pytest

from sweep.machine import Gpu, Machine
from sweep.pricing.estimate import Interval
from sweep.pricing.room import RAY_BYTES, Need, Room, misfits, room_of, storage_warnings
from sweep.slot_fit import SHARED_MEMORY_BYTES, SlotFit
from sweep.study import Storage

GIB = 2**30


def machine(memory_gib, *, gpus=()):
    return Machine("here", "Linux", "3", 8, memory_gib * GIB + SHARED_MEMORY_BYTES, tuple(gpus))


def fit(count, *, workers=1, gpu=0.0):
    return SlotFit(count=count, workers=workers, cpus_per_worker=1, gpus_per_worker=gpu, threads=1)


def test_workers_share_the_memory_and_their_gpus():
    assert room_of(fit(2, workers=2), machine(16), is_local=True) == Room(4 * GIB, None)
    two = machine(16, gpus=[Gpu("big", 24 * GIB), Gpu("small", 16 * GIB)])
    assert room_of(fit(4, gpu=0.5), two, is_local=False) == Room(
        None, 8 * GIB, has_part_of_gpu=True
    )
    assert room_of(fit(1, gpu=1.0), two, is_local=True).cuda_bytes == 16 * GIB


@pytest.mark.parametrize(
    ("host", "cuda", "verdict"),
    [
        (2 * GIB, 2 * GIB, None),
        (4 * GIB, 2 * GIB, "pretrain of point 3 does not fit: a worker needs 5.4 GB of memory and"),
        (3 * GIB - 1, 2 * GIB, "pretrain of point 3 hardly fits: a worker needs 4.3 GB of memory"),
        (2 * GIB, 9 * GIB, "pretrain of point 3 does not fit: a worker needs 9.7 GB of GPU memory"),
    ],
)
def test_a_configuration_that_needs_more_than_its_share_is_named(host, cuda, verdict):
    assert RAY_BYTES == GIB
    found = list(misfits([Need("pretrain of point 3", host, cuda)], Room(4 * GIB, 8 * GIB)))
    assert bool(found) == (verdict is not None)
    assert not found or found[0].startswith(verdict)


@pytest.mark.parametrize(
    ("gpu", "way"), [(0.5, "give it more of a GPU (slots/gpu), or make"), (1.0, "make the batch")]
)
def test_what_does_not_fit_into_a_gpu_is_told_what_would_help(gpu, way):
    room = room_of(fit(1, gpu=gpu), machine(64, gpus=[Gpu("one", 16 * GIB)]), is_local=True)
    (found,) = misfits([Need("pretrain of point 3", GIB, 20 * GIB)], room)
    assert found.partition("; ")[2].startswith(way)


def test_running_out_of_memory_when_tried_alone_is_no_fit_either():
    need = Need("finetune of arm big", 0, 0, out_of_memory="DefaultCPUAllocator: can't allocate")
    (found,) = misfits([need], Room(None, None))
    assert found == "finetune of arm big does not fit: DefaultCPUAllocator: can't allocate."


@pytest.mark.parametrize(
    ("storage", "free", "warnings"),
    [
        ({}, 9e9, []),
        ({}, 5e9, ["the disk may fill up: up to 5 GB will be written and 4 GB are free, 1 GB"]),
        ({"reserve_gb": 0}, 5e9, []),
        ({"quota_gb": 4}, 9e9, ["storage/quota_gb: the stages may come to 5 GB, 2 GB of them"]),
    ],
)
def test_the_disk_and_the_quota_are_enough_for_the_upper_bound(storage, free, warnings):
    found = storage_warnings(
        Interval(1e9, 2e9, 3e9), other_bytes=2e9, used=2e9, free=free, storage=Storage(**storage)
    )
    assert [text[: len(start)] for text, start in zip(found, warnings, strict=True)] == warnings
