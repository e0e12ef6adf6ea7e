import cv2
import numpy as np
import pytest

from hpe.augment.warp import averaged, warp
from hpe.geometry.affine import scaling, similarity


def box_average(image, *, left, top, step, side):
    """Integrate the source exactly over each view pixel of an axis-aligned view."""
    view = np.zeros((side, side, 3))
    for row in range(side):
        for column in range(side):
            rows = _overlaps(top + row * step, step, len(image))
            columns = _overlaps(left + column * step, step, image.shape[1])
            view[row, column] = np.einsum("i,j,ijc->c", rows, columns, image) / step**2
    return view


def _overlaps(start, length, count):
    edges = np.arange(count)
    return np.clip(np.minimum(edges + 1, start + length) - np.maximum(edges, start), 0, 1)


def view_of(*, left, top, step):
    return scaling(1 / step, np.array([-left / step, -top / step]))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_checkerboard_shrinks_to_its_mean(factor):
    board = np.indices((96, 96)).sum(axis=0) % 2 * 200
    image = np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)
    turned = similarity(angle_deg=17.0, zoom=1 / factor, shift=np.array([2.0, 8.0]))
    layer = warp(image, source_to_view=turned, side_px=16)
    inside = layer.coverage == 255
    assert inside.sum() > 100
    assert np.abs(layer.image[inside].astype(float) - 100).max() < 25
    assert np.abs(layer.image[inside].mean() - 100) < 2


@pytest.mark.parametrize("step", [1.0, 2.0, 2.6, 5.3])
def test_shrinking_averages_over_area(step):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)
    image = coarse.repeat(4, axis=0).repeat(4, axis=1)
    layer = warp(image, source_to_view=view_of(left=6.3, top=11.8, step=step), side_px=24)
    exact = box_average(image, left=6.3, top=11.8, step=step, side=24)
    tolerance = 40 if step < 2 else 12  # without shrinking, bilinear is not a box
    assert np.abs(layer.image - exact).max() < tolerance
    assert np.abs(layer.image - exact).mean() < tolerance / 10


@pytest.mark.parametrize("density", range(1, 11))
def test_means_of_samples_are_those_of_resizing_by_area(density):
    rng = np.random.default_rng(density)
    samples = rng.integers(0, 256, (24 * density, 20 * density, 4), dtype=np.uint8)
    expected = cv2.resize(samples, (20, 24), interpolation=cv2.INTER_AREA)
    difference = np.abs(averaged(samples, density).astype(int) - expected)
    assert difference.max() <= (0 if density % 2 or density == 2 else 1)
    exact = samples.reshape(24, density, 20, density, 4).mean(axis=(1, 3))
    assert np.abs(averaged(samples, density) - exact).max() <= 1.5
    assert abs((averaged(samples, density) - exact).mean()) < 0.4  # a halving rounds .5 up


def test_a_view_of_the_same_scale_copies_pixels():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    layer = warp(image, source_to_view=view_of(left=5, top=7, step=1.0), side_px=16)
    np.testing.assert_array_equal(layer.image, image[7:23, 5:21])
    assert (layer.coverage == 255).all()


@pytest.mark.parametrize("step", [1.0, 2.0])
def test_what_lies_outside_of_the_image_is_black_and_uncovered(step):
    image = np.full((30, 30, 3), 255, np.uint8)
    layer = warp(image, source_to_view=view_of(left=-8 * step, top=0, step=step), side_px=12)
    assert (layer.coverage[:, :8] == 0).all()
    assert (layer.image[:, :8] == 0).all()
    assert (layer.coverage[:, 8:] == 255).all()


def test_a_view_beside_the_image_is_empty():
    image = np.full((30, 30, 3), 255, np.uint8)
    layer = warp(image, source_to_view=view_of(left=500, top=500, step=1.0), side_px=12)
    assert not layer.coverage.any()
    assert not layer.image.any()


def test_the_part_of_the_source_that_is_not_shown_makes_no_difference():
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    turned = similarity(angle_deg=30.0, zoom=0.7, shift=np.array([-40.0, 20.0]))
    whole = warp(image, source_to_view=turned, side_px=32)
    away = image.copy()
    shown = warp(np.full_like(image, 255), source_to_view=turned, side_px=32)
    assert (shown.coverage == 255).all()
    away[:, 250:] = 0
    np.testing.assert_array_equal(warp(away, source_to_view=turned, side_px=32).image, whole.image)


@pytest.mark.parametrize("step", [0.6, 1.0, 1.9])
def test_nothing_from_outside_of_the_mask_bleeds_in(step):
    """A red hand on green whose outline mixes both: no green survives, at any scale."""
    foreground = np.zeros((60, 60), bool)
    foreground[15:45, 20:40] = True
    image = np.zeros((60, 60, 3), np.uint8)
    image[:, :, 1] = 255
    image[15:45, 20:40] = (127, 128, 0)
    image[16:44, 21:39] = (255, 0, 0)
    layer = warp(
        image,
        source_to_view=view_of(left=0.4, top=0.7, step=step),
        side_px=32,
        foreground=foreground,
    )
    assert layer.image[:, :, 1].max() == 0
    covered = layer.coverage > 0
    np.testing.assert_array_equal(layer.image[covered][:, 0], layer.coverage[covered])


def test_a_mask_has_a_soft_edge():
    foreground = np.zeros((60, 60), bool)
    foreground[15:45, 20:40] = True
    layer = warp(
        np.full((60, 60, 3), 200, np.uint8),
        source_to_view=similarity(angle_deg=20.0, zoom=0.5, shift=np.array([0.0, 8.0])),
        side_px=32,
        foreground=foreground,
    )
    assert len(np.unique(layer.coverage)) > 10


@pytest.mark.parametrize("zoom", [1.3, 1 / 2.6, 1 / 5.3])
@pytest.mark.parametrize("masked", [False, True])
def test_a_view_in_tiles_is_the_view_in_one(monkeypatch, zoom, masked):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    foreground = np.indices((300, 400)).sum(axis=0) % 90 < 60 if masked else None
    turned = similarity(angle_deg=30.0, zoom=zoom, shift=np.array([-20.0, 17.0]))
    in_one = {}
    for limit in (10_000, 40):
        monkeypatch.setattr("hpe.augment.warp._TILE_SAMPLES", limit)
        in_one[limit] = warp(image, source_to_view=turned, side_px=50, foreground=foreground)
    for name in ("image", "coverage"):
        one, tiled = (getattr(in_one[limit], name).astype(int) for limit in (10_000, 40))
        assert one.std() > 0
        assert np.abs(one - tiled).max() <= 1
