"""Bodies for tests: varied torsos and limbs within ranges that a person could reach."""

from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

LENGTHS_MM = np.array([250.0, 280, 250, 280, 250, 440, 430, 440, 430])


def stick_bodies(count, seed=0):
    """Return poses in a camera's frame, in mm; knees and elbows bend one way only."""
    return _stick_bodies(count, seed).copy()


@cache
def _stick_bodies(count, seed):
    rng = np.random.default_rng(seed)
    poses = np.stack([_stick_body(rng) for _ in range(count)])
    heading = Rotation.from_rotvec(rng.uniform(-np.pi, np.pi, (count, 1)) * np.array([[0, 1, 0]]))
    placed = poses @ heading.as_matrix().swapaxes(-1, -2)
    return placed + np.array([0.0, 0.0, 4500.0]) + rng.normal(0, 200, (count, 1, 3))


def _stick_body(rng):
    """Return a person who looks towards -z: right is -x, down is +y."""
    size = rng.uniform(0.9, 1.1)
    joints = np.zeros((17, 3))
    joints[1], joints[4] = (-130, 0, 0), (130, 0, 0)
    joints[7], joints[8] = (
        (0, -230, rng.normal(0, 20)),
        (rng.normal(0, 20), -480, rng.normal(0, 20)),
    )
    joints[11], joints[14] = joints[8] + (160, 20, 0), joints[8] + (-160, 20, 0)
    lengths = LENGTHS_MM
    joints[10] = joints[8] + lengths[0] * _turned((0, -1, 0), rng.normal(0, 12), rng.normal(0, 12))
    joints[9] = joints[8] + 0.45 * (joints[10] - joints[8]) + (0, 0, -60)
    for shoulder, side, first in ((11, 1, 1), (14, -1, 3)):
        swing, spread, bend = rng.uniform(-30, 80), rng.uniform(5, 60), rng.uniform(5, 110)
        _limb(joints, shoulder, swing, side * spread, -bend, lengths[first : first + 2])
    for hip, side, first in ((4, 1, 5), (1, -1, 7)):
        swing, spread, bend = rng.uniform(-15, 70), rng.uniform(0, 25), rng.uniform(2, 90)
        _limb(joints, hip, swing, side * spread, bend, lengths[first : first + 2])
    return joints * size


def _limb(joints, start, swing, spread, bend, lengths):
    joints[start + 1] = joints[start] + lengths[0] * _turned((0, 1, 0), -swing, -spread)
    joints[start + 2] = joints[start + 1] + lengths[1] * _turned((0, 1, 0), -swing + bend, -spread)


def _turned(vector, pitch_deg, roll_deg):
    return Rotation.from_euler("xz", [pitch_deg, roll_deg], degrees=True).apply(vector)
