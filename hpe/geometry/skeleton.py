"""The hand's 21 joints, its bones and fingers, and other data sets' joint orders.

Everywhere in this project joints come in FreiHAND's order: the wrist, then thumb, index, middle,
ring and little finger, each from the knuckle to the tip. A permutation `A_FROM_B` turns an array in
order B into order A by indexing: `joints_a = joints_b[..., A_FROM_B, :]`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

WRIST = 0

FINGERS: Mapping[str, tuple[int, int, int, int]] = MappingProxyType(
    {
        "thumb": (1, 2, 3, 4),
        "index": (5, 6, 7, 8),
        "middle": (9, 10, 11, 12),
        "ring": (13, 14, 15, 16),
        "little": (17, 18, 19, 20),
    }
)

JOINTS: tuple[str, ...] = (
    "wrist",
    "thumb_cmc",
    "thumb_mcp",
    "thumb_ip",
    "thumb_tip",
    *(
        f"{finger}_{part}"
        for finger in ("index", "middle", "ring", "little")
        for part in ("mcp", "pip", "dip", "tip")
    ),
)

NUM_JOINTS = len(JOINTS)

BONES: tuple[tuple[int, int], ...] = tuple(
    (parent, child)
    for finger in FINGERS.values()
    for parent, child in zip((WRIST, *finger[:-1]), finger, strict=True)
)
"""The 20 (parent, child) pairs, finger by finger, from the wrist outwards."""

PARENTS: tuple[int, ...] = (WRIST, *(parent for parent, _ in BONES))
"""Each joint's parent; the wrist is its own."""

SCALE_BONE = (9, 10)
"""Middle MCP to PIP, FreiHAND's `scale`: the only bone whose length its test set gives away."""


def inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    """Return the permutation that undoes the given one: `A_FROM_B` -> `B_FROM_A`."""
    return tuple(sorted(range(len(permutation)), key=permutation.__getitem__))


# The "AIT" order of SimCLR-, PeCLR- and EffPose-type systems: wrist, five MCP, PIP, DIP, tips.
AIT_FROM_FREIHAND = (0, 1, 5, 9, 13, 17, 2, 6, 10, 14, 18, 3, 7, 11, 15, 19, 4, 8, 12, 16, 20)
FREIHAND_FROM_AIT = inverse(AIT_FROM_FREIHAND)

# One hand of InterHand2.6M: each finger from the tip to the knuckle, the wrist last.
FREIHAND_FROM_INTERHAND = (20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16)
INTERHAND_FROM_FREIHAND = inverse(FREIHAND_FROM_INTERHAND)

# RHD: the wrist, then each finger from the tip to the knuckle. It is its own inverse.
FREIHAND_FROM_RHD = (0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17)
RHD_FROM_FREIHAND = inverse(FREIHAND_FROM_RHD)

# MANO's 16 joints (wrist; index, middle, little, ring, thumb), then tips from thumb to little.
FREIHAND_FROM_MANO = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
MANO_FROM_FREIHAND = inverse(FREIHAND_FROM_MANO)
