"""Rows of bodies: S4's targets, the way back to millimetres, and what scores see."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hpe.augment.body_views import BodyViewConfig, at_aspect, build_body_view
from hpe.geometry.body_skeleton import LEFT_RIGHT_PAIRS
from hpe.metrics.body_template import fit_body_template
from hpe.phases.body_evaluation import SCORES, score_bodies, score_keypoints
from hpe.phases.body_rows import BodyRows, ReferenceCrops, actions_of, joints_mm_of, rows_of
from hpe.phases.loaders import collate
from tests.hpe.phases.body_fakes import fake_bodies

SIZE = {"width_px": 48, "height_px": 64}


def split(flat_every=0, **heads):
    return replace(fake_bodies(val=4, flat_every=flat_every).splits["val"], **heads)


def reference_rows(samples):
    return rows_of(ReferenceCrops(samples, range(len(samples)), **SIZE, batch_size=3))


def made(samples, index, **augment):
    view = build_body_view(BodyViewConfig.model_validate(augment), **SIZE, seed=0)
    return BodyRows(samples, range(len(samples)), view, seed=0)((0, index))


def test_targets_are_s4s():
    samples = split()
    sample, row = samples[2], made(samples, 2)
    left, top, width, height = sample.box_px
    expected = np.stack(
        [
            (sample.keypoints_px[:, 0] - left) / width - 0.5,
            (sample.keypoints_px[:, 1] - top) / height - 0.5,
            sample.depth_mm / 1485,
        ],
        axis=1,
    )
    np.testing.assert_allclose(row["points"], expected, atol=1e-12)
    np.testing.assert_allclose(row["points"][0], 0, atol=1e-12)  # the pelvis is in the middle


def test_true_points_are_the_joints_in_space():
    samples = split()
    rows = reference_rows(samples)
    joints_mm = joints_mm_of(rows["points"], rows, **SIZE)
    expected = np.stack([samples[i].joints_mm() for i in range(len(samples))])
    np.testing.assert_allclose(joints_mm, expected, atol=1e-8)


def test_scaled_and_turned_views_lead_back_to_the_same_joints():
    samples = split()
    row = made(
        samples, 1, scale={"enabled": True}, rotate={"enabled": True, "prob": 1.0, "std_deg": 40.0}
    )
    assert row["depth_range_mm"] != 1485
    rows = collate([row])
    joints_mm = joints_mm_of(rows["points"], rows, **SIZE)[0]
    np.testing.assert_allclose(joints_mm, samples[1].joints_mm(), atol=1e-8)


def test_a_mirrored_body_has_its_sides_swapped():
    samples = split()
    plain = made(samples, 0)["points"]
    mirrored = made(samples, 0, flip={"enabled": True, "prob": 1.0})["points"]
    for left, right in LEFT_RIGHT_PAIRS:
        np.testing.assert_allclose(mirrored[left], plain[right] * [-1, 1, 1], atol=1e-9)


def test_actions_come_back_from_batches():
    assert actions_of(reference_rows(split())) == ["Walking", "Sitting"] * 2


def test_scores_of_the_truth_moved_in_depth():
    rows = reference_rows(split())
    true_mm = joints_mm_of(rows["points"], rows, **SIZE)
    output = rows["points"].clone()
    output[:, 16, 2] += 34 / rows["depth_range_mm"]  # one of 17 joints, 34 mm along its ray's z
    ray_mm = true_mm[:, 16] / true_mm[:, 16, 2:]
    expected_mm = 34 * torch.linalg.vector_norm(ray_mm, dim=1).mean() / 17
    scored = score_bodies(output, rows, template=fit_body_template(true_mm), **SIZE)
    assert set(scored.metrics) == set(SCORES)
    assert scored.metrics["mpjpe_mm"] == pytest.approx(expected_mm.item())
    assert scored.metrics["mpjpe_z_mm"] == pytest.approx(2.0)
    assert scored.metrics["pck_150"] == 1
    assert scored.metrics["epe_2d_px"] == pytest.approx(0, abs=1e-12)
    assert scored.by_joint["right_wrist"]["mpjpe_mm"] == pytest.approx(17 * expected_mm.item())


def test_keypoints_alone_count_in_2d_only():
    rows = reference_rows(split(flat_every=2))
    whole = rows["has_depth"]
    assert whole.tolist() == [True, False, True, False]
    true_mm = joints_mm_of(rows["points"], rows, **SIZE)[whole]
    output = rows["points"].clone()
    output[~whole, :, 0] += 1.0  # a whole width off
    scored = score_bodies(output, rows, template=fit_body_template(true_mm), **SIZE)
    assert scored.metrics["mpjpe_mm"] == pytest.approx(0, abs=1e-9)
    share = rows["visible"][~whole].sum() / rows["visible"].sum()
    assert scored.metrics["epe_2d_px"] == pytest.approx(48 * share.item())


def test_scores_in_mm_need_a_sample_in_space():
    rows = reference_rows(split(flat_every=1))
    template = fit_body_template(torch.randn(2, 17, 3, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"got none among 4; score on .* such as h36m"):
        score_bodies(rows["points"], rows, template=template, **SIZE)


def test_a_heads_length_is_in_pixels_of_the_view():
    samples = split(head_px=9.0)
    box_width_px = at_aspect(samples[0].box_px, (48, 64))[2]
    row = made(samples, 0, scale={"enabled": True}, rotate={"enabled": True, "prob": 1.0})
    scale = float(row["depth_range_mm"] / made(samples, 0)["depth_range_mm"])
    assert scale != 1
    assert row["head_px"] == pytest.approx(9 * 48 / box_width_px / scale)
    assert np.isnan(row["head_bone_px"])


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"head_px": 9.0, "head_bone_px": 90.0}, "pckh_50"),
        ({"head_bone_px": 9.0}, "pckh_50_head_bone"),
    ],
)
def test_pckh_goes_by_the_head_box_or_else_by_the_bone_and_says_so(known, name):
    rows = reference_rows(split(**known))
    length = {"pckh_50": "head_px", "pckh_50_head_bone": "head_bone_px"}[name]
    rows[length][3] = torch.nan  # a head without length: of 4 bodies 3 count
    half_px = rows[length] / 2
    output = rows["points"].clone()
    output[0, 16, 0] += 0.99 * half_px[0] / 48  # just near enough
    output[1, 16, 0] += 1.01 * half_px[1] / 48  # just too far
    output[2, 16, 1] -= 1.01 * half_px[2] / 64
    output[3, 5] += 9
    output[:, 0] += 9  # pelves do not count
    scored = score_keypoints(output, rows, **SIZE)
    assert set(scored.metrics) == {"epe_2d_px", name}
    assert scored.metrics[name] == pytest.approx((3 * 14 - 2) / (3 * 14))
    assert scored.counts == {"epe_2d_px": 4, name: 3}
    assert scored.by_joint["right_wrist"][name] == pytest.approx(1 / 3)
    assert scored.by_joint["left_knee"][name] == 1


def test_crops_that_do_not_fit_in_memory_are_the_same(monkeypatch):
    kept = reference_rows(split())
    monkeypatch.setattr("hpe.phases.body_rows.CACHE_BYTES", 0)
    for name, values in reference_rows(split()).items():
        torch.testing.assert_close(values, kept[name], rtol=0, atol=0, equal_nan=True)
