"""Bodies in other cameras: where they come to stand and where they appear."""

import numpy as np

from hpe.evolution.reprojection import NEAREST_MM, place_at, reproject
from tests.hpe.evolution.stick_bodies import stick_bodies

K = np.array([[1000.0, 0, 300], [0, 900, 200], [0, 0, 1]])


def test_a_body_keeps_its_shape_and_gets_the_place():
    poses = stick_bodies(10)
    places = np.tile([100.0, -50, 4000], (10, 1))
    placed = place_at(poses, places)
    np.testing.assert_allclose(placed[:, 0], places)
    np.testing.assert_allclose(placed - placed[:, :1], poses - poses[:, :1], atol=1e-9)


def test_a_body_too_near_moves_away_along_its_ray():
    poses = stick_bodies(10)
    places = np.tile([50.0, -20, 300], (10, 1))
    placed = place_at(poses, places)
    np.testing.assert_allclose(placed[..., 2].min(axis=1), NEAREST_MM)
    np.testing.assert_allclose(placed[:, 0, :2] / placed[:, 0, 2:], [[50 / 300, -20 / 300]] * 10)


def test_joints_appear_where_the_pinhole_says():
    poses = stick_bodies(1)
    placed, pixels = reproject(poses, np.array([[0.0, 0, 3000]]), K[None])
    x, y, z = placed[0, 13]
    np.testing.assert_allclose(pixels[0, 13], (1000 * x / z + 300, 900 * y / z + 200))
    np.testing.assert_allclose(pixels[0, 0], (300, 200))
