"""What a verdict is worth before it is run: simulated studies of its shape."""

import math

import numpy as np
import pytest

from sweep.verdict.power import (
    Power,
    drawn_values,
    entrants_of,
    forecast_power,
    is_announced,
    power_of,
    share_spent,
)
from sweep.verdict.race import Left, Race

STUDIES = 200
SHAPE = {"candidates": 3, "controls": 1, "seeds": 24}


@pytest.mark.slow
def test_of_200_studies_few_announce_a_false_winner_most_find_a_lead_and_two_fifths_are_saved():
    null = power_of(**SHAPE, effect=0.0, studies=STUDIES)
    lead = power_of(**SHAPE, effect=1.0, studies=STUDIES)
    sampling_error = 1.645 * math.sqrt(0.05 * 0.95 / STUDIES)  # one-sided, 95 %
    assert null.announced <= 0.05 + sampling_error
    assert lead.announced >= 0.8
    assert max(null.spent, lead.spent) <= 0.6


def test_the_error_of_a_share_is_that_of_its_interval():
    """Two more of both kinds: 52 of 104 announced, 1.96 sqrt(0.25 / 104) = 0.0961."""
    assert Power(0.5, 1.0, 100).announced_error == pytest.approx(0.0961, abs=5e-5)
    assert Power(0.0, 1.0, 100).announced_error > 0.02


@pytest.mark.slow
def test_three_seeds_find_less_than_twelve():
    few, more = (forecast_power(candidates=1, controls=1, seeds=seeds) for seeds in (3, 12))
    assert few.announced < more.announced < 1
    assert few.spent == 1.0  # nobody leaves before the fourth round


def test_the_first_candidate_alone_is_better_and_by_the_effect():
    entrants = entrants_of(2, 1)
    rows = [
        drawn_values(entrants, rounds=5, effect=effect, rng=np.random.default_rng(3))
        for effect in (0.0, 2.0)
    ]
    gained = {name: np.subtract(rows[1][name], rows[0][name]) for name in rows[0]}
    assert gained["candidate 0"] == pytest.approx(np.full(5, 2.0))
    assert not gained["candidate 1"].any()
    assert not gained["control 0"].any()


def test_a_winner_that_is_not_better_counts_where_nobody_is_and_not_where_another_one_is():
    entrants = tuple(entrants_of(2, 1))
    values = {"candidate 0": [0.0, 0.1, 0.2], "candidate 1": [9.0, 9.1, 9.3]}
    values["control 0"] = [0.1, 0.2, 0.1]
    race = Race(entrants, 3, {}, "all rounds are run")
    assert is_announced(race, values, effect=0.0)
    assert not is_announced(race, values, effect=1.0)


def test_who_leaves_after_two_of_four_rounds_spends_half_of_its_own():
    entrants = tuple(entrants_of(1, 1))
    race = Race(entrants, 3, {"control 0": Left(2, "it is behind")}, "ahead beyond doubt")
    assert share_spent(race, rounds=4) == pytest.approx((3 + 2) / 8)
