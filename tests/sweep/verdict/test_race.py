"""Who runs the next round of a race, and who does not any more."""

import math

import pytest
from scipy import stats

from sweep.verdict.race import Entrant, Race, paired_t, run_race

A, B = Entrant("a", is_control=False), Entrant("b", is_control=False)
CONTROL, OTHER = Entrant("control", is_control=True), Entrant("other", is_control=True)
NOISE = [0.1, -0.2, 0.15, 0.05, -0.1, 0.2, -0.15, 0.0]


def raised(by):
    return [by + noise for noise in NOISE]


def race(values, *, entrants=(A, B, CONTROL), rounds=8, direction="maximize"):
    return run_race(entrants, values, rounds=rounds, direction=direction)


def test_the_statistic_is_that_of_a_paired_t_test():
    first, second = [1.0, 2.5, 0.3, 4.0], [0.5, 2.0, 0.9, 2.0]
    found = paired_t([a - b for a, b in zip(first, second, strict=True)])
    assert found == pytest.approx(stats.ttest_rel(first, second).statistic)
    assert paired_t([2.0, 2.0]) == math.inf
    assert paired_t([0.0, 0.0]) == 0.0


def test_a_round_waits_for_all_who_are_in_the_race():
    values = {"a": [1.0, 2.0], "b": [1.0], "control": [1.0]}
    found = race(values)
    assert (found.rounds, found.ended_by) == (1, None)
    assert found.due(values) == ["b", "control"]


def test_what_is_ahead_of_the_others_does_not_count_yet():
    values = {"a": [*raised(3.0)], "b": [0.0, 0.1], "control": [0.0, 0.0]}
    assert race(values).left == {}


def test_a_candidate_leaves_that_the_leading_one_beats():
    values = {"a": raised(1.0)[:4], "b": [0.0, -0.1, 0.1, 0.05], "control": raised(0.99)[3::-1]}
    found = race(values)
    assert found.left["b"].after == 4
    assert found.left["b"].reason == "a is better in a paired test"
    assert found.due(values) == ["a", "control"]


def test_nobody_leaves_before_the_fourth_round():
    values = {"a": [5.0, 5.1, 5.2], "b": [0.0, 0.1, 0.0], "control": [0.0, 0.1, 0.1]}
    assert race(values).left == {}


def test_a_candidate_that_is_not_ahead_of_the_control_leaves_after_a_third_of_the_rounds():
    values = {"a": raised(1.0), "b": raised(0.99)[::-1], "control": raised(1.2)[::-1]}
    few = {name: row[:4] for name, row in values.items()}
    assert race(few, rounds=13).left == {}
    assert "not ahead of control" in race(few, rounds=12).left["a"].reason


def test_the_race_is_over_when_no_candidate_is_left():
    values = {"a": raised(0.0), "control": raised(3.0)[::-1]}
    found = race(values, entrants=(A, CONTROL))
    assert (found.rounds, found.ended_by) == (4, "no candidate is left")


def test_it_ends_early_when_the_last_candidate_has_overtaken_every_control():
    values = {"a": raised(9.0), "b": raised(0.0)[::-1], "control": raised(0.0)}
    values["control"][0] += 0.05
    found = race(values)
    assert (found.rounds, found.ended_by) == (4, "no control is left")


def test_a_control_leaves_that_another_one_beats():
    values = {"a": raised(1.0), "control": raised(1.0)[::-1], "other": [0.0, 0.1, 0.0, 0.1] * 2}
    found = race(values, entrants=(A, CONTROL, OTHER))
    assert found.left["other"].after == 4


def test_who_failed_leaves_and_says_so():
    values = {"a": [1.0], "b": [None], "control": [0.5]}
    found = race(values)
    assert found.left["b"].reason == "its trial failed"
    assert found.due(values) == ["a", "control"]


def test_where_less_is_better_the_signs_are_turned():
    values = {"a": raised(-9.0), "b": raised(0.0)[::-1], "control": raised(0.0)}
    values["control"][0] += 0.05
    assert race(values, direction="minimize").ended_by == "no control is left"


def test_all_rounds_are_the_end_and_none_is_no_race():
    values = {"a": raised(0.3), "b": raised(0.31)[::-1], "control": raised(0.2)[::-1]}
    found = race(values)
    assert (found.rounds, found.ended_by) == (8, "all 8 rounds are run")
    assert found.due(values) == []
    assert race(values, rounds=0) == Race((A, B, CONTROL), 0, {}, "there are no rounds")


@pytest.mark.parametrize("rounds", [1, 2, 3, 4])
def test_a_race_too_short_for_leaving_is_not_won_by_who_is_behind_a_control(rounds):
    values = {"a": [1.0, 1.1, 0.9, 1.0], "b": [0.5, 0.6, 0.4, 0.5], "control": [9.0, 9.1, 8.9, 9.0]}
    found = race(values, rounds=rounds)
    assert found.ended_by == "no candidate is left"
    assert found.left["a"].reason == "it is not ahead of control"
    assert found.left["a"].after == rounds


def with_breaking(rounds=8, **breaking):
    values = {"a": raised(9.0), "b": raised(5.0)[::-1], "control": raised(7.0), "other": NOISE}
    return run_race(
        (A, B, CONTROL, OTHER), values, rounds=rounds, direction="maximize", breaking=breaking
    )


def test_who_breaks_a_constraint_leaves_and_is_nobody_to_be_ahead_of():
    found = with_breaking(a=(True,) * 8, control=(True,) * 8)
    assert all(found.left[name].barred for name in ("a", "control"))
    assert {found.left[name].after for name in ("a", "control")} == {4}
    assert found.ended_by == "no control is left"


def test_who_breaks_a_constraint_in_a_round_or_two_stays():
    once = (True, True, True, *[False] * 5)
    assert not any(left.barred for left in with_breaking(a=once, control=once).left.values())


def test_a_race_that_is_shorter_judges_constraints_after_its_last_round():
    found = with_breaking(rounds=2, a=(True, True), b=(True, False))
    assert (found.left["a"].after, found.left["a"].barred) == (2, True)
    assert not found.left["b"].barred


def test_without_any_control_left_one_candidate_has_nothing_more_to_run_for():
    barred = (True,) * 8
    found = with_breaking(a=barred, control=barred, other=barred)
    assert (found.rounds, found.ended_by) == (4, "no control is left")


def test_a_control_leaves_that_the_last_candidate_has_overtaken_and_the_others_stay():
    close = [8.9, 8.7, 9.2, 9.0, 8.8, 9.3, 8.7, 9.1]
    values = {"a": raised(9.0), "control": close, "other": NOISE[::-1]}
    found = race(values, entrants=(A, CONTROL, OTHER))
    assert found.left["other"].reason == "a is ahead of it beyond doubt"
    assert found.left["other"].after == 4
    assert "control" not in found.left
    assert found.ended_by == "all 8 rounds are run"


def test_while_candidates_compete_none_of_them_overtakes_a_control():
    values = {"a": raised(9.0), "b": raised(9.0)[::-1], "control": NOISE[::-1]}
    assert race(values).left == {}
