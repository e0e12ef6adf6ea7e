"""What a cluster file would let strangers in by."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from sweep.findings import Finding, Level
from sweep.ray_start import RayStart, ray_starts

PART = "cluster"
TOKEN_MOUNT = "~/.ray/auth_token"
KINDS = ("head", "worker")
AS_SHIPPED = "take the block over from the file that is shipped (cluster.yaml or cluster/)"


def open_doors(config: Mapping[str, Any], *, prepared: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what would let strangers in.

    Args:
        config: What the file says.
        prepared: What Ray makes of it: what is left out is Ray's default, which asks for no token.
    """
    for kind in KINDS:
        yield from _doors_of_nodes(kind, config, prepared)
    if TOKEN_MOUNT not in (prepared.get("file_mounts") or {}):
        yield Finding(
            Level.FAIL,
            PART,
            "the nodes do not get the token",
            f'"{TOKEN_MOUNT}": "{TOKEN_MOUNT}" in file_mounts',
        )
    if (prepared.get("provider") or {}).get("type") == "aws":
        yield from _doors_of_aws(prepared.get("available_node_types") or {})


def starts_of(kind: str, prepared: Mapping[str, Any]) -> Sequence[RayStart]:
    """Return how a node of a kind, `head` or `worker`, starts Ray."""
    return ray_starts(prepared.get(f"{kind}_start_ray_commands") or [])


def _doors_of_nodes(
    kind: str, config: Mapping[str, Any], prepared: Mapping[str, Any]
) -> Iterator[Finding]:
    block, starts = f"{kind}_start_ray_commands", starts_of(kind, prepared)
    if block not in config:
        yield Finding(
            Level.FAIL,
            PART,
            f"{block} is left out, and Ray's own start lines ask nobody for the token",
            AS_SHIPPED,
        )
        return
    if not starts:
        yield Finding(
            Level.FAIL,
            PART,
            f"{block}: no line is a `ray start` that can be read here",
            AS_SHIPPED,
        )
    if not all(start.variables.get("RAY_AUTH_MODE") == "token" for start in starts):
        yield Finding(
            Level.FAIL,
            PART,
            f"{block}: a node would run what anybody sends it",
            "RAY_AUTH_MODE=token before every `ray start`",
        )
    hosts = [start.options.get("--dashboard-host", "localhost") for start in starts]
    if not all(_is_loopback(host) for host in hosts):
        yield Finding(
            Level.FAIL,
            PART,
            f"{block}: the dashboard would be open to other machines",
            "--dashboard-host=127.0.0.1; reach it by ray dashboard",
        )


def _doors_of_aws(types: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the node types for which Ray makes a security group: one with SSH for the world."""
    for name, node_type in types.items():
        settings = node_type.get("node_config") or {}
        if "SecurityGroupIds" in settings or "NetworkInterfaces" in settings:
            continue  # an interface without a group is not taken by Ray
        group = f"{name} has no SecurityGroupIds"
        if "LaunchTemplate" in settings:
            yield Finding(
                Level.WARN,
                PART,
                f"{group}; whether its LaunchTemplate has some is not seen from here",
                "look that it has: else Ray opens port 22 to the world",
            )
        else:
            yield Finding(
                Level.FAIL,
                PART,
                f"{group}: Ray would make a group that opens port 22 to the world",
                "SecurityGroupIds in its node_config; docs/cluster.md says what the group admits",
            )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
