import math

import numpy as np
import pytest

from hpe.geometry.affine import (
    compose,
    homogeneous,
    inverse,
    normalized_from_pixels,
    pixels_from_normalized,
    scaling,
    similarity,
    transform,
)

RIGHT, DOWN = np.array([1.0, 0.0]), np.array([0.0, 1.0])


def test_a_positive_angle_turns_counter_clockwise_on_screen():
    turn = similarity(angle_deg=90.0, zoom=1.0, shift=np.zeros(2))
    np.testing.assert_allclose(transform(turn, RIGHT), -DOWN, atol=1e-15)
    np.testing.assert_allclose(transform(turn, DOWN), RIGHT, atol=1e-15)


def test_a_similarity_zooms_and_turns_before_it_shifts():
    affine = similarity(angle_deg=30.0, zoom=2.0, shift=np.array([5.0, 7.0]))
    expected = (2 * math.cos(math.pi / 6) + 5, -2 * math.sin(math.pi / 6) + 7)
    np.testing.assert_allclose(transform(affine, RIGHT), expected)


def test_compose_applies_the_inner_map_first():
    double, shift = scaling(2.0, np.zeros(2)), scaling(1.0, np.array([1.0, 0.0]))
    np.testing.assert_allclose(transform(compose(double, shift), RIGHT), (4.0, 0.0))
    np.testing.assert_allclose(transform(compose(shift, double), RIGHT), (3.0, 0.0))


@pytest.mark.parametrize("seed", range(5))
def test_the_inverse_undoes_any_invertible_map(seed):
    rng = np.random.default_rng(seed)
    affine, points = rng.normal(size=(2, 3)), rng.normal(size=(4, 6, 2))
    np.testing.assert_allclose(transform(inverse(affine), transform(affine, points)), points)


def test_refuses_to_invert_a_map_that_flattens_the_plane():
    with pytest.raises(ValueError, match="determinant 0 cannot be undone"):
        inverse(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]]))


def test_the_homogeneous_matrix_moves_points_as_the_map_does():
    affine = similarity(angle_deg=20.0, zoom=0.7, shift=np.array([0.3, -0.1]))
    moved = homogeneous(affine) @ (0.4, 0.5, 1.0)
    np.testing.assert_allclose(moved, (*transform(affine, np.array([0.4, 0.5])), 1.0))


def test_a_view_spans_minus_one_to_one():
    np.testing.assert_allclose(
        transform(normalized_from_pixels(64), np.array([[0.0, 64.0], [32.0, 16.0]])),
        [[-1.0, 1.0], [0.0, -0.5]],
    )
    np.testing.assert_allclose(
        compose(pixels_from_normalized(64), normalized_from_pixels(64)),
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    )
