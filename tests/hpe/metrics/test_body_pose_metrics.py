"""Body metrics against hand-computed values, scipy's Procrustes and MPII's own way of counting."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from hpe.geometry.body_skeleton import BODY_JOINTS, FOURTEEN_JOINTS, MPII_FROM_BODY
from hpe.metrics.body_pose import (
    PROTOCOLS,
    axis_errors_mm,
    body_errors_mm,
    body_scores,
    head_size_px,
    mpjpe,
    mpjpe_14,
    pa_mpjpe,
    pck,
    pckh,
    pckh_by_joint,
)
from hpe.metrics.direction import direction_of


def bodies(count=5, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 300, (count, 17, 3)))


def moved(joints, joint, by):
    changed = joints.clone()
    changed[:, joint] += torch.tensor(by, dtype=joints.dtype)
    return changed


def test_moving_the_whole_body_costs_nothing():
    true = bodies()
    assert mpjpe(true + torch.tensor([100.0, -50.0, 900.0]), true).item() == pytest.approx(0)


def test_one_joint_off_by_17_mm_costs_1_mm_over_17_joints():
    true = bodies()
    assert mpjpe(moved(true, 13, [0.0, 17.0, 0.0]), true).item() == pytest.approx(1)


def test_a_wrong_pelvis_is_paid_by_every_other_joint():
    true = bodies()
    error = mpjpe(moved(true, 0, [3.0, 4.0, 0.0]), true).item()
    assert error == pytest.approx(5 * 16 / 17)


def test_fourteen_joints_leave_out_pelvis_spine_and_neck():
    true = bodies()
    for joint in range(1, 17):
        counted = 14 / 14 if joint in FOURTEEN_JOINTS else 0
        assert mpjpe_14(moved(true, joint, [14.0, 0.0, 0.0]), true).item() == pytest.approx(counted)


def test_axes_are_told_apart():
    true = bodies()
    errors = axis_errors_mm(moved(true, 16, [17.0, -34.0, 0.0]), true)
    assert errors.tolist() == pytest.approx([1, 2, 0])


def procrustes_by_scipy(predicted, true):
    """Umeyama's similarity by another route: scipy's solver and an explicit reflection fix."""
    a, b = predicted - predicted.mean(0), true - true.mean(0)
    rotation, _ = orthogonal_procrustes(a, b)
    if np.linalg.det(rotation) < 0:
        u, _, vt = np.linalg.svd(a.T @ b)
        rotation = u @ np.diag([1, 1, -1]) @ vt
    scale = np.sum((a @ rotation) * b) / np.sum(a**2)
    return scale * a @ rotation + true.mean(0)


def test_pa_mpjpe_agrees_with_scipys_procrustes():
    true, predicted = bodies(6), bodies(6) + bodies(6, seed=1) / 3
    expected = [
        np.linalg.norm(procrustes_by_scipy(p, t) - t, axis=1).mean()
        for p, t in zip(predicted.numpy(), true.numpy(), strict=True)
    ]
    assert pa_mpjpe(predicted, true).item() == pytest.approx(np.mean(expected))


def test_pa_mpjpe_forgives_a_similarity_but_not_a_mirror():
    true = bodies()
    turn = torch.from_numpy(Rotation.from_euler("xyz", [20, -70, 130], degrees=True).as_matrix())
    similar = 1.7 * true @ turn.T + torch.tensor([10.0, 20.0, 3000.0])
    assert pa_mpjpe(similar, true).item() < 1e-9
    assert pa_mpjpe(true * torch.tensor([-1.0, 1.0, 1.0]), true).item() > 10


def test_an_all_zero_prediction_aligns_to_the_mean_distance_from_the_centroid():
    true = bodies()
    expected = torch.linalg.vector_norm(true - true.mean(1, keepdim=True), dim=-1).mean().item()
    assert pa_mpjpe(torch.zeros_like(true), true).item() == pytest.approx(expected)


def test_the_mean_over_actions_weighs_actions_not_samples():
    true = bodies(3)
    predicted = true.clone()
    predicted[:2] = moved(true[:2], 5, [17.0, 0.0, 0.0])
    predicted[2:] = moved(true[2:], 5, [0.0, 51.0, 0.0])
    actions = ["walking", "walking", "sitting"]
    scores = body_scores(predicted, true, actions=actions)
    by_action = {action: means["mpjpe_mm"] for action, means in scores.by_action.items()}
    assert by_action == pytest.approx({"sitting": 3, "walking": 1})
    assert scores.values["mpjpe_actions_mm"] == pytest.approx(2)
    assert scores.values["mpjpe_mm"] == pytest.approx(5 / 3)
    assert scores.by_joint["left_knee"]["mpjpe_mm"] == pytest.approx(17 * 5 / 3)


def test_parts_are_scored_as_the_whole_is():
    true, predicted = bodies(6), bodies(6, seed=1)
    scores = body_scores(predicted, true, actions=["a", "b", "a", "b", "b", "b"])
    rows = {"a": [0, 2], "b": [1, 3, 4, 5]}
    assert list(scores.by_action) == list(rows)
    for action, of in rows.items():
        alone = body_scores(predicted[of], true[of]).values
        assert scores.by_action[action] == pytest.approx(
            {name: alone[name] for name in ("mpjpe_mm", "pa_mpjpe_mm", "pck_150")}
        )
    for name in ("mpjpe_mm", "pa_mpjpe_mm"):
        mean = sum(joint[name] for joint in scores.by_joint.values()) / 17
        assert mean == pytest.approx(scores.values[name])
    hits = [joint["pck_150"] for name, joint in scores.by_joint.items() if name != BODY_JOINTS[0]]
    assert sum(hits) / 16 == pytest.approx(scores.values["pck_150"])
    assert math.isnan(scores.by_joint[BODY_JOINTS[0]]["pck_150"])


def test_actions_must_be_as_many_as_samples():
    with pytest.raises(ValueError, match="got 2 for 3 samples"):
        body_scores(bodies(3), bodies(3), actions=["a", "b"])


def test_pck_counts_the_threshold_itself_and_not_the_pelvis():
    true = torch.zeros(1, 17, 3, dtype=torch.float64)
    predicted = true.clone()
    predicted[0, 1:5, 0] = torch.tensor([149.0, 150.0, 150.5, 400.0])
    assert pck(predicted, true).item() == pytest.approx(14 / 16)


def pckh_as_mpii_counts(predicted, true, visible, head, share):
    """PCKh in MPII's order and loops: jointwise rates, then weights by how often joints occur."""
    order = list(MPII_FROM_BODY)
    rates, counts = [], []
    for column, joint in enumerate(order):
        if column in (6, 7):
            continue
        seen = visible[:, joint]
        error = np.linalg.norm(predicted[:, joint] - true[:, joint], axis=1) / head
        counts.append(seen.sum())
        rates.append(((error <= share) & seen).sum() / max(seen.sum(), 1))
    return np.sum(np.array(rates) * counts) / np.sum(counts)


