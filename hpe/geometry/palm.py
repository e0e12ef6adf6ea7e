"""Poses whose first joint is the palm's centre instead of the wrist, as some systems predict them.

S0's option `use_palm` takes the middle between wrist and index MCP; PeCLR's released finetuned
network that between wrist and middle MCP. Either way the wrist is 2 palm - MCP.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hpe.geometry.skeleton import FINGERS, WRIST

Root = Literal["wrist", "palm", "palm_middle"]

KNUCKLES: Mapping[Root, int] = MappingProxyType(
    {"palm": FINGERS["index"][0], "palm_middle": FINGERS["middle"][0]}
)
"""The joint on the other side of the palm's centre, seen from the wrist."""


def with_root(joints_m: Float[Tensor, "batch 21 3"], root: Root) -> Float[Tensor, "batch 21 3"]:
    """Return the joints with the root in the wrist's place."""
    if root == "wrist":
        return joints_m
    palm_m = (joints_m[:, WRIST] + joints_m[:, KNUCKLES[root]]) / 2
    return _with_first(palm_m, joints_m)


def with_wrist(joints_m: Float[Tensor, "batch 21 3"], root: Root) -> Float[Tensor, "batch 21 3"]:
    """Return the joints with the wrist in the root's place: the inverse of `with_root`."""
    if root == "wrist":
        return joints_m
    wrist_m = 2 * joints_m[:, WRIST] - joints_m[:, KNUCKLES[root]]
    return _with_first(wrist_m, joints_m)


def root_valid(valid: Bool[Tensor, "batch 21"], root: Root) -> Bool[Tensor, "batch 21"]:
    """Return which joints are annotated after `with_root`; a palm needs both of its ends."""
    if root == "wrist":
        return valid
    return _with_first(valid[:, WRIST] & valid[:, KNUCKLES[root]], valid)


def _with_first(first: Tensor, joints: Tensor) -> Tensor:
    return torch.cat([first[:, None], joints[:, 1:]], dim=1)
