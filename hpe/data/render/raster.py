"""An exact z-buffer in numpy: triangles become rows of pixels, of which the nearest are kept."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

_MIN_AREA_PX2 = 1e-6


@dataclass(frozen=True)
class Fragments:
    """The nearest surface at each covered pixel of a square image.

    Attributes:
        pixel: Flat index, row * size + column, rising.
        face: Index of the triangle seen.
        corner_weights: Weights of the triangle's corners, correct in perspective.
        depth: Depth of the surface, in the unit of the vertices.
    """

    pixel: Int64[np.ndarray, " fragments"]
    face: Int32[np.ndarray, " fragments"]
    corner_weights: Float32[np.ndarray, "3 fragments"]
    depth: Float32[np.ndarray, " fragments"]


def rasterize(
    points_px: Float32[np.ndarray, "vertices 2"],
    inverse_depth: Float32[np.ndarray, " vertices"],
    faces: Int32[np.ndarray, "faces 3"],
    size: int,
) -> Fragments:
    """Find the nearest front face at every pixel centre (integer + 0.5).

    Inverse depth is linear over the image in perspective; pass `1 + c * height` for a parallel
    projection. Faces that run clockwise on screen look away and are left out.

    Args:
        points_px: Projected vertices.
        inverse_depth: One over depth; positive, larger is nearer.
        faces: Corners of the triangles.
        size: Width and height of the image.
    """
    face, planes, corners_y = _front_faces(points_px, inverse_depth, faces, size)
    row_face, row, start, end = _spans(planes, corners_y, size)
    length = end - start
    first = np.cumsum(length) - length
    column = np.arange(int(length.sum()), dtype=np.int32)
    column -= np.repeat(first - start, length).astype(np.int32)
    of_row = np.repeat(np.arange(len(row), dtype=np.int32), length)
    pixel = (row * size)[of_row] + column
    middle = row.astype(np.float32) + np.float32(0.5)
    gradient, at_row = planes[6][row_face], planes[7][row_face] * middle + planes[8][row_face]
    nearness = gradient[of_row] * (column.astype(np.float32) + np.float32(0.5)) + at_row[of_row]
    nearest = np.zeros(size * size, np.float32)
    np.maximum.at(nearest, pixel, nearness)
    wins = np.flatnonzero(nearness == nearest[pixel])
    winner = np.full(size * size, -1, np.int32)
    winner[pixel[wins]] = row_face[of_row[wins]]
    seen = np.flatnonzero(winner >= 0)
    near = inverse_depth[faces[face[winner[seen]]].T]
    return _fragments(seen, winner[seen], nearest[seen], face, planes, near, size)


def _front_faces(
    points_px: np.ndarray, inverse_depth: np.ndarray, faces: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Select the faces to draw; return their index, their planes and their corners' rows.

    The planes are nine rows of coefficients (x, y, constant): two screen-space barycentric
    coordinates (of the second and third corner), then inverse depth.
    """
    x, y = points_px[:, 0], points_px[:, 1]
    xs, ys = x[faces.T], y[faces.T]
    ux, uy = xs[1] - xs[0], ys[1] - ys[0]
    vx, vy = xs[2] - xs[0], ys[2] - ys[0]
    area = ux * vy - vx * uy
    face = np.flatnonzero(area < -_MIN_AREA_PX2).astype(np.int32)
    lowest_x, highest_x = _extent(xs[:, face])
    lowest_y, highest_y = _extent(ys[:, face])
    nearest, _ = _extent(inverse_depth[faces[face].T])
    drawn = (highest_x > 0) & (lowest_x < size) & (highest_y > 0) & (lowest_y < size)
    face = face[drawn & (nearest > 0)]
    ux, uy, vx, vy = ux[face], uy[face], vx[face], vy[face]
    x0, y0, scale = xs[0, face], ys[0, face], 1.0 / area[face]
    near = inverse_depth[faces[face].T]
    second = np.stack([vy * scale, -vx * scale])
    third = np.stack([-uy * scale, ux * scale])
    constants = [-(plane[0] * x0 + plane[1] * y0) for plane in (second, third)]
    slope = (near[1] - near[0]) * second + (near[2] - near[0]) * third
    planes = np.stack(
        [
            *second,
            constants[0],
            *third,
            constants[1],
            *slope,
            near[0] - slope[0] * x0 - slope[1] * y0,
        ]
    ).astype(np.float32)
    return face, planes, ys[:, face]


def _extent(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest of three rows."""
    a, b, c = corners
    return np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)


def _spans(
    planes: np.ndarray, corners_y: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cut faces into rows of pixels: face, row, first column and one past the last column."""
    lowest, highest = _extent(corners_y)
    top = np.ceil(np.maximum(lowest, 0) - 0.5).astype(np.int32)
    bottom = np.floor(np.minimum(highest, size) - 0.5).astype(np.int32)
    height = np.maximum(bottom - top + 1, 0)
    face = np.repeat(np.arange(len(top), dtype=np.int32), height)
    row = np.arange(len(face), dtype=np.int32)
    row += np.repeat(top - (np.cumsum(height) - height).astype(np.int32), height)
    middle = row.astype(np.float32) + np.float32(0.5)
    left = np.zeros(len(face), np.float32)
    right = np.full(len(face), size, np.float32)
    b, c = planes[0:3], planes[3:6]
    a = -(b + c)
    a[2] += 1.0
    for x, y, constant in (a, b, c):
        slope = x[face]
        offset = y[face] * middle + constant[face]
        safe = np.where(slope == 0, np.float32(1.0), slope)
        crossing = -offset / safe
        left = np.where(slope > 0, np.maximum(left, crossing), left)
        right = np.where(slope < 0, np.minimum(right, crossing), right)
        right = np.where((slope == 0) & (offset < 0), np.float32(-1.0), right)
    start = np.ceil(left - 0.5).astype(np.int32)
    end = np.minimum(np.floor(right - 0.5).astype(np.int32) + 1, size)
    kept = np.flatnonzero(end > start)
    return face[kept], row[kept], start[kept], end[kept]


def _fragments(
    pixel: np.ndarray,
    drawn: np.ndarray,
    nearness: np.ndarray,
    face: np.ndarray,
    planes: np.ndarray,
    near: np.ndarray,
    size: int,
) -> Fragments:
    """Return the fragments of the winning faces, weights corrected for perspective."""
    row = pixel // size
    x, y = (pixel - row * size + 0.5).astype(np.float32), (row + 0.5).astype(np.float32)
    b = np.clip(planes[0][drawn] * x + planes[1][drawn] * y + planes[2][drawn], 0, 1)
    c = np.clip(planes[3][drawn] * x + planes[4][drawn] * y + planes[5][drawn], 0, 1)
    weights = np.stack([np.maximum(1 - b - c, 0) * near[0], b * near[1], c * near[2]])
    weights /= weights[0] + weights[1] + weights[2]
    return Fragments(
        pixel=pixel,
        face=face[drawn],
        corner_weights=weights.astype(np.float32, copy=False),
        depth=1 / nearness,
    )
