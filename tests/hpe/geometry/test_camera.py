"""Projection, rays and mirroring agree with each other."""

import numpy as np
import pytest
import torch

from hpe.geometry.camera import (
    mirrored_intrinsics,
    mirrored_joints,
    mirrored_keypoints,
    project,
    rays,
)


def skewed_intrinsics(rng: np.random.Generator) -> np.ndarray:
    """A camera seen through a turned, zoomed and shifted view."""
    angle = rng.uniform(-np.pi, np.pi)
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    turn[:2, 2] = rng.uniform(-20, 20, 2)
    return turn @ np.array([[410.0, 0, 64], [0, 395, 60], [0, 0, 1]])


def points_in_front(rng: np.random.Generator, count: int = 21) -> np.ndarray:
    return rng.uniform([-0.2, -0.2, 0.3], [0.2, 0.2, 1.0], (count, 3))


def test_projects_by_hand():
    intrinsics = torch.tensor([[500.0, 0, 112], [0, 500, 112], [0, 0, 1]])
    point = torch.tensor([[0.1, -0.2, 0.5]])
    assert project(point, intrinsics).tolist() == [[212.0, -88.0]]


def test_numpy_and_torch_projections_agree():
    rng = np.random.default_rng(0)
    joints, intrinsics = points_in_front(rng), skewed_intrinsics(rng)
    by_torch = project(torch.tensor(joints), torch.tensor(intrinsics))
    np.testing.assert_allclose(project(joints, intrinsics), by_torch, rtol=1e-14)


def test_points_lie_on_their_rays_under_any_affine_camera():
    rng = np.random.default_rng(1)
    joints = torch.tensor(np.stack([points_in_front(rng) for _ in range(4)]))
    intrinsics = torch.tensor(np.stack([skewed_intrinsics(rng) for _ in range(4)]))
    directions = rays(project(joints, intrinsics), intrinsics)
    torch.testing.assert_close(directions * joints[..., 2:], joints, rtol=0, atol=1e-14)
    assert (directions[..., 2] == 1).all()


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_a_mirrored_hand_projects_onto_the_flipped_image(kind):
    rng = np.random.default_rng(2)
    joints, intrinsics = kind(points_in_front(rng)), kind(skewed_intrinsics(rng))
    mirrored = project(mirrored_joints(joints), mirrored_intrinsics(intrinsics, width_px=128))
    expected = mirrored_keypoints(project(joints, intrinsics), width_px=128)
    np.testing.assert_allclose(mirrored, expected, atol=1e-10)


def test_mirroring_keeps_focal_lengths_and_moves_the_principal_point():
    intrinsics = np.array([[400.0, 0, 50], [0, 390, 70], [0, 0, 1]])
    expected = [[400.0, 0, 78], [0, 390, 70], [0, 0, 1]]
    assert mirrored_intrinsics(intrinsics, width_px=128).tolist() == expected


def test_mirroring_twice_changes_nothing():
    rng = np.random.default_rng(3)
    joints, intrinsics = points_in_front(rng), skewed_intrinsics(rng)
    twice = mirrored_intrinsics(mirrored_intrinsics(intrinsics, width_px=96), width_px=96)
    np.testing.assert_allclose(twice, intrinsics, atol=1e-12)
    assert (mirrored_joints(mirrored_joints(joints)) == joints).all()
