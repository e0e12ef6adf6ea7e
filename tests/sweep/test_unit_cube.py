"""Values of a search space as coordinates."""

import math
from collections import Counter

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from sweep.unit_cube import coordinate_of, value_at

NUMBERS = {
    "linear": FloatDistribution(-2.0, 6.0),
    "log": FloatDistribution(1e-4, 1e-1, log=True),
    "stepped": FloatDistribution(0.1, 0.9, step=0.2),
    "whole": IntDistribution(3, 9),
    "whole_stepped": IntDistribution(2, 10, step=4),
    "whole_log": IntDistribution(1, 100, log=True),
}


def test_values_lie_where_they_are_worked_out_by_hand():
    assert value_at(0.25, NUMBERS["linear"]) == 0.0
    assert value_at(0.5, NUMBERS["log"]) == pytest.approx(10**-2.5)
    assert value_at(0.5, NUMBERS["stepped"]) == pytest.approx(0.5)
    assert value_at(0.5, NUMBERS["whole_stepped"]) == 6
    assert coordinate_of(0.0, NUMBERS["linear"]) == 0.25
    assert coordinate_of(6, NUMBERS["whole_stepped"]) == 0.5
    assert math.isclose(coordinate_of(10**-2.5, NUMBERS["log"]), 0.5)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_value_comes_back_from_its_coordinate(name):
    distribution = NUMBERS[name]
    for i in range(101):
        value = value_at(i / 100, distribution)
        assert distribution.low <= value <= distribution.high
        assert value_at(coordinate_of(value, distribution), distribution) == pytest.approx(value)


@pytest.mark.parametrize(
    ("distribution", "share"),
    [
        (CategoricalDistribution([True, False, None]), 100),
        (IntDistribution(1, 5), 60),
        (FloatDistribution(0.0, 1.0, step=0.25), 60),
    ],
)
def test_choices_and_steps_have_equal_shares(distribution, share):
    counts = Counter(value_at((i + 0.5) / 300, distribution) for i in range(300))
    assert set(counts.values()) == {share}


def test_the_ends_of_the_interval_are_the_ends_of_the_range():
    assert value_at(1.0, CategoricalDistribution(["a", "b"])) == "b"
    assert (value_at(0.0, NUMBERS["whole"]), value_at(1.0, NUMBERS["whole"])) == (3, 9)