def test_pckh_agrees_with_mpiis_way_of_counting():
    rng = np.random.default_rng(3)
    true, predicted = rng.uniform(0, 200, (2, 20, 17, 2))
    predicted = true + 0.2 * (predicted - true)
    visible, head = rng.random((20, 17)) < 0.8, rng.uniform(20, 60, 20)
    found = pckh(
        torch.from_numpy(predicted),
        torch.from_numpy(true),
        visible=torch.from_numpy(visible),
        head_px=torch.from_numpy(head),
    ).item()
    assert 0.2 < found < 0.9
    assert found == pytest.approx(pckh_as_mpii_counts(predicted, true, visible, head, 0.5))


def test_pckh_of_each_joint_and_of_all_pooled():
    true = torch.zeros(2, 17, 2, dtype=torch.float64)
    predicted = true.clone()
    predicted[0, 13] = torch.tensor([3.0, 4.0])  # 5 px: half of a head of 10 px, and counts
    predicted[1, 13] = torch.tensor([6.0, 8.0])  # 10 px: more than half of a head of 19 px
    predicted[:, 0] = 100.0  # the pelvis does not count
    predicted[0, 5] = 100.0
    visible = torch.ones(2, 17, dtype=torch.bool)
    visible[:, 7] = False
    visible[0, 5] = False  # not annotated
    options = {"visible": visible, "head_px": torch.tensor([10.0, 19.0])}
    assert pckh(predicted, true, **options).item() == pytest.approx(26 / 27)
    by_joint = pckh_by_joint(predicted, true, **options)
    assert by_joint["left_wrist"] == 0.5
    assert by_joint["left_knee"] == 1
    assert math.isnan(by_joint["hip"]) and math.isnan(by_joint["thorax"])


def test_pckh_without_annotated_joints_is_refused():
    points = torch.zeros(1, 17, 2)
    only_pelvis = torch.arange(17)[None] == 0
    with pytest.raises(ValueError, match="needs annotated joints"):
        pckh(points, points, visible=only_pelvis, head_px=torch.ones(1))


def test_a_head_is_six_tenths_of_its_boxs_diagonal():
    box = torch.tensor([[[10.0, 20.0], [40.0, 60.0]]])
    assert head_size_px(box).tolist() == pytest.approx([30.0])


def test_no_sample_has_no_score():
    with pytest.raises(ValueError, match="at least one sample"):
        body_scores(torch.zeros(0, 17, 3), torch.zeros(0, 17, 3))


def test_every_score_says_its_protocol_and_its_direction():
    scores = body_scores(bodies(), bodies(seed=1), actions=["a"] * 5)
    assert {*scores.values, "pckh_50", "pckh_50_head_bone"} == set(PROTOCOLS)
    for name in PROTOCOLS:
        expected = "maximize" if name.startswith("pck") else "minimize"
        assert direction_of(f"val/{name}") == expected
    assert set(scores.by_joint) == set(BODY_JOINTS)
    assert body_errors_mm(bodies(), bodies()).shape == (5, 17)
