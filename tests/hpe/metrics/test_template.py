"""The fixed-template baseline is the best constant hand, and knows nothing about pose."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from hpe.geometry.root_depth import bone_length_m
from hpe.metrics.pose import pa_epe, root_epe
from hpe.metrics.template import fit_template, score_template

BASE = 0.05 * torch.randn(21, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def posed_hands(count: int, seed: int, *, turned: bool, noise: float = 0.004) -> torch.Tensor:
    """Noisy copies of one hand at different sizes and places, turned at random or not."""
    rng = np.random.default_rng(seed)
    hands = BASE + torch.tensor(rng.normal(scale=noise, size=(count, 21, 3)))
    if turned:
        hands = hands @ torch.tensor(Rotation.random(count, rng=rng).as_matrix()).mT
    sizes = torch.tensor(rng.uniform(0.7, 1.3, (count, 1, 1)))
    return sizes * hands + torch.tensor(rng.normal(size=(count, 1, 3)))


def test_identical_hands_of_any_size_and_place_score_zero():
    hands = posed_hands(20, seed=1, turned=False, noise=0.0)
    scores = score_template(fit_template(hands), hands)
    assert scores.root_epe_mm == pytest.approx(0.0, abs=1e-9)
    assert scores.pa_epe_mm == pytest.approx(0.0, abs=1e-9)


def test_the_shape_survives_hands_that_point_everywhere():
    hands = posed_hands(300, seed=2, turned=True, noise=0.0)
    template = fit_template(hands)
    assert score_template(template, hands).pa_epe_mm == pytest.approx(0.0, abs=1e-6)
    mean_hand = template.root_relative.expand_as(hands)
    assert pa_epe(mean_hand, hands).item() > 1  # the plain mean has shrunk to something else


def test_scores_are_those_of_its_own_hands():
    train, val = posed_hands(50, seed=3, turned=True), posed_hands(30, seed=4, turned=True)
    template = fit_template(train)
    guess = template.root_relative * bone_length_m(val)[:, None, None]
    scores = score_template(template, val)
    assert scores.root_epe_mm == pytest.approx(root_epe(guess, val).item())
    assert scores.pa_epe_mm == pytest.approx(pa_epe(template.shape.expand_as(val), val).item())


def test_the_unit_is_the_length_of_the_chosen_bone():
    hands = posed_hands(10, seed=5, turned=False, noise=0.0)
    template = fit_template(hands, root=9, bone=(0, 9))
    assert torch.linalg.vector_norm(template.root_relative[0]).item() == pytest.approx(1.0)
    assert template.root_relative[9].tolist() == [0, 0, 0]


def test_scores_on_single_precision_joints_are_close():
    train, val = posed_hands(50, seed=6, turned=True), posed_hands(30, seed=7, turned=True)
    exact = score_template(fit_template(train), val)
    rough = score_template(fit_template(train), val.float())
    assert rough.root_epe_mm == pytest.approx(exact.root_epe_mm, rel=1e-4)
    assert rough.pa_epe_mm == pytest.approx(exact.pa_epe_mm, rel=1e-3)
