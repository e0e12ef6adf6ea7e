"""The nine limbs that evolution moves, the torso that it leaves alone, and the sub-trees of limbs.

A limb is a segment from one of the 17 joints of `hpe.geometry.body_skeleton` to another. Their
order is EvoSkeleton's (Li et al., CVPR 2020): head, then arms and legs, the left ones first. The
head runs from the thorax to the top of the head and carries the neck, which keeps its place in it.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool

from hpe.geometry.body_skeleton import BODY_JOINTS

_ENDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "head": ("thorax", "head"),
        "left_upper_arm": ("left_shoulder", "left_elbow"),
        "left_forearm": ("left_elbow", "left_wrist"),
        "right_upper_arm": ("right_shoulder", "right_elbow"),
        "right_forearm": ("right_elbow", "right_wrist"),
        "left_thigh": ("left_hip", "left_knee"),
        "left_shin": ("left_knee", "left_foot"),
        "right_thigh": ("right_hip", "right_knee"),
        "right_shin": ("right_knee", "right_foot"),
    }
)

LIMBS: tuple[str, ...] = tuple(_ENDS)
NUM_LIMBS = len(LIMBS)

STARTS: tuple[int, ...] = tuple(BODY_JOINTS.index(start) for start, _ in _ENDS.values())
"""The joint at which each limb begins."""

ENDS: tuple[int, ...] = tuple(BODY_JOINTS.index(end) for _, end in _ENDS.values())
"""The joint in which each limb ends."""

FIRST: tuple[int, ...] = (0, 1, 3, 5, 7)
"""Limbs that begin at the torso."""

SECOND: tuple[int, ...] = (2, 4, 6, 8)
"""Forearms and shins; each one's parent is the limb before it."""

LOWER: tuple[int, ...] = (5, 6, 7, 8)
"""Limbs of the legs, whose frame is that of the hips; the others' is that of the shoulders."""

MIRRORED_LIMBS: tuple[int, ...] = (0, 3, 4, 1, 2, 7, 8, 5, 6)
"""The limb of the other side; the head is its own."""

TORSO: tuple[int, ...] = tuple(
    BODY_JOINTS.index(name)
    for name in (
        "hip",
        "right_hip",
        "left_hip",
        "spine",
        "thorax",
        "left_shoulder",
        "right_shoulder",
    )
)
"""Joints that no limb ends in, the neck apart."""

NECK = BODY_JOINTS.index("neck")

SUBTREES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "hip": (0, 1, 2, 3, 4, 5, 6, 7, 8),
        "right_hip": (7, 8),
        "right_knee": (8,),
        "left_hip": (5, 6),
        "left_knee": (6,),
        "thorax": (0, 1, 2, 3, 4),
        "left_shoulder": (1, 2),
        "left_elbow": (2,),
        "right_shoulder": (3, 4),
        "right_elbow": (4,),
    }
)
"""Joint -> the limbs below it."""

PUBLISHED_SUBTREES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {**SUBTREES, "hip": (5, 6, 7, 8), "thorax": (1, 2, 3, 4)}
)
"""EvoSkeleton's: the thorax hangs on nothing, so that the hip has legs alone, and no head moves."""


def subtree_masks(subtrees: Mapping[str, tuple[int, ...]]) -> Bool[np.ndarray, "roots limbs"]:
    """Return the sub-trees as rows, in order."""
    masks = np.zeros((len(subtrees), NUM_LIMBS), dtype=bool)
    for row, limbs in zip(masks, subtrees.values(), strict=True):
        row[list(limbs)] = True
    return masks
