"""InterHand2.6M's MPJPE and MRRPE by hand-computed values."""

import pytest
import torch

from hpe.metrics.interhand import mpjpe_by_wrist, mrrpe
from hpe.metrics.pose import auc_s0_to_half_a_metre


def hands(count: int) -> torch.Tensor:
    return torch.randn(count, 21, 3, generator=torch.Generator().manual_seed(0)).double() / 20


def test_the_wrists_zero_counts_in_the_mean():
    true_m = hands(2)
    predicted_m = true_m.clone()
    predicted_m[:, 1:, 0] += 0.021
    valid, is_right = torch.ones(2, 21, dtype=torch.bool), torch.tensor([True, False])
    value = mpjpe_by_wrist(predicted_m, true_m, valid=valid, is_right=is_right)
    assert value.item() == pytest.approx(20.0)


def test_right_and_left_joints_count_the_same_however_many_hands_there_are():
    true_m = hands(4)
    predicted_m = true_m.clone()
    predicted_m[:3, 1:, 1] += 0.010
    predicted_m[3, 1:, 1] += 0.030
    valid, is_right = torch.ones(4, 21, dtype=torch.bool), torch.tensor([True, True, True, False])
    value = mpjpe_by_wrist(predicted_m, true_m, valid=valid, is_right=is_right)
    assert value.item() == pytest.approx(20 / 21 * (10 + 30) / 2)


def test_a_hand_without_its_wrist_does_not_count():
    true_m = hands(2)
    predicted_m = true_m.clone()
    predicted_m[1, 1:] += 1.0
    valid, is_right = torch.ones(2, 21, dtype=torch.bool), torch.tensor([True, True])
    valid[1, 0] = False
    value = mpjpe_by_wrist(predicted_m, true_m, valid=valid, is_right=is_right)
    assert value.item() == pytest.approx(0.0, abs=1e-9)


def test_mrrpe_is_the_error_of_one_wrist_seen_from_the_other():
    right, left = hands(3)[:, 0], hands(3)[:, 1]
    shift = torch.tensor([0.5, -0.2, 0.9], dtype=torch.float64)
    offset = torch.tensor([0.0, 0.03, 0.04], dtype=torch.float64)
    value = mrrpe(
        predicted_right_m=right + shift,
        predicted_left_m=left + shift + offset,
        true_right_m=right,
        true_left_m=left,
    )
    assert value.item() == pytest.approx(50.0)


def test_mrrpe_needs_a_pair():
    none = torch.zeros(0, 3)
    with pytest.raises(ValueError, match="both wrists annotated"):
        mrrpe(predicted_right_m=none, predicted_left_m=none, true_right_m=none, true_left_m=none)


@pytest.mark.parametrize(("error_mm", "expected"), [(10, 0.975), (0, 98.5 / 99), (500, 0.0)])
def test_s0s_area_of_a_constant_error(error_mm, expected):
    errors = torch.full((5, 21), float(error_mm), dtype=torch.float64)
    assert auc_s0_to_half_a_metre(errors).item() == pytest.approx(expected, abs=3e-4)
