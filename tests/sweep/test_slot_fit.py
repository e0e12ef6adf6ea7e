"""How many slots fit, and what is refused."""

import pytest

from sweep.machine import Gpu, Machine
from sweep.slot_fit import Resources, cluster_resources, fit_slots, resources_here
from sweep.study import Slots


def has(cpus, gpus=0):
    return Resources(cpus=cpus, gpus=gpus, where="this machine")


@pytest.mark.parametrize(
    ("slots", "resources", "count", "cores", "gpus"),
    [
        (Slots(), has(1), 1, 1, 0.0),
        (Slots(), has(2), 2, 1, 0.0),
        (Slots(), has(6), 6, 1, 0.0),
        (Slots(), has(64), 8, 8, 0.0),
        (Slots(count=3), has(8), 3, 2, 0.0),
        (Slots(workers=2), has(8), 4, 1, 0.0),
        (Slots(), has(16, 1), 1, 16, 1.0),
        (Slots(), has(16, 4), 4, 4, 1.0),
        (Slots(workers=2), has(16, 4), 2, 4, 1.0),
        (Slots(workers=2), has(16, 1), 8, 1, 0.0),
        (Slots(gpu=0.5), has(16, 1), 2, 8, 0.5),
        (Slots(gpu=0.4), has(16, 2), 4, 4, 0.4),
        (Slots(gpu=2.0), has(16, 4), 2, 8, 2.0),
        (Slots(gpu=0.0), has(4, 1), 4, 1, 0.0),
        (Slots(), has(2, 4), 2, 1, 1.0),
    ],
)
def test_auto_takes_all_that_fits(slots, resources, count, cores, gpus):
    fit = fit_slots(slots, resources)
    assert (fit.count, fit.cpus_per_worker, fit.gpus_per_worker) == (count, cores, gpus)
    assert fit.threads == cores


@pytest.mark.parametrize(
    ("slots", "resources", "message"),
    [
        (Slots(workers=3), has(2), r"slots/workers: a slot of 3 workers needs 3 cores, this mac"),
        (Slots(gpu=1.0), has(2), r"slots/gpu: a slot of 1 worker with 1 GPU each needs 1, this"),
        (Slots(workers=2, gpu=1.0), has(8, 1), r"slots/gpu: a slot of 2 workers with 1 GPU each"),
        (Slots(gpu=0.5), has(8), r"slots/gpu: .* this machine has 0; lower slots/gpu"),
        (Slots(count=3), has(2), r"slots/count: this machine \(2 cores, 0 GPUs\) has room for 2,"),
        (Slots(count=3, gpu=0.5), has(8, 1), r"slots/count: .* has room for 2, got 3"),
    ],
)
def test_more_than_there_is_is_refused(slots, resources, message):
    with pytest.raises(ValueError, match=message):
        fit_slots(slots, resources)


@pytest.mark.parametrize(("memory_gib", "count"), [(1, 1), (4, 1), (6, 2), (8, 3), (64, 8)])
def test_auto_starts_no_more_slots_than_memory_is_there_for(memory_gib, count):
    resources = Resources(cpus=8, gpus=0, where="here", memory_bytes=memory_gib * 2**30)
    assert fit_slots(Slots(), resources).count == count
    assert fit_slots(Slots(count=8), resources).count == 8


def test_gpus_that_torch_cannot_use_do_not_count():
    gpus = (Gpu("a", 1), Gpu("b", 1))
    machine = Machine("h", "s", "3.11", cpus=4, memory_bytes=None, gpus=gpus)
    assert resources_here(machine, cuda_devices=0).gpus == 0
    assert resources_here(machine, cuda_devices=2).gpus == 2


def test_a_cluster_is_named_in_a_refusal():
    there = cluster_resources({"CPU": 4.0, "memory": 1e9}, address="head:6379")
    with pytest.raises(ValueError, match="cluster head:6379 has 4"):
        fit_slots(Slots(workers=5), there)


def test_a_fit_reads_as_a_sentence():
    assert str(fit_slots(Slots(), has(2))) == "2 slots of 1 worker with 1 core each"
    assert str(fit_slots(Slots(gpu=0.5), has(8, 1))) == (
        "2 slots of 1 worker with 4 cores, 0.5 GPU each"
    )


def test_refuses_shares_of_gpus_that_no_gpu_has_left():
    with pytest.raises(
        ValueError, match=r"slots/gpu: .* 3 workers with 0\.6 GPU each needs 3 GPUs"
    ):
        fit_slots(Slots(workers=3, gpu=0.6), has(8, 2))
