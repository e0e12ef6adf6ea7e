"""The machines that a cluster's autoscaler may start."""

import json
from collections.abc import Mapping
from pathlib import Path

import ray
from ray._common.constants import HEAD_NODE_RESOURCE_NAME
from ray._private.state import state as global_state

from sweep.slot_fit import Coming, Node, node_of

UP_FILE = "~/ray_bootstrap_config.yaml"
"""What `ray up` leaves on the head, in JSON, for the autoscaler there: the cluster file, with all
that it left out. Both versions of the autoscaler read it."""


def machines_that_may_come() -> Coming:
    """Return what the connected cluster's autoscaler may start, if it has one.

    Ray keeps a place for it which few platforms fill, and `ray up` does not (ray#63012): there it
    is read on the head, from what the autoscaler was given. Types that offer nothing to workers,
    such as a cloud's head, are left out.
    """
    config = global_state.get_cluster_config()
    if config is not None:
        nodes = [
            node
            for group in config.node_group_configs
            for node in _alike(group.max_count, group.resources, {})
        ]
        return Coming(tuple(nodes), most=len(nodes))
    path = Path(UP_FILE).expanduser()
    return coming_by(path) if path.is_file() and _is_head() else Coming()


def coming_by(path: Path) -> Coming:
    """Return the machines that a file of `ray up` lets an autoscaler start.

    Args:
        path: Such a file, in which Ray has filled in what every type may have.
    """
    config = json.loads(path.read_text(encoding="utf-8"))
    nodes = [
        node
        for kind in config["available_node_types"].values()
        for node in _alike(kind["max_workers"], kind["resources"], kind.get("labels") or {})
    ]
    return Coming(tuple(nodes), most=config["max_workers"])


def _alike(count: int, resources: Mapping[str, float], labels: Mapping[str, str]) -> list[Node]:
    """Return so many machines of a type, or none where it offers workers nothing."""
    node = node_of(resources, labels)
    return [node] * (count if node.cpus else 0)


def _is_head() -> bool:
    """Say whether this process runs on the head of the cluster it is connected to."""
    here = ray.get_runtime_context().get_node_id()
    return any(
        node["NodeID"] == here and HEAD_NODE_RESOURCE_NAME in node["Resources"]
        for node in ray.nodes()
    )
