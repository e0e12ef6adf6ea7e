"""What a race says."""

import statistics

import numpy as np
import pytest

from sweep.verdict.dunnett import dunnett_quantile
from sweep.verdict.race import Entrant, Left, Race, run_race
from sweep.verdict.verdict import LAST_LOOK, first_of, probability_best, verdict_of

ENTRANTS = (
    Entrant("a", is_control=False),
    Entrant("b", is_control=False),
    Entrant("weak", is_control=True),
    Entrant("strong", is_control=True),
)
VALUES = {
    "a": [10.0, 11.0, 9.0, 12.0],
    "b": [12.0, 13.0, 11.5, 14.0],
    "weak": [20.0, 22.0, 21.0, 20.0],
    "strong": [12.5, 13.0, 13.0, 14.0],
}


def told(values=VALUES, *, left=None, rounds=4, direction="minimize"):
    race = Race(ENTRANTS, rounds, left or {}, "all rounds are run")
    return verdict_of(race, values, direction=direction)


def test_the_best_candidate_wins_and_is_compared_with_the_strongest_control_first():
    verdict = told()
    assert verdict.winner == "a"
    assert [lead.control for lead in verdict.leads] == ["strong", "weak"]
    assert verdict.means["a"] == 10.5


def test_a_lead_has_dunnetts_interval_for_as_many_candidates_as_entered():
    lead = told().leads[0]
    differences = [2.5, 2.0, 4.0, 2.0]
    half = dunnett_quantile(LAST_LOOK, candidates=2, df=3) * statistics.stdev(differences) / 2
    assert lead.mean == pytest.approx(2.625)
    assert (lead.low, lead.high) == pytest.approx((2.625 - half, 2.625 + half))
    assert lead.is_separated == (half < 2.625)


def test_where_more_is_better_the_largest_mean_wins():
    assert told(direction="maximize").winner == "b"


def test_the_study_is_decided_by_the_strongest_control():
    close = {**VALUES, "strong": [9.9, 11.2, 9.1, 11.9]}
    verdict = told(close)
    assert not verdict.is_separated
    assert verdict.leads[1].is_separated


def test_a_control_that_breaks_a_constraint_decides_nothing():
    left = {"strong": Left(4, "it breaks a constraint", barred=True)}
    assert [lead.control for lead in told(left=left).leads] == ["weak"]


def test_a_candidate_that_breaks_a_constraint_is_not_the_nearest():
    barred, behind = Left(4, "it breaks a constraint", barred=True), Left(4, "it is not ahead")
    assert told(left={"a": barred, "b": behind}).nearest.candidate == "b"


def test_without_a_candidate_there_is_no_winner():
    entrants = (Entrant("a", is_control=False), Entrant("strong", is_control=True))
    values = {"a": [9.0, 9.2, 9.1, 9.3], "strong": [1.0, 1.1, 1.3, 1.0]}
    race = run_race(entrants, values, rounds=8, direction="minimize")
    verdict = verdict_of(race, values, direction="minimize")
    assert (verdict.winner, verdict.leads, verdict.is_separated) == (None, (), False)
    assert verdict.means["a"] == pytest.approx(9.15)


def test_values_of_rounds_that_are_not_finished_do_not_count():
    ahead = {**VALUES, "a": [*VALUES["a"], 1000.0]}
    assert told(ahead) == told()


def test_probabilities_of_being_best_are_of_rounds_drawn_together():
    rng = np.random.default_rng(0)
    seed_effect = rng.normal(0, 100, 12)
    shares = probability_best({"a": seed_effect + 1, "b": seed_effect, "c": seed_effect - 1})
    assert shares == {"a": 1.0, "b": 0.0, "c": 0.0}
    assert probability_best({"a": [1.0, 2.0], "b": [1.0, 2.0]}) == {"a": 0.5, "b": 0.5}


def test_first_is_the_winner_or_the_strongest_control_where_no_candidate_stayed():
    race = Race(ENTRANTS, 4, {}, "all rounds are run")
    assert first_of(race, VALUES, direction="minimize") == "a"
    worse = {**VALUES, "a": [30.0] * 4}
    assert first_of(race, worse, direction="minimize") == "b"
    left = {"a": Left(4, "it failed"), "b": Left(4, "it failed")}
    race = Race(ENTRANTS, 4, left, "no candidate is left")
    assert first_of(race, VALUES, direction="minimize") == "strong"
    assert first_of(race, {}, direction="minimize") is None


FAILED = {"strong": Left(4, "its trial failed", failed=True)}
STRONGER = {"a": [50.0, 50.5, 49.8, 50.2], "b": [52.0] * 4, "weak": [60.0, 60.4, 59.8, 60.2]}


@pytest.mark.parametrize("reached", [[40.0, 41.0, 39.5], [40.0, 41.0], [50.1, 50.9, 49.7]])
def test_a_control_that_failed_is_no_control_that_was_beaten(reached):
    verdict = told({**STRONGER, "strong": [*reached, None]}, left=FAILED)
    assert not verdict.is_separated
    assert [lead.control for lead in verdict.leads] == ["strong", "weak"]
    assert verdict.leads[1].is_separated


def test_a_control_that_failed_far_behind_does_not_stand_in_the_way():
    verdict = told({**STRONGER, "strong": [70.0, 70.5, 69.8, None]}, left=FAILED)
    assert verdict.is_separated
    assert [lead.control for lead in verdict.leads] == ["weak", "strong"]


@pytest.mark.parametrize("reached", [[], [70.0]])
def test_nobody_is_better_than_a_control_that_failed_before_it_could_be_compared(reached):
    verdict = told({**STRONGER, "strong": [*reached, None]}, left=FAILED)
    assert verdict.unknown == ("strong",)
    assert not verdict.is_separated


def test_a_control_that_another_control_beat_decides_nothing():
    beaten = {"strong": Left(2, "weak is better in a paired test")}
    values = {**STRONGER, "strong": [49.0, 70.0], "weak": [60.0, 60.4, 59.8, 60.2]}
    verdict = told(values, left=beaten)
    assert verdict.is_separated
    assert [lead.control for lead in verdict.leads] == ["weak", "strong"]
    assert not verdict.leads[1].is_separated


def test_the_race_says_who_left_because_a_trial_failed():
    values = {**VALUES, "strong": [12.5, None, 13.0, 14.0]}
    race = run_race(ENTRANTS, values, rounds=4, direction="minimize")
    assert race.left["strong"] == Left(2, "its trial failed", failed=True)
    assert not verdict_of(race, values, direction="minimize").is_separated
