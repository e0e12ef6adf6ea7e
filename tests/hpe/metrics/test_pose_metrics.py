"""EPE, PCK and AUC: vector T3, FreiHAND's loops, and validity."""

import numpy as np
import pytest
import torch

from hpe.metrics.pose import (
    auc,
    epe,
    epe_2d_px,
    joint_errors_mm,
    mean_over_joints,
    pck_curve,
    root_epe,
)


def clouds(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.05 * torch.randn(count, 21, 3, generator=generator, dtype=torch.float64)


def constant_errors(error_mm: float) -> torch.Tensor:
    return torch.full((7, 21), error_mm, dtype=torch.float64)


def freihand_auc(errors_m, valid):
    """FreiHAND's get_measures as a loop: <=, 100 thresholds to 5 cm, trapezoids, mean of joints."""
    thresholds = np.linspace(0.0, 0.05, 100)
    areas = []
    for joint in range(errors_m.shape[1]):
        data = errors_m[valid[:, joint], joint]
        if len(data) == 0:
            continue
        pck = np.array([np.mean(data <= t) for t in thresholds])
        areas.append(np.trapezoid(pck, thresholds) / np.trapezoid(np.ones(100), thresholds))
    return np.mean(areas)


@pytest.mark.parametrize(
    ("error_mm", "expected"),
    [(0, 1.0), (5, 0.904040), (6.6, 0.863636), (10, 0.803030), (25, 0.5), (50, 0.005051), (60, 0)],
)
def test_t3_auc_of_a_constant_error(error_mm, expected):
    assert auc(constant_errors(error_mm)).item() == pytest.approx(expected, abs=5e-7)


def test_t3_auc_of_errors_spread_evenly_to_50_mm():
    errors_mm = torch.arange(100_000, dtype=torch.float64)[:, None] / 2000
    assert auc(errors_mm).item() == pytest.approx(0.500005, abs=1e-6)


def test_auc_equals_freihands_loop_with_missing_joints():
    errors_mm = joint_errors_mm(clouds(40, seed=0), clouds(40, seed=1)) / 3
    valid = torch.rand(40, 21, generator=torch.Generator().manual_seed(2)) < 0.6
    valid[:, 4] = False
    expected = freihand_auc(errors_mm.numpy() / 1000, valid.numpy())
    assert auc(errors_mm, valid=valid).item() == pytest.approx(expected, abs=1e-12)


def test_an_error_on_a_threshold_counts_as_correct():
    thresholds_mm, pck = pck_curve(constant_errors(0.0))
    assert thresholds_mm[0] == 0
    assert (pck[0] == 1).all()


def test_pck_rises_from_threshold_to_threshold():
    _, pck = pck_curve(joint_errors_mm(clouds(40, seed=3), clouds(40, seed=4)))
    assert pck.shape == (100, 21)
    assert (pck.diff(dim=0) >= 0).all()


def test_epe_is_in_millimetres():
    true = clouds(5, seed=5)
    moved = true + torch.tensor([0.003, 0.0, -0.004], dtype=torch.float64)
    assert epe(moved, true).item() == pytest.approx(5.0)
    assert root_epe(moved, true).item() == pytest.approx(0.0, abs=1e-9)


def test_root_epe_counts_the_roots_zero():
    true = torch.zeros(1, 21, 3, dtype=torch.float64)
    predicted = torch.full_like(true, 0.0)
    predicted[:, 1:, 0] = 0.021
    assert root_epe(predicted, true).item() == pytest.approx(20.0)  # 20 of 21 joints at 21 mm


def test_root_epe_leaves_out_samples_without_a_valid_root():
    true, predicted = clouds(2, seed=6), clouds(2, seed=7)
    valid = torch.ones(2, 21, dtype=torch.bool)
    valid[1, 0] = False
    expected = root_epe(predicted[:1], true[:1]).item()
    assert root_epe(predicted, true, valid=valid).item() == pytest.approx(expected)


def test_epe_2d_is_the_mean_pixel_distance():
    true = torch.zeros(2, 21, 2)
    assert epe_2d_px(true + torch.tensor([3.0, 4.0]), true).item() == pytest.approx(5.0)


def test_a_joint_seen_once_weighs_as_much_as_one_seen_always():
    values = torch.tensor([[1.0, 10.0], [3.0, 99.0]])
    valid = torch.tensor([[True, True], [True, False]])
    assert mean_over_joints(values, valid).item() == pytest.approx((2 + 10) / 2)


def test_joints_nobody_has_are_left_out():
    values = torch.tensor([[1.0, 10.0]])
    assert mean_over_joints(values, torch.tensor([[True, False]])).item() == 1.0


def test_rejects_a_set_without_any_valid_joint():
    with pytest.raises(ValueError, match="at least one valid joint"):
        mean_over_joints(torch.ones(2, 21), torch.zeros(2, 21, dtype=torch.bool))
