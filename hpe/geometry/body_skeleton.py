"""The body's 17 joints in Human3.6M's order, its bones and sides, and other data sets' orders.

Everywhere in this project bodies come in the order of S4 and of most Human3.6M work. A permutation
or selection `A_FROM_B` turns an array in order B into order A by indexing, as in
`hpe.geometry.skeleton`.
"""

PELVIS = 0
SPINE = 7
THORAX = 8
NECK = 9
HEAD = 10

BODY_JOINTS: tuple[str, ...] = (
    "hip",
    "right_hip",
    "right_knee",
    "right_foot",
    "left_hip",
    "left_knee",
    "left_foot",
    "spine",
    "thorax",
    "neck",
    "head",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
)
"""`hip` is the pelvis, the middle between the hips; `neck` is Human3.6M's "Neck/Nose"; a `foot` is
the ankle; `head` is its top."""

NUM_BODY_JOINTS = len(BODY_JOINTS)

BODY_BONES: tuple[tuple[int, int], ...] = (
    (0, 1),
    (1, 2),
    (2, 3),
    (0, 4),
    (4, 5),
    (5, 6),
    (0, 7),
    (7, 8),
    (8, 9),
    (9, 10),
    (8, 11),
    (11, 12),
    (12, 13),
    (8, 14),
    (14, 15),
    (15, 16),
)
"""The 16 (parent, child) pairs, from the pelvis outwards; bone i ends in joint i + 1."""

BODY_PARENTS: tuple[int, ...] = (PELVIS, *(parent for parent, _ in BODY_BONES))
"""Each joint's parent; the pelvis is its own."""

LEFT_RIGHT_PAIRS: tuple[tuple[int, int], ...] = (
    (4, 1),
    (5, 2),
    (6, 3),
    (11, 14),
    (12, 15),
    (13, 16),
)
"""(left, right) joints."""


def _swapped() -> tuple[int, ...]:
    other = dict(LEFT_RIGHT_PAIRS) | {right: left for left, right in LEFT_RIGHT_PAIRS}
    return tuple(other.get(joint, joint) for joint in range(NUM_BODY_JOINTS))


MIRRORED_FROM_BODY: tuple[int, ...] = _swapped()
"""Names the joints of a mirrored body: left ones become right ones; its own inverse."""

FOURTEEN_JOINTS: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)
"""Limbs, thorax and top of the head: without pelvis, spine and neck, as 14-joint scores have it."""

MPII_JOINTS: tuple[str, ...] = (
    "right_foot",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_foot",
    "hip",
    "thorax",
    "neck",
    "head",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
)
"""MPII's 16 joints by the names above; it has no spine. Its `neck` is the upper neck."""

BODY_FROM_MPII_WITH_SPINE: tuple[int, ...] = (
    6, 2, 1, 0, 3, 4, 5, 16, 7, 8, 9, 13, 14, 15, 12, 11, 10,
)  # fmt: skip
"""For MPII's joints with a dummy spine appended as the 17th; weight the spine by zero."""

MPII_FROM_BODY: tuple[int, ...] = (3, 2, 1, 4, 5, 6, 0, 8, 9, 10, 16, 15, 14, 11, 12, 13)
"""MPII's 16 joints out of the 17."""
