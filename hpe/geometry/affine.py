"""Affine maps of the plane as 2x3 matrices `[A | t]`: p -> A p + t.

In image coordinates x points right and y down, so that a positive angle, counter-clockwise on
screen, takes the unit vector (1, 0) to (cos, -sin).
"""

import math

import numpy as np
from jaxtyping import Float

Affine = Float[np.ndarray, "2 3"]


def similarity(*, angle_deg: float, zoom: float, shift: Float[np.ndarray, " 2"]) -> Affine:
    """Return p -> zoom R(angle) p + shift; positive angles are counter-clockwise on screen."""
    angle = math.radians(angle_deg)
    cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
    return np.array([[cos, sin, shift[0]], [-sin, cos, shift[1]]])


def scaling(factor: float, offset: Float[np.ndarray, " 2"]) -> Affine:
    """Return p -> factor p + offset."""
    return np.array([[factor, 0.0, offset[0]], [0.0, factor, offset[1]]])


def compose(outer: Affine, inner: Affine) -> Affine:
    """Return the map that applies `inner` first, then `outer`."""
    composed: np.ndarray = outer[:, :2] @ inner
    composed[:, 2] += outer[:, 2]
    return composed


def inverse(affine: Affine) -> Affine:
    """Return the map that undoes this one.

    Raises:
        ValueError: If the map flattens the plane and cannot be undone.
    """
    (a, b, x), (c, d, y) = affine.tolist()
    determinant = a * d - b * c
    if determinant == 0:
        raise ValueError(f"a map with determinant 0 cannot be undone, got {affine.tolist()}.")
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    return np.array([[a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)]])


def transform(
    affine: Affine, points: Float[np.ndarray, "*batch 2"]
) -> Float[np.ndarray, "*batch 2"]:
    """Return where the points go."""
    moved: np.ndarray = points @ affine[:, :2].T + affine[:, 2]
    return moved


def homogeneous(affine: Affine) -> Float[np.ndarray, "3 3"]:
    """Return the 3x3 matrix that acts on (x, y, 1); times K it is the moved image's K."""
    return np.vstack([affine, (0.0, 0.0, 1.0)])


def normalized_from_pixels(side_px: int) -> Affine:
    """Return the map from a square image's pixels (its left edge is u = 0) to [-1, 1]."""
    return scaling(2.0 / side_px, np.array([-1.0, -1.0]))


def pixels_from_normalized(side_px: int) -> Affine:
    """Return the map from [-1, 1] to a square image's pixels (its left edge is u = 0)."""
    return scaling(side_px / 2.0, np.array([side_px / 2.0, side_px / 2.0]))
