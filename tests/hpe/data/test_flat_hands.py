import numpy as np
import pytest

from hpe.data.flat_hands import FlatHand, flat_arrays


def hand(picture="a.jpg", *, visible=21, side_px=20.0):
    keypoints_px = np.linspace([5, 5], [5 + side_px, 5 + side_px / 2], 21)
    return FlatHand(picture, keypoints_px, np.arange(21) < visible, is_left=False)


@pytest.mark.parametrize(("visible", "extent_px"), [(0, 0.0), (1, 0.0), (2, 1.0), (21, 20.0)])
def test_the_extent_is_that_of_annotated_keypoints(visible, extent_px):
    assert hand(visible=visible).extent_px == pytest.approx(extent_px)


def test_hands_without_extent_and_small_ones_have_no_row():
    hands = [hand(visible=1), hand("b.jpg", side_px=9.9), hand("c.jpg", side_px=10), hand("d.jpg")]
    arrays = flat_arrays(hands, min_extent_px=10.0)
    assert arrays["picture"].tolist() == [b"c.jpg", b"d.jpg"]
    assert arrays["num_left_out"] == 2
    assert flat_arrays(hands)["num_left_out"] == 1


def test_hands_of_one_picture_and_versions_of_one_photograph_share_their_id():
    hands = [hand("x1.jpg"), hand("y1.jpg"), hand("x1.jpg"), hand("x2.jpg")]
    assert flat_arrays(hands)["unique_id"].tolist() == [0, 1, 0, 2]
    versions = flat_arrays(hands, photograph_of=lambda picture: picture[0])
    assert versions["unique_id"].tolist() == [0, 1, 0, 0]


def test_no_hands_have_no_rows():
    arrays = flat_arrays([])
    assert arrays["keypoints_px"].shape == (0, 21, 2)
    assert arrays["visible"].shape == (0, 21)
