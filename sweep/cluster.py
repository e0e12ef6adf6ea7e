"""The Ray cluster a study runs on: a local one of its own, or one that exists."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from sweep.interruption import keeping_handlers
from sweep.messages import counted
from trainables.network import meet_where_ray_does

OBJECT_STORE_BYTES = 256 << 20  # only reports go through it; data and weights are files
PROCESSES = 64  # started at once before Ray warns
KNOCK_S = 5.0
MEETING = meet_where_ray_does
"""What Ray runs in every process that it starts for a study on several machines."""
LOOK_EVERY_S = 2.0
JOINING_S = 600.0  # for the machines of an allocation to come up


class ClusterLost(RuntimeError):
    """The driver's own node of the Ray cluster is gone, and its slots with it."""


class MachineFull(RuntimeError):
    """Ray ended processes that the driver depends on, as its machine ran out of memory."""


class NodeWatch:
    """Notices that Ray has given up the node this process is connected to.

    Nobody else does: a driver's calls to actors that went with the node, or are to be started on
    it, wait for ever.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._node = ray.get_runtime_context().get_node_id()
        self._seen_at = clock()

    def check(self, *, now: bool = False) -> None:
        """See whether the node is alive, if that was not seen a moment ago.

        Raises:
            ClusterLost: If it is not.
        """
        if not now and self._clock() - self._seen_at < LOOK_EVERY_S:
            return
        self._seen_at = self._clock()
        if all(node["NodeID"] != self._node for node in alive_nodes()):
            raise ClusterLost(
                "Ray's processes on this machine are gone (killed, or out of memory?). All that "
                "was reported is saved, and trials go on from their last saved epoch."
            )


@contextmanager
def local_cluster(*, cpus: int, gpus: int = 0) -> Iterator[None]:
    """Run a Ray cluster of one machine, and end it.

    Its dashboard listens on loopback only, and every connection needs a token that is made for this
    run, unless RAY_AUTH_MODE says otherwise. Ray Train's own cleaning-up needs the dashboard.
    """
    if os.environ.get("RAY_AUTH_MODE", "token") == "token":
        # The mode itself is left to Ray, which asks for tokens when it starts a cluster: it reads
        # the variable as it is imported, so setting it now would change its children alone.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    _start_ray(
        address="local",
        num_cpus=cpus,
        num_gpus=gpus,
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        # Slots and trials are more processes than cores, which is nothing to warn of.
        _system_config={"worker_maximum_startup_concurrency": PROCESSES},
    )
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def connected_cluster(address: str) -> Iterator[None]:
    """Use a cluster that exists, and leave it running.

    Args:
        address: `host:port` of its head, or `auto` for the one this machine belongs to.

    Raises:
        ValueError: If there is none at this address, or it does not let us in.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token" if _has_token() else "disabled")
    try:
        _knock(address)
        _start_ray(
            address=address,
            runtime_env={"worker_process_setup_hook": f"{MEETING.__module__}.{MEETING.__name__}"},
        )
    except (OSError, RuntimeError, RayError) as error:
        raise ValueError(
            f"--address {address}: no Ray cluster answers there ({error}); check the address, and "
            f"that RAY_AUTH_MODE ({os.environ['RAY_AUTH_MODE']}) is what the cluster was started "
            f"with."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def wait_for_nodes(count: int, *, patience_s: float = JOINING_S) -> None:
    """Wait until the connected cluster has this many machines.

    Raises:
        ValueError: If it has not in time.
    """
    deadline = time.monotonic() + patience_s
    while (there := num_nodes()) < count:
        if time.monotonic() > deadline:
            raise ValueError(
                f"--nodes {count}: the cluster has {counted(there, 'machine')} after "
                f"{patience_s:.0f} s; see why the others do not come (ray status), or give fewer."
            )
        time.sleep(1.0)


def num_nodes() -> int:
    """Return how many machines of the connected cluster are alive."""
    return len(alive_nodes())


def alive_nodes() -> list[Mapping[str, Any]]:
    """Return the nodes of the connected cluster that Ray has not given up, as it tells of them."""
    return [node for node in ray.nodes() if node["Alive"]]


def _knock(address: str) -> None:
    """See whether anyone listens: Ray ends the whole process where nobody does."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(
            f"--address {address}: must be host:port of the cluster's head, or auto; the command "
            f"runs on a machine of the cluster, so ray:// is not offered."
        )
    socket.create_connection((host, int(port)), timeout=KNOCK_S).close()


def _start_ray(**options: Any) -> None:
    """Call `ray.init`, quietly; signals mean afterwards what they did before."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns on CPU nodes
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with keeping_handlers():
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or (Path.home() / ".ray" / "auth_token").exists()
