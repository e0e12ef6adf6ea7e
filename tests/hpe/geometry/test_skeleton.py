"""Joint orders are permutations that agree with each other and with the published table."""

import numpy as np
import pytest

from hpe.geometry import skeleton
from hpe.geometry.skeleton import (
    AIT_FROM_FREIHAND,
    BONES,
    FINGERS,
    FREIHAND_FROM_AIT,
    FREIHAND_FROM_INTERHAND,
    FREIHAND_FROM_MANO,
    JOINTS,
    PARENTS,
    inverse,
)

PERMUTATIONS = [name for name in dir(skeleton) if "_FROM_" in name]

INTERHAND_JOINTS = [
    *(f"{finger}{4 - k}" for finger in FINGERS for k in range(4)),
    "wrist",
]
FREIHAND_JOINTS = ["wrist", *(f"{finger}{k}" for finger in FINGERS for k in (1, 2, 3, 4))]


@pytest.mark.parametrize("name", PERMUTATIONS)
def test_every_joint_order_is_a_permutation(name):
    assert sorted(getattr(skeleton, name)) == list(range(21))


@pytest.mark.parametrize("name", PERMUTATIONS)
def test_every_joint_order_has_its_inverse(name):
    target, source = name.split("_FROM_")
    back = getattr(skeleton, f"{source}_FROM_{target}")
    joints = np.arange(21)
    assert (joints[list(getattr(skeleton, name))][list(back)] == joints).all()


def test_interhand_is_tip_first_with_the_wrist_last():
    assert [INTERHAND_JOINTS[k] for k in FREIHAND_FROM_INTERHAND] == FREIHAND_JOINTS


def test_ait_lists_knuckles_then_the_next_joints_then_tips():
    names = [FREIHAND_JOINTS[k] for k in AIT_FROM_FREIHAND]
    assert names == ["wrist", *(f"{finger}{k}" for k in (1, 2, 3, 4) for finger in FINGERS)]


@pytest.mark.parametrize(
    ("freihand_from_source", "published_ait_from_source"),
    [
        (FREIHAND_FROM_INTERHAND, [20, 3, 7, 11, 15, 19, 2, 6, 10, 14, 18, 1, 5, 9, 13, 17]),
        (FREIHAND_FROM_MANO, [0, 13, 1, 4, 10, 7, 14, 2, 5, 11, 8, 15, 3, 6, 12, 9]),
    ],
)
def test_orders_compose_to_the_table_in_peclrs_joint_mapping(
    freihand_from_source, published_ait_from_source
):
    composed = [freihand_from_source[k] for k in AIT_FROM_FREIHAND]
    assert composed[:16] == published_ait_from_source


def test_freihand_from_ait_undoes_ait_from_freihand():
    assert inverse(AIT_FROM_FREIHAND) == FREIHAND_FROM_AIT


def test_bones_form_a_tree_from_the_wrist():
    assert len(BONES) == 20
    assert sorted(child for _, child in BONES) == list(range(1, 21))
    assert all(PARENTS[child] == parent for parent, child in BONES)
    for joint in range(21):
        for _ in range(4):
            joint = PARENTS[joint]
        assert joint == 0


def test_bones_stay_within_a_finger():
    finger_of = {joint: name for name, joints in FINGERS.items() for joint in joints}
    assert all(finger_of[p] == finger_of[c] for p, c in BONES if p != 0)
    assert [JOINTS[c] for p, c in BONES if p == 0] == [
        "thumb_cmc",
        "index_mcp",
        "middle_mcp",
        "ring_mcp",
        "little_mcp",
    ]
