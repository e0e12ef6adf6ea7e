"""Two views and the second one brought back: points meet where the affines on record are right."""

from dataclasses import replace

import numpy as np
import pytest

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.data.hands import HandSample
from hpe.viz.view_pairs import (
    RECORD_COLUMNS,
    brought_back,
    first_from_second,
    make_pair,
    panels,
    record_rows,
)

SIDE_PX = 64
GEOMETRY = CompositionConfig.model_validate(
    {
        "rotate": {"enabled": True, "max_deg": 170},
        "zoom": {"enabled": True, "max_factor": 2},
        "translate": {"enabled": True, "max_share": 0.3},
        "flip": {"enabled": True},
    }
)


def sample() -> HandSample:
    rng = np.random.default_rng(0)
    keypoints_px = rng.uniform(30, 90, (21, 2))
    return HandSample(
        image=np.full((120, 120, 3), 90, dtype=np.uint8),
        joints_m=np.concatenate([keypoints_px, np.ones((21, 1))], axis=1),
        intrinsics=np.eye(3),
        keypoints_px=keypoints_px,
        visible=np.ones(21, dtype=bool),
        foreground=None,
        unique_id=0,
    )


@pytest.mark.parametrize("seed", range(5))
def test_keypoints_of_the_second_view_come_back_onto_those_of_the_first(seed):
    pair = make_pair(build_composition(GEOMETRY, image_px=SIDE_PX), sample(), seed=seed)
    assert np.abs(pair.second.keypoints_px - pair.first.keypoints_px).max() > 1
    np.testing.assert_allclose(brought_back(pair), pair.first.keypoints_px, atol=1e-9)


def test_a_wrong_record_does_not_bring_them_back():
    pair = make_pair(build_composition(GEOMETRY, image_px=SIDE_PX), sample(), seed=1)
    wrong = replace(pair, second=replace(pair.second, affine=np.eye(2, 3)))
    assert np.abs(brought_back(wrong) - wrong.first.keypoints_px).max() > 1


def test_views_follow_from_the_seed():
    composition = build_composition(GEOMETRY, image_px=SIDE_PX)
    first, again = (make_pair(composition, sample(), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.second.image, again.second.image)
    other = make_pair(composition, sample(), seed=4)
    assert other.first.angle_deg != first.first.angle_deg


def test_without_augmentation_the_second_view_lies_on_the_first():
    pair = make_pair(build_composition(CompositionConfig(), image_px=SIDE_PX), sample(), seed=0)
    np.testing.assert_allclose(first_from_second(pair), np.eye(2, 3), atol=1e-12)
    assert [row[1:3] for row in record_rows(pair)] == [(0.0, 1.0), (0.0, 1.0)]


def test_draws_four_panels_and_a_record_of_both_views():
    pair = make_pair(build_composition(GEOMETRY, image_px=SIDE_PX), sample(), seed=0)
    drawn = panels(pair, side_px=100)
    assert [panel.image.shape for panel in drawn] == [(100, 100, 3)] * 4
    assert len({panel.image.tobytes() for panel in drawn}) == 4
    assert [len(row) for row in record_rows(pair)] == [len(RECORD_COLUMNS)] * 2
    assert record_rows(pair)[1][1] == pair.second.angle_deg
