"""The constant body that networks are compared with."""

import pytest
import torch
from scipy.spatial.transform import Rotation

from hpe.metrics.body_template import fit_body_template, score_body_template


def bodies(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 300 * torch.randn(count, 17, 3, generator=generator, dtype=torch.float64)


def test_the_same_body_elsewhere_scores_0():
    body = bodies(1)
    places = body + torch.tensor([[0.0, 0, 0], [100, 20, 4000], [-500, 3, 2000]])[:, None]
    scores = score_body_template(fit_body_template(places), places)
    assert scores["template_mpjpe_mm"] == pytest.approx(0, abs=1e-9)
    assert scores["template_pa_mpjpe_mm"] == pytest.approx(0, abs=1e-6)


def test_the_mean_of_two_bodies_is_half_their_distance_off():
    pair = bodies(1).repeat(2, 1, 1)
    pair[1, 5, 0] += 34.0
    scores = score_body_template(fit_body_template(pair), pair)
    assert scores["template_mpjpe_mm"] == pytest.approx(17.0 / 17)


def test_turned_bodies_have_one_shape_though_no_mean():
    turns = torch.from_numpy(Rotation.random(50, random_state=1).as_matrix())
    turned = bodies(1) @ turns
    scores = score_body_template(fit_body_template(turned), turned)
    assert scores["template_pa_mpjpe_mm"] == pytest.approx(0, abs=1e-6)
    assert scores["template_mpjpe_mm"] > 300
