"""Body joint orders agree with each other by name, and with the published permutation."""

import numpy as np

from hpe.geometry.body_skeleton import (
    BODY_BONES,
    BODY_FROM_MPII_WITH_SPINE,
    BODY_JOINTS,
    BODY_PARENTS,
    FOURTEEN_JOINTS,
    LEFT_RIGHT_PAIRS,
    MIRRORED_FROM_BODY,
    MPII_FROM_BODY,
    MPII_JOINTS,
    SPINE,
)


def test_joints_have_s4s_names_in_s4s_order():
    published = (
        "Hip, RHip, RKnee, RFoot, LHip, LKnee, LFoot, Spine, Thorax, Neck/Nose, Head, LShoulder, "
        "LElbow, LWrist, RShoulder, RElbow, RWrist"
    )
    sides = {"left": "L", "right": "R"}
    named = []
    for joint in BODY_JOINTS:
        side, _, part = joint.rpartition("_")
        named.append(sides.get(side, "") + part.capitalize())
    assert ", ".join(named) == published.replace("Neck/Nose", "Neck")


def test_mpii_with_a_dummy_spine_becomes_the_bodys_order_by_name():
    with_spine = [*MPII_JOINTS, "spine"]
    assert tuple(with_spine[k] for k in BODY_FROM_MPII_WITH_SPINE) == BODY_JOINTS


def test_mpii_permutation_is_s4s_with_the_spine_at_seven():
    published = [6, 2, 1, 0, 3, 4, 5, 7, 8, 9, 13, 14, 15, 12, 11, 10]
    published.insert(7, 16)
    assert list(BODY_FROM_MPII_WITH_SPINE) == published
    assert SPINE == 7
    assert sorted(BODY_FROM_MPII_WITH_SPINE) == list(range(17))


def test_going_to_mpii_and_back_leaves_all_but_the_spine():
    joints = np.arange(17)
    back = np.append(joints[list(MPII_FROM_BODY)], -1)[list(BODY_FROM_MPII_WITH_SPINE)]
    assert np.array_equal(np.delete(back, SPINE), np.delete(joints, SPINE))


def test_mirroring_swaps_names_and_undoes_itself():
    for joint, other in enumerate(MIRRORED_FROM_BODY):
        swapped = {"left": "right", "right": "left"}
        side, _, part = BODY_JOINTS[joint].rpartition("_")
        assert BODY_JOINTS[other] == f"{swapped[side]}_{part}" if side else other == joint
    joints = np.arange(17)
    assert np.array_equal(joints[list(MIRRORED_FROM_BODY)][list(MIRRORED_FROM_BODY)], joints)
    assert all(BODY_JOINTS[left].startswith("left") for left, _ in LEFT_RIGHT_PAIRS)


def test_bones_are_a_tree_whose_ith_bone_ends_in_joint_i_plus_one():
    assert [child for _, child in BODY_BONES] == list(range(1, 17))
    assert all(parent < child for parent, child in BODY_BONES)
    assert (0, *(parent for parent, _ in BODY_BONES)) == BODY_PARENTS


def test_mirrored_bones_are_bones():
    mirrored = {tuple(MIRRORED_FROM_BODY[k] for k in bone) for bone in BODY_BONES}
    assert mirrored == set(BODY_BONES)


def test_fourteen_joints_leave_out_pelvis_spine_and_neck():
    left_out = set(BODY_JOINTS) - {BODY_JOINTS[k] for k in FOURTEEN_JOINTS}
    assert left_out == {"hip", "spine", "neck"}
