"""The placement groups of Ray Train's worker groups, as the driver that owns them sees them."""

from collections.abc import Mapping

import ray
from ray.util.placement_group import (
    PlacementGroup,
    PlacementGroupID,
    placement_group_table,
    remove_placement_group,
)

from trainables.slot_config import SlotShape

UNPLACED = ("PENDING", "RESCHEDULING")  # placement groups that have no place yet, or no more


def train_groups(*states: str) -> set[str]:
    """Return this job's placement groups without a name, which are Train's; Tune names its own.

    Args:
        states: Only those in one of these states; none for all that are there.
    """
    job = ray.get_runtime_context().get_job_id()
    return {
        group
        for group, facts in placement_group_table().items()
        if facts["state"] != "REMOVED"
        and facts["name"] == ""
        and group.endswith(job)
        and (not states or facts["state"] in states)
    }


def exists(group: str) -> bool:
    """Say whether a placement group is there and not removed."""
    facts = placement_group_table().get(group)
    return facts is not None and facts["state"] != "REMOVED"


def remove(group: str) -> None:
    """Remove a placement group; whatever still runs in it is killed."""
    remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(group))))


def why_waiting(shape: SlotShape, *, free: Mapping[str, float], is_unplaced: bool) -> str:
    """Say whether a slot without workers lacks resources or is merely slow to start.

    Args:
        shape: What it needs.
        free: The cluster's free resources.
        is_unplaced: Whether a worker group waits for its place. One that has it holds resources,
            which are not free then.
    """
    needed = {
        "CPU": shape.workers * shape.cpus_per_worker,
        "GPU": shape.workers * shape.gpus_per_worker,
    }
    lacking = [name for name, number in needed.items() if free.get(name, 0) < number]
    if not (is_unplaced and lacking):
        return "there is room for it, its workers are slow to start"
    return (
        f"it waits for resources: it needs {shape.workers} x ({shape.cpus_per_worker:g} CPU, "
        f"{shape.gpus_per_worker:g} GPU), free now: {free.get('CPU', 0):g} CPU, "
        f"{free.get('GPU', 0):g} GPU"
    )
