import pytest
import torch

from hpe.geometry.axis_bins import S2_BOXES, Box, mean_share


def peaked(bins, index):
    logits = torch.zeros(bins, dtype=torch.float64)
    logits[index] = 50.0
    return logits


def test_a_peak_lies_in_the_middle_of_its_bin_and_as_s2_counts_at_its_edge():
    assert mean_share(peaked(64, 20)).item() == pytest.approx(20.5 / 64)
    assert mean_share(peaked(64, 20), from_edge=True).item() * 64 == pytest.approx(20.0)
    assert mean_share(peaked(64, 20), from_edge=True).item() - 0.5 == pytest.approx(-0.1875)


def test_a_flat_distribution_lies_in_the_middle_of_the_box_and_as_s2_counts_half_a_bin_below():
    assert mean_share(torch.zeros(64)).item() == pytest.approx(0.5)
    assert mean_share(torch.zeros(64), from_edge=True).item() * 64 == pytest.approx(31.5)


def test_means_are_those_of_a_sum_over_bins():
    logits = torch.randn(3, 21, 3, 9, generator=torch.Generator().manual_seed(0)).double()
    means = mean_share(logits)
    for place in ((0, 0, 0), (2, 20, 2), (1, 5, 1)):
        weights = [float(value) for value in logits[place].exp()]
        expected = sum(w * (i + 0.5) / 9 for i, w in enumerate(weights)) / sum(weights)
        assert means[place].item() == pytest.approx(expected)


def test_s2s_112_bins_of_depth_are_6_6_mm_wide():
    box = S2_BOXES["mm"]
    first, second = (
        mean_share(peaked(112, i), from_edge=True).item() * (1040.36 - 297.07) + 297.07
        for i in (0, 1)
    )
    assert first == pytest.approx(297.07)
    assert second - first == pytest.approx(6.6365, abs=1e-3)
    shares = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    torch.testing.assert_close(
        box.points(shares), torch.tensor([[-127.43, -135.16, 297.07], [121.29, 129.38, 1040.36]])
    )


def test_shares_and_points_undo_each_other_inside_and_outside_of_the_box():
    box = Box((-1.0, 2.0, 3.0), (1.0, 4.0, 13.0))
    points = torch.tensor([[0.0, 2.5, 8.0], [2.0, 0.0, 23.0]])
    torch.testing.assert_close(
        box.shares(points), torch.tensor([[0.5, 0.25, 0.5], [1.5, -1.0, 2.0]])
    )
    torch.testing.assert_close(box.points(box.shares(points)), points)
