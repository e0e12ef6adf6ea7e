import numpy as np
import pytest

from hpe.augment.drawn_objects import MAX_SIDE_PX, MIN_SIDE_PX, draw_object, drawn_occluders

OBJECTS = drawn_occluders(seed=1, count=24).cutouts


def test_the_same_seed_draws_the_same_objects():
    again, other = (drawn_occluders(seed=seed, count=3).cutouts for seed in (1, 2))
    for first, second in zip(OBJECTS, again, strict=False):
        np.testing.assert_array_equal(first, second)
    assert any(a.shape != b.shape for a, b in zip(OBJECTS, other, strict=False))


def test_objects_lie_within_the_stated_sizes_and_fill_much_of_them():
    for cutout in OBJECTS:
        assert cutout.dtype == np.uint8
        assert MIN_SIDE_PX <= min(cutout.shape[:2]) <= max(cutout.shape[:2]) <= MAX_SIDE_PX
        assert 0.2 < (cutout[:, :, 3] > 127).mean() < 0.999


def test_objects_have_soft_edges_and_clear_corners():
    for cutout in OBJECTS:
        alpha = cutout[:, :, 3]
        assert ((alpha > 0) & (alpha < 255)).any()
        assert (alpha == 0).any()


def test_objects_differ_in_colour_and_are_not_flat():
    means = np.array([cutout[cutout[:, :, 3] == 255][:, :3].mean(axis=0) for cutout in OBJECTS])
    spreads = [cutout[cutout[:, :, 3] == 255][:, :3].std() for cutout in OBJECTS]
    assert means.std(axis=0).min() > 15
    assert np.median(spreads) > 10


@pytest.mark.parametrize("seed", range(3))
def test_light_varies_over_an_object_of_one_colour(seed):
    cutout = draw_object(np.random.default_rng(seed))
    inside = cutout[cutout[:, :, 3] == 255][:, :3].astype(float)
    assert len(np.unique(inside, axis=0)) > 20
