"""Limits estimated from poses: real poses keep to them, impossible and random ones do not."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hpe.evolution.bone_frames import to_global, to_local
from hpe.evolution.joint_limits import chord, estimate_limits
from hpe.evolution.limbs import LIMBS, NUM_LIMBS
from hpe.evolution.operators import mutate_limbs
from tests.hpe.evolution.stick_bodies import stick_bodies

BOUNDS = {"coverage": 0.99, "smallest_deg": 5.0, "largest_deg": 20.0}


@pytest.fixture(scope="module")
def limits():
    return estimate_limits(stick_bodies(400), **BOUNDS)


def test_recorded_poses_satisfy_every_limit(limits):
    assert limits.satisfied(stick_bodies(400)).all()


def test_other_real_poses_are_more_often_possible_than_random_ones(limits):
    real = stick_bodies(200, seed=1)
    local = to_local(real)
    every = np.ones((200, NUM_LIMBS), dtype=bool)
    spun = mutate_limbs(local, every, np.random.default_rng(0), prob=1.0, deg=180.0)
    real_share = limits.satisfied(real).all(axis=1).mean()
    random_share = limits.satisfied(to_global(spun)).all(axis=1).mean()
    assert real_share > 0.8
    assert random_share < 0.05


def test_a_knee_that_bends_forwards_is_found_out_and_nothing_else(limits):
    poses = stick_bodies(400)
    knee, foot, hip = 5, 6, 4
    thigh = poses[:, knee] - poses[:, hip]
    shin = poses[:, foot] - poses[:, knee]
    axis = np.cross(thigh, shin)
    lengths = np.linalg.norm(thigh, axis=1) * np.linalg.norm(shin, axis=1)
    bend = np.arccos((thigh * shin).sum(axis=1) / lengths)
    bent = bend > np.deg2rad(30)
    poses, axis, bend = poses[bent], axis[bent], bend[bent]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    forwards = Rotation.from_rotvec(-2 * bend[:, None] * axis)
    poses[:, foot] = poses[:, knee] + forwards.apply(shin[bent])
    found = limits.satisfied(poses)
    assert found[:, LIMBS.index("left_shin")].mean() < 0.05
    assert np.delete(found, LIMBS.index("left_shin"), axis=1).all()


def test_how_far_a_forearm_may_go_depends_on_the_upper_arm():
    """A pair that was never seen together is refused, though each part was seen."""
    poses = stick_bodies(2)
    local = to_local(poses)
    local.directions[:, 1] = np.array([[0.0, 1, 0], [-1, 0, 0]])
    local.directions[:, 2] = np.array([[0.0, 1, 0], [0, 0, 1]])
    limits = estimate_limits(to_global(local), coverage=1.0, smallest_deg=5.0, largest_deg=20.0)
    local.directions[:, 2] = local.directions[::-1, 2].copy()
    satisfied = limits.satisfied(to_global(local))
    assert not satisfied[:, 2].any()
    assert np.delete(satisfied, 2, axis=1).all()


def test_limits_hold_however_a_body_stands(limits):
    poses = stick_bodies(100, seed=5)
    turns = Rotation.random(100, random_state=3).as_matrix()
    np.testing.assert_array_equal(
        limits.satisfied(poses @ turns.swapaxes(-1, -2)), limits.satisfied(poses)
    )


def test_the_tolerance_is_what_poses_left_out_ask_for():
    """The quantile of nearest distances, by brute force."""
    poses = stick_bodies(60)
    limits = estimate_limits(poses, coverage=0.9, smallest_deg=0.001, largest_deg=179.0)
    directions = to_local(poses).directions[:, 0]
    distances = np.linalg.norm(directions[:, None] - directions, axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert limits.tolerances[0] == pytest.approx(np.quantile(distances.min(axis=1), 0.9))


def test_the_tolerance_keeps_to_its_bounds():
    few = estimate_limits(stick_bodies(5), **BOUNDS)
    assert few.tolerances_deg[2] == pytest.approx(20.0)
    still = estimate_limits(np.tile(stick_bodies(1), (9, 1, 1)), **BOUNDS)
    assert still.tolerances_deg[0] == pytest.approx(5.0)


def test_a_chord_is_the_distance_of_unit_vectors():
    assert chord(60.0) == pytest.approx(1.0)
    assert chord(180.0) == pytest.approx(2.0)


def test_refuses_a_single_pose():
    with pytest.raises(ValueError, match="at least two poses, got 1"):
        estimate_limits(stick_bodies(1), **BOUNDS)
