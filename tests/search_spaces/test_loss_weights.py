"""Loss weights of which only proportions are searched."""

import numpy as np
import pytest
from optuna.trial import FixedTrial
from scipy import stats

from search_spaces.loss_weights import LogRatioWeights, SimplexWeights
from search_spaces.parameters import Real

THREE = SimplexWeights(("l/a", "l/b", "l/c"))


def weights_of(weights, draws):
    params = {f"{path}/share": draw for path, draw in zip(weights.paths, draws, strict=False)}
    return weights.suggest(FixedTrial(params))


def test_two_weights_take_one_parameter():
    two = SimplexWeights(("l/a", "l/b"))
    assert weights_of(two, [0.25]) == {"l/a": 0.25, "l/b": 0.75}


@pytest.mark.parametrize("draws", [(0.0, 0.0), (1.0, 0.3), (0.3, 1.0), (1.0, 1.0), (0.2, 0.9)])
def test_weights_are_not_negative_and_sum_to_one(draws):
    values = list(weights_of(THREE, draws).values())
    assert min(values) >= 0
    assert sum(values) == pytest.approx(1.0)


def test_uniform_parameters_give_weights_uniform_over_the_simplex():
    rng = np.random.default_rng(0)
    drawn = np.array([list(weights_of(THREE, u).values()) for u in rng.random((4000, 2))])
    for weight in drawn.T:  # each weight of Dirichlet(1, 1, 1) is Beta(1, 2)
        assert stats.kstest(weight, stats.beta(1, 2).cdf).pvalue > 0.01
    assert np.corrcoef(drawn.T)[0, 2] == pytest.approx(-0.5, abs=0.05)


@pytest.mark.parametrize("weights", [(0.2, 0.3, 0.5), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)])
def test_weights_are_located_where_they_come_from(weights):
    settings = dict(zip(THREE.paths, weights, strict=True))
    shares = {"l/b/share": 0.5, **THREE.locate(settings.get)}  # all of 1 taken: any share of 0
    assert THREE.suggest(FixedTrial(shares)) == pytest.approx(settings)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 0.0), (-0.5, 1.0, 0.5), (None, 0.5, 0.5)])
def test_weights_off_the_simplex_have_no_place(weights):
    settings = dict(zip(THREE.paths, weights, strict=True))
    assert THREE.locate(settings.get) == {}


def test_one_weight_is_no_simplex():
    with pytest.raises(ValueError, match="two or more, got"):
        SimplexWeights(("l/a",))


def test_ratios_are_to_a_weight_of_one():
    weights = LogRatioWeights("l/a", (Real("l/b", 0.1, 10.0, log=True),))
    assert weights.suggest(FixedTrial({"l/b": 4.0})) == {"l/a": 1.0, "l/b": 4.0}
