"""Limb directions in the body's frames: exact there and back, wherever the body stands."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hpe.evolution.bone_frames import MIDDLES, smallest_turns, to_global, to_local
from hpe.evolution.limbs import ENDS, LIMBS, NUM_LIMBS, STARTS, SUBTREES, TORSO
from hpe.geometry.body_skeleton import BODY_JOINTS, BODY_PARENTS, NUM_BODY_JOINTS
from tests.hpe.evolution.stick_bodies import stick_bodies


def test_there_and_back_is_exact():
    poses = stick_bodies(50)
    np.testing.assert_allclose(to_global(to_local(poses)), poses, atol=1e-9)


def test_there_and_back_is_exact_for_directions():
    local = to_local(stick_bodies(50))
    again = to_local(to_global(local))
    np.testing.assert_allclose(again.directions, local.directions, atol=1e-12)
    np.testing.assert_allclose(again.neck, local.neck, atol=1e-12)
    np.testing.assert_allclose(again.lengths_mm, local.lengths_mm, atol=1e-9)


def test_directions_do_not_depend_on_where_and_how_a_body_stands():
    poses = stick_bodies(20)
    turns = Rotation.random(20, random_state=1).as_matrix()
    moved = poses @ turns.swapaxes(-1, -2) + 300.0
    np.testing.assert_allclose(to_local(moved).directions, to_local(poses).directions, atol=1e-9)
    np.testing.assert_allclose(to_local(moved).neck, to_local(poses).neck, atol=1e-9)


def test_an_arm_that_hangs_points_down_and_a_thigh_to_the_front_points_to_the_front():
    pose = stick_bodies(1, seed=2)
    up, front = np.array([0, -1.0, 0]), np.array([0, 0, -1.0])  # in a camera that it faces
    torso = [(0, 0), (1, -130), (4, 130), (11, 160), (14, -160)]
    pose[:] = 0.0
    for joint, x in torso:
        pose[0, joint, 0] = x
    pose[0, [7, 8, 11, 14]] += up * np.array([230, 480, 480, 480])[:, None]
    for start, direction in ((11, -up), (12, -up), (14, -up), (15, -up)):
        pose[0, start + 1] = pose[0, start] + 250 * direction
    for start, direction in ((4, front), (5, -up), (1, -up), (2, -up)):
        pose[0, start + 1] = pose[0, start] + 430 * direction
    pose[0, 9], pose[0, 10] = pose[0, 8] + 100 * up, pose[0, 8] + 250 * up
    local = to_local(pose).directions[0]
    np.testing.assert_allclose(local[LIMBS.index("left_upper_arm")], (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(local[LIMBS.index("left_thigh")], (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(local[LIMBS.index("head")], (0, -1, 0), atol=1e-12)
    straight = smallest_turns(MIDDLES[2], np.array([0.0, 1, 0])).T @ (0, 1, 0)
    np.testing.assert_allclose(local[LIMBS.index("left_forearm")], straight, atol=1e-12)


def test_a_straight_arm_reads_the_same_wherever_it_points():
    """The forearm's frame goes with the upper arm, so a straight elbow is one direction."""
    pose = stick_bodies(1)
    rng = np.random.default_rng(0)
    forearms = []
    for _ in range(5):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        pose[0, 12] = pose[0, 11] + 280 * direction
        pose[0, 13] = pose[0, 12] + 250 * direction
        forearms.append(to_local(pose).directions[0, 2])
    np.testing.assert_allclose(forearms, np.tile(forearms[0], (5, 1)), atol=1e-9)


def test_smallest_turns_turn_by_the_angle_between_the_vectors():
    rng = np.random.default_rng(0)
    start = MIDDLES[2]
    ends = rng.normal(size=(20, 3))
    ends /= np.linalg.norm(ends, axis=1, keepdims=True)
    ends = np.concatenate([ends, start[None], -start[None]])
    turns = smallest_turns(start, ends)
    np.testing.assert_allclose(turns @ start, ends, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turns), 1.0, atol=1e-12)
    np.testing.assert_allclose(
        Rotation.from_matrix(turns).magnitude(), np.arccos(np.clip(ends @ start, -1, 1)), atol=1e-6
    )


def test_limbs_torso_and_neck_make_up_the_body():
    assert sorted({*ENDS, *TORSO, 9}) == list(range(NUM_BODY_JOINTS))
    assert all(BODY_PARENTS[end] == start for start, end in zip(STARTS[1:], ENDS[1:], strict=True))


def test_a_subtree_holds_the_limbs_below_its_joint():
    for name, limbs in SUBTREES.items():
        root = BODY_JOINTS.index(name)
        below = [limb for limb in range(NUM_LIMBS) if root in _ancestors(ENDS[limb])]
        assert list(limbs) == below


def _ancestors(joint):
    """Return the joints above this one."""
    above = []
    while joint != BODY_PARENTS[joint]:
        joint = BODY_PARENTS[joint]
        above.append(joint)
    return above


def test_refuses_a_limb_without_length():
    poses = stick_bodies(3)
    poses[1, 13] = poses[1, 12]
    with pytest.raises(ValueError, match="every limb must have a length, got 0 mm in pose 1"):
        to_local(poses)


def test_refuses_a_torso_in_one_line():
    poses = stick_bodies(3)
    poses[2, 14] = poses[2, 11]
    with pytest.raises(ValueError, match=r"span a frame.*pose 2"):
        to_local(poses)
