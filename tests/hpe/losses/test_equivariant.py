"""Undoing views in projection space: exactly, and as PeCLR does (vector T7)."""

import math

import cv2
import numpy as np
import pytest
import torch

from hpe.losses.contrastive import nt_xent
from hpe.losses.equivariant import as_points, rotate_about_mean, undo_affine, undo_peclr

BATCH, POINTS = 6, 10


def random_points(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, POINTS, 2, generator=generator, dtype=torch.float64)


def random_views(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Angles, zooms, shifts and the affines view = zoom R(angle) reference + shift."""
    rng = np.random.default_rng(seed)
    angle_deg = rng.uniform(-180, 180, BATCH)
    zoom = rng.uniform(0.6, 1.6, BATCH)
    shift = rng.uniform(-0.4, 0.4, (BATCH, 2))
    # OpenCV's own matrix: positive angles turn counter-clockwise on screen.
    turns = [cv2.getRotationMatrix2D((0.0, 0.0), *view) for view in np.stack([angle_deg, zoom], 1)]
    affine = np.stack(turns)
    affine[:, :, 2] = shift
    return tuple(torch.tensor(array) for array in (angle_deg, zoom, shift, affine))


def seen(points: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
    return points @ affine[:, :, :2].mT + affine[:, None, :, 2]


def cosine(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.cosine_similarity(left.flatten(1), right.flatten(1))


def test_undo_affine_is_the_exact_inverse_of_a_view():
    points = random_points()
    *_, affine = random_views()
    torch.testing.assert_close(
        undo_affine(seen(points, affine), affine), points, rtol=0, atol=1e-14
    )


def test_undo_affine_equals_a_linear_solver():
    points = random_points()
    *_, affine = random_views()
    rows = torch.linalg.solve(affine[:, :, :2], (points - affine[:, None, :, 2]).mT).mT
    torch.testing.assert_close(undo_affine(points, affine), rows, rtol=0, atol=1e-13)


def test_undo_affine_by_hand():
    quarter_turn = torch.tensor([[[0.0, 2.0, 0.5], [-2.0, 0.0, -0.5]]])  # zoom 2, 90 degrees
    points = torch.tensor([[[0.5, -0.5], [2.5, -0.5], [0.5, 1.5]]])
    expected = [[[0.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]]
    assert undo_affine(points, quarter_turn).tolist() == expected


def test_undo_affine_has_the_right_gradient():
    *_, affine = random_views()
    assert torch.autograd.gradcheck(
        lambda points: undo_affine(points, affine), random_points().requires_grad_()
    )


def test_an_encoder_that_follows_its_views_has_the_lowest_equivariant_loss():
    points = random_points()
    *_, one = random_views(seed=1)
    *_, other = random_views(seed=2)
    first, second = seen(points, one), seen(points, other)
    undone = nt_xent(
        undo_affine(first, one).flatten(1), undo_affine(second, other).flatten(1), temperature=0.1
    )
    same = nt_xent(points.flatten(1), points.flatten(1), temperature=0.1)
    left_alone = nt_xent(first.flatten(1), second.flatten(1), temperature=0.1)
    torch.testing.assert_close(undone, same)
    assert undone < left_alone


def test_t7_a_turn_there_and_back_changes_nothing():
    points = random_points()
    angle_deg = torch.full((BATCH,), 30.0, dtype=torch.float64)
    turned = rotate_about_mean(points, angle_deg)
    torch.testing.assert_close(rotate_about_mean(turned, -angle_deg), points, rtol=0, atol=2e-15)


def test_t7_a_turn_keeps_the_norm_about_the_mean():
    points = random_points()
    turned = rotate_about_mean(points, torch.full((BATCH,), 30.0, dtype=torch.float64))

    def norms(p: torch.Tensor) -> torch.Tensor:
        return torch.linalg.matrix_norm(p - p.mean(1, keepdim=True))

    torch.testing.assert_close(norms(turned), norms(points), rtol=1e-14, atol=0)


def test_positive_angles_turn_counter_clockwise_on_screen():
    points = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])
    turned = rotate_about_mean(points, torch.tensor([90.0]))
    torch.testing.assert_close(turned, torch.tensor([[[0.0, -1.0], [0.0, 1.0]]]))  # up is -y


def test_undo_peclr_is_exact_for_turns_and_zooms_of_points_about_the_origin():
    points = random_points()
    points = points - points.mean(1, keepdim=True)
    angle_deg, _, shift, affine = random_views()
    affine[:, :, 2] = 0
    undone = undo_peclr(seen(points, affine), angle_deg=angle_deg, shift=torch.zeros_like(shift))
    torch.testing.assert_close(cosine(undone, points), torch.ones(BATCH, dtype=torch.float64))


def test_undo_peclr_moves_by_a_share_of_the_projections_own_range():
    points = torch.tensor([[[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]]])  # length 5, ranges 4 and 3
    undone = undo_peclr(points, angle_deg=torch.zeros(1), shift=torch.tensor([[0.5, -1.0]]))
    moved = points / 5 + torch.tensor([-0.25 * 4 / 5, 0.5 * 3 / 5])
    torch.testing.assert_close(undone, moved)


def reference_undo(points, angle_deg, jitter_share):
    """PeCLR's steps for one sample in plain numpy: translate by the range, turn about the mean."""
    points = points / np.linalg.norm(points)
    points = points - jitter_share * (points.max(axis=0) - points.min(axis=0))
    center = points.mean(axis=0)
    matrix = cv2.getRotationMatrix2D(tuple(center), -angle_deg, 1.0)
    return points @ matrix[:, :2].T + matrix[:, 2]


def test_undo_peclr_equals_the_published_steps_sample_by_sample():
    points = random_points()
    angle_deg, _, shift, _ = random_views()
    undone = undo_peclr(points, angle_deg=angle_deg, shift=shift)
    for k in range(BATCH):
        expected = reference_undo(points[k].numpy(), float(angle_deg[k]), shift[k].numpy() / 2)
        np.testing.assert_allclose(undone[k], expected, atol=1e-7)  # OpenCV's centre is float32


def test_points_are_consecutive_pairs():
    assert as_points(torch.arange(8.0)[None]).tolist() == [[[0, 1], [2, 3], [4, 5], [6, 7]]]


def test_rejects_projections_that_cannot_be_points():
    with pytest.raises(ValueError, match="even size, got 5"):
        as_points(torch.zeros(2, 5))


def test_the_quarter_turn_convention_matches_the_affine_of_a_view():
    points = random_points()
    points = points - points.mean(1, keepdim=True)
    angle_deg, zoom, _, affine = random_views()
    affine[:, :, 2] = 0
    turned = rotate_about_mean(points, angle_deg) * zoom[:, None, None]
    torch.testing.assert_close(turned, seen(points, affine), rtol=0, atol=1e-13)
    assert math.isclose(float(zoom[0] ** 2), float(torch.linalg.det(affine[0, :, :2])))
