"""Alignment: vector T2, scipy references, and what validity does."""

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from hpe.metrics.alignment import align_official_freihand, align_similarity
from hpe.metrics.pose import pa_epe, pa_epe_official_freihand


def clouds(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.05 * torch.randn(count, 21, 3, generator=generator, dtype=torch.float64)


def similar(points: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Copies under random rotation, scale and translation, one per sample."""
    rng = np.random.default_rng(seed)
    count = len(points)
    rotations = torch.tensor(Rotation.random(count, rng=rng).as_matrix())
    scales = torch.tensor(rng.uniform(0.2, 5, (count, 1, 1)))
    return scales * points @ rotations.mT + torch.tensor(rng.normal(size=(count, 1, 3)))


def freihand_align(gt, pred):
    """FreiHAND's align_w_scale for one sample, as its protocol is written."""
    t_gt, t_pred = gt.mean(0), pred.mean(0)
    gt0, pred0 = gt - t_gt, pred - t_pred
    s_gt = np.linalg.norm(gt0) + 1e-8
    s_pred = np.linalg.norm(pred0) + 1e-8
    rotation, scale = orthogonal_procrustes(gt0 / s_gt, pred0 / s_pred)
    return (pred0 / s_pred) @ rotation.T * scale * s_gt + t_gt


def test_t2_a_similar_copy_aligns_perfectly():
    true = clouds(20, seed=0)
    copies = similar(true)
    assert pa_epe(copies, true).item() < 1e-9  # mm
    assert pa_epe_official_freihand(copies, true).item() < 1e-5  # mm: its +1e-8 shows


def test_t2_a_mirrored_hand_scores_zero_officially_but_not_properly():
    true = clouds(20, seed=1)
    mirrored = true * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    assert pa_epe_official_freihand(mirrored, true).item() < 1e-5
    assert pa_epe(mirrored, true).item() > 10


@pytest.mark.parametrize("metric", [pa_epe, pa_epe_official_freihand])
def test_t2_zeros_score_the_mean_distance_to_the_centroid(metric):
    true = clouds(20, seed=2)
    centred = true - true.mean(1, keepdim=True)
    expected = 1000 * centred.norm(dim=-1).mean().item()
    assert metric(torch.zeros_like(true), true).item() == pytest.approx(expected, rel=1e-6)


def test_the_official_variant_equals_freihands_loop():
    true, predicted = clouds(30, seed=3), clouds(30, seed=4)
    aligned = align_official_freihand(predicted, true)
    for k in range(30):
        expected = freihand_align(true[k].numpy(), predicted[k].numpy())
        np.testing.assert_allclose(aligned[k], expected, atol=1e-12)


def test_the_proper_variant_equals_scipys_rotation_fit_with_its_best_scale():
    true, predicted = clouds(30, seed=5), clouds(30, seed=6)
    aligned = align_similarity(predicted, true)
    for k in range(30):
        gt, pred = true[k].numpy(), predicted[k].numpy()
        gt0, pred0 = gt - gt.mean(0), pred - pred.mean(0)
        turned = Rotation.align_vectors(gt0, pred0)[0].apply(pred0)
        scale = (turned * gt0).sum() / (turned**2).sum()
        np.testing.assert_allclose(aligned[k], scale * turned + gt.mean(0), atol=1e-9)


def test_both_variants_agree_on_predictions_close_to_the_truth():
    true = clouds(30, seed=7)
    predicted = similar(true) + 0.01 * clouds(30, seed=8)
    torch.testing.assert_close(
        align_similarity(predicted, true),
        align_official_freihand(predicted, true),
        rtol=0,
        atol=1e-7,  # the official + 1e-8
    )


def test_alignment_ignores_joints_that_are_not_valid():
    true = clouds(10, seed=9)
    valid = torch.ones(10, 21, dtype=torch.bool)
    valid[:, ::4] = False
    predicted = similar(true)
    predicted[~valid] += 100
    aligned = align_similarity(predicted, true, valid=valid)
    torch.testing.assert_close(aligned[valid], true[valid], rtol=0, atol=1e-12)
    assert pa_epe(predicted, true, valid=valid).item() < 1e-9


def test_a_sample_without_valid_joints_does_not_disturb_the_others():
    true = clouds(3, seed=10)
    valid = torch.ones(3, 21, dtype=torch.bool)
    valid[1] = False
    assert pa_epe(similar(true), true, valid=valid).item() < 1e-9
