"""A Ray cluster of many nodes with logical cores and GPUs, on one machine."""

import random
from pathlib import Path
from typing import Self

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


class LogicalCluster:
    """A cluster of logical nodes, up from entering to leaving.

    Its head has neither cores nor GPUs.
    """

    def __init__(self, folder: Path, *, nodes: int, cores: int, gpus: int = 0) -> None:
        """Say what it is to be.

        Args:
            folder: Where Ray keeps its files.
            nodes: Beside the head.
            cores: Of each of them.
            gpus: Likewise.
        """
        self.nodes = nodes
        self._folder = folder
        self._each = {"num_cpus": cores, "num_gpus": gpus}
        self._started = 0

    def __enter__(self) -> Self:
        """Bring it up."""
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._cluster.shutdown()

    @property
    def address(self) -> str:
        """Return the address of its head."""
        return str(self._cluster.address)

    def replace_node(self, rng: random.Random) -> None:
        """Kill a node with all that runs on it, and bring another up."""
        lost = rng.choice(list(self._cluster.worker_nodes))
        self._cluster.remove_node(lost, allow_graceful=False)
        self._add_node()

    def kill(self) -> None:
        """Kill the head and all nodes."""
        self._cluster.remove_node(self._cluster.head_node, allow_graceful=False)
        for node in list(self._cluster.worker_nodes):
            self._cluster.remove_node(node, allow_graceful=False)

    def restart(self) -> None:
        """Bring it up anew after `kill`, at another address."""
        self._cluster.shutdown()
        self._start()

    def _start(self) -> None:
        # Cluster writes its address there too, and fails where Ray has never run.
        Path(get_ray_address_file(None)).parent.mkdir(parents=True, exist_ok=True)
        self._started += 1
        self._common = {
            "object_store_memory": OBJECT_STORE_BYTES,
            "temp_dir": str(self._folder / str(self._started)),
        }
        head = {"num_cpus": 0, "_system_config": SYSTEM, **self._common}
        head |= {"include_dashboard": True, "dashboard_port": None}  # whichever is free
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            for _ in range(self.nodes):
                self._add_node()
        except BaseException:
            self._cluster.shutdown()
            raise

    def _add_node(self) -> None:
        self._cluster.add_node(**self._each, **self._common)
