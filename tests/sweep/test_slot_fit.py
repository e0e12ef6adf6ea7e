"""How many slots fit, and what is refused."""

import pytest

from sweep.machine import Gpu, Machine
from sweep.slot_fit import (
    Coming,
    Node,
    Resources,
    cluster_resources,
    fit_slots,
    resources_here,
    slots_that_fit,
)
from sweep.study import Slots


def has(cpus, gpus=0):
    return Resources((Node(cpus, gpus),), where="this machine")


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
    resources = Resources((Node(8, 0),), where="here", memory_bytes=memory_gib * 2**30)
    assert fit_slots(Slots(), resources).count == count
    assert fit_slots(Slots(count=8), resources).count == 8


def test_gpus_that_torch_cannot_use_do_not_count():
    gpus = (Gpu("a", 1), Gpu("b", 1))
    machine = Machine("h", "s", "3.11", cpus=4, memory_bytes=None, gpus=gpus)
    assert resources_here(machine, cuda_devices=0).gpus == 0
    assert resources_here(machine, cuda_devices=2).gpus == 2


def test_a_cluster_is_named_in_a_refusal():
    there = cluster_resources([node(4)], address="head:6379")
    with pytest.raises(ValueError, match="cluster head:6379 has 4"):
        fit_slots(Slots(workers=5), there)


def node(cpus, gpus=0, *, kind=None, alive=True):
    """Return a machine as `ray.nodes()` tells it."""
    labels = {} if kind is None else {"ray.io/accelerator-type": kind}
    resources = {"CPU": float(cpus), "GPU": float(gpus), "memory": 1e9}
    return {"Alive": alive, "Resources": resources, "Labels": labels}


def cluster(*nodes, coming=(), most=None):
    most = len(coming) if most is None else most
    return cluster_resources(nodes, coming=Coming(tuple(coming), most), address="lab")


@pytest.mark.parametrize(
    ("slots", "nodes", "count", "cores"),
    [
        (Slots(), [node(4), node(4), node(4)], 8, 1),
        (Slots(count=3), [node(4), node(4), node(4)], 3, 4),
        (Slots(count=2), [node(8), node(2)], 2, 4),  # not 5: the small one has only 2
        (Slots(count=2, workers=2), [node(4), node(4)], 2, 2),  # a slot may span machines
        (Slots(count=1, workers=2), [node(4), node(4)], 1, 4),
        (Slots(), [node(4, 1), node(4, 1), node(4, 1)], 3, 4),
        (Slots(workers=2), [node(4, 1), node(4, 1), node(4, 1)], 1, 4),
        (Slots(), [node(0), node(8, 1), node(8, 1)], 2, 8),  # the head offers nothing
        (Slots(), [node(4), node(4, alive=False)], 4, 1),
        (Slots(max=12), [node(8), node(8)], 12, 1),
        (Slots(gpu=0.5), [node(8, 1), node(2, 1)], 4, 1),
    ],
)
def test_workers_of_a_cluster_fit_into_its_machines(slots, nodes, count, cores):
    fit = fit_slots(slots, cluster(*nodes))
    assert (fit.count, fit.cpus_per_worker) == (count, cores)


def test_gpus_of_different_machines_are_not_added_up_for_one_worker():
    with pytest.raises(ValueError, match="each on one machine; the largest of cluster lab has 8 c"):
        fit_slots(Slots(gpu=2.0), cluster(node(8, 1), node(8, 1)))


def test_only_machines_with_the_gpu_asked_for_count():
    mixed = cluster(node(8, 2, kind="L4"), node(8, 1, kind="A100"), node(8))
    fit = fit_slots(Slots(accelerator="L4"), mixed)
    assert (fit.count, fit.cpus_per_worker, fit.accelerator) == (2, 4, "L4")
    assert str(fit) == "2 slots of 1 worker with 4 cores, 1 L4 GPU each"
    with pytest.raises(ValueError, match="no machine of cluster lab is known to have H100; there"):
        fit_slots(Slots(accelerator="H100"), mixed)


def test_a_gpu_type_on_this_machine_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="it is for clusters: --address"):
        fit_slots(Slots(accelerator="L4"), has(8, 1))


def test_machines_that_the_autoscaler_may_start_count_once():
    spot, head = Node(8, 1), node(0)
    empty = cluster(head, coming=[spot] * 4)
    assert fit_slots(Slots(), empty).count == 4
    half_there = cluster(head, node(8, 1), node(8, 1), coming=[spot] * 4)
    assert fit_slots(Slots(), half_there).count == 4


def test_a_machine_like_those_that_the_autoscaler_starts_but_one_too_many_is_not_forgotten():
    both = cluster(node(8, 1), node(8, 1), node(8, 1), coming=[Node(8, 1)] * 2)
    assert fit_slots(Slots(), both).count == 3


@pytest.mark.parametrize("there", [0, 3, 8])
def test_no_more_machines_are_counted_than_may_be_there_at_once(there):
    spot_and_on_demand = [Node(8, 1, "L4")] * 10
    nodes = [node(0)] + [node(8, 1, kind="L4")] * there
    fit = fit_slots(Slots(max=20), cluster(*nodes, coming=spot_and_on_demand, most=8))
    assert (fit.count, fit.cpus_per_worker) == (8, 8)


def test_the_machines_at_once_may_all_be_of_the_type_that_is_wanted():
    either = cluster(node(0), coming=[Node(8, 1, "L4")] * 4 + [Node(16, 8, "A100")] * 4, most=4)
    assert fit_slots(Slots(accelerator="L4"), either).count == 4
    assert fit_slots(Slots(accelerator="A100", max=99), either).count == 32
    assert fit_slots(Slots(gpu=8.0), either).count == 4


def test_machines_with_the_gpu_asked_for_may_still_be_to_come():
    fit = fit_slots(Slots(accelerator="L4"), cluster(node(0), coming=[Node(8, 1, "L4")] * 2))
    assert (fit.count, fit.accelerator) == (2, "L4")
    with pytest.raises(ValueError, match="known to have A100; there are L4"):
        fit_slots(Slots(accelerator="A100"), cluster(node(0), coming=[Node(8, 1, "L4")]))


def test_a_gpu_that_ray_finds_on_a_machine_is_known_though_its_type_does_not_tell():
    there = cluster(node(8, 1, kind="L4"), node(0), coming=[Node(8, 1)] * 4)
    assert fit_slots(Slots(accelerator="L4"), there).count == 1
    assert fit_slots(Slots(), there).count == 4


def test_slots_follow_the_machines_that_come_and_go():
    fit = fit_slots(Slots(), cluster(node(2), node(2)))
    assert [slots_that_fit(fit, cluster(*[node(2)] * n)) for n in (2, 3, 1)] == [4, 6, 2]
    assert slots_that_fit(fit, cluster(node(0))) == 1, "it is waited for"


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
