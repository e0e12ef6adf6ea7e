"""A Ray cluster of many nodes with logical cores and GPUs, on one machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray._private.utils import get_ray_address_file
from ray.cluster_utils import Cluster

from sweep.cluster import PROCESSES

OBJECT_STORE_BYTES = 80 << 20  # of each node; nothing but reports goes through it
SYSTEM = {
    # A node with eight logical cores is not to start eight processes that nobody asked for.
    "enable_worker_prestart": False,
    "prestart_worker_first_driver": False,
    # Slots and trials are more processes than the head has cores, which is nothing to warn of.
    "worker_maximum_startup_concurrency": PROCESSES,
}


@contextmanager
def logical_cluster(folder: Path, *, nodes: int, cores: int, gpus: int = 0) -> Iterator[str]:
    """Run a cluster of logical nodes, and end it.

    Args:
        folder: Where Ray keeps its files.
        nodes: Beside the head.
        cores: Of each of them.
        gpus: Likewise.

    Yields:
        The address of its head, which has neither cores nor GPUs.
    """
    common = {"object_store_memory": OBJECT_STORE_BYTES, "temp_dir": str(folder)}
    head = {"num_cpus": 0, "_system_config": SYSTEM, **common}
    head |= {"include_dashboard": True, "dashboard_port": None}  # whichever is free
    # Cluster writes its address there too, and fails where Ray has never run.
    Path(get_ray_address_file(None)).parent.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=cores, num_gpus=gpus, **common)
        yield cluster.address
    finally:
        cluster.shutdown()
