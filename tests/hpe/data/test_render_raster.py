"""The rasterizer against a slow reference."""

import numpy as np
import pytest

from hpe.data.render.raster import rasterize

SIZE = 24


def reference(points_px, inverse_depth, faces):
    """Test every pixel centre against every triangle."""
    near = np.zeros((SIZE, SIZE))
    seen = np.full((SIZE, SIZE), -1)
    for index, corners in enumerate(faces):
        (ax, ay), (bx, by), (cx, cy) = points_px[corners].astype(float)
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area >= 0:
            continue
        for row in range(SIZE):
            for column in range(SIZE):
                x, y = column + 0.5 - ax, row + 0.5 - ay
                b = (x * (cy - ay) - (cx - ax) * y) / area
                c = ((bx - ax) * y - x * (by - ay)) / area
                z = (1 - b - c) * inverse_depth[corners[0]]
                z += b * inverse_depth[corners[1]] + c * inverse_depth[corners[2]]
                if min(b, c, 1 - b - c) >= 0 and z > near[row, column]:
                    near[row, column], seen[row, column] = z, index
    return seen, near


@pytest.fixture
def triangles():
    """Return random triangles, some of them partly outside the image."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-6, SIZE + 6, (60, 2)).astype(np.float32)
    inverse_depth = rng.uniform(0.5, 3.0, 60).astype(np.float32)
    return points, inverse_depth, rng.permutation(60).reshape(20, 3).astype(np.int32)


def test_agrees_with_testing_every_pixel_against_every_triangle(triangles):
    seen, near = reference(*triangles)
    fragments = rasterize(*triangles, SIZE)
    covered = np.full(SIZE * SIZE, -1)
    covered[fragments.pixel] = fragments.face
    np.testing.assert_array_equal(covered.reshape(SIZE, SIZE), seen)
    np.testing.assert_allclose(1 / fragments.depth, near.ravel()[fragments.pixel], rtol=1e-5)


def test_corner_weights_are_correct_in_perspective(triangles):
    points, inverse_depth, faces = triangles
    fragments = rasterize(points, inverse_depth, faces, SIZE)
    depth = 1 / inverse_depth
    corners = faces[fragments.face]
    mixed = np.sum(depth[corners].T * fragments.corner_weights, axis=0)
    np.testing.assert_allclose(mixed, fragments.depth, rtol=1e-4)
    ray = (points * depth[:, None])[corners]
    ray = np.einsum("fck,cf->kf", ray, fragments.corner_weights) / fragments.depth
    np.testing.assert_allclose(ray[0], fragments.pixel % SIZE + 0.5, atol=1e-3)
    np.testing.assert_allclose(ray[1], fragments.pixel // SIZE + 0.5, atol=1e-3)


def test_leaves_out_triangles_that_look_away_or_reach_behind_the_camera():
    points = np.array([[2, 2], [20, 2], [2, 20]], np.float32)
    towards = np.array([[0, 2, 1]], np.int32)
    ones = np.ones(3, np.float32)
    assert len(rasterize(points, ones, towards, SIZE).pixel) > 100
    assert len(rasterize(points, ones, towards[:, ::-1].copy(), SIZE).pixel) == 0
    behind = np.array([1, 1, -1], np.float32)
    assert len(rasterize(points, behind, towards, SIZE).pixel) == 0


def test_a_pixel_belongs_to_a_triangle_if_its_centre_does():
    points = np.array([[1.4, 1.4], [1.4, 3.5], [3.5, 1.4]], np.float32)
    fragments = rasterize(points, np.ones(3, np.float32), np.array([[0, 1, 2]], np.int32), 5)
    assert fragments.pixel.tolist() == [1 * 5 + 1, 1 * 5 + 2, 2 * 5 + 1]
