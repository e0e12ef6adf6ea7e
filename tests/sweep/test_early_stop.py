"""The rules of early stopping, by hand."""

import pytest
from scipy.stats import spearmanr

from sweep.early_stop import (
    asha_stops,
    best_share,
    median_stops,
    proxy_is_useless,
    rank_correlation,
    rung_epochs,
    rungs_of,
    split_metric,
)
from sweep.study import EarlyStop
from tests.sweep.engine_fakes import make_study
from tests.sweep.engine_phases import PHASES
from trainables.plans import parse_plan

PLAN = parse_plan(["draft", "final"], PHASES)


def stops(value, others, *, keep=0.5, grace=3, direction="minimize"):
    return asha_stops(value, others, keep=keep, grace=grace, direction=direction)


def rungs(**rules):
    return rungs_of(make_study(early_stop={"rule": "asha", **rules}), PLAN)


@pytest.mark.parametrize(
    ("value", "others", "stopped"),
    [
        (9.0, [1.0, 2.0], False),  # grace: only two were there before
        (9.0, [1.0, 2.0, 3.0], True),  # rank 3 of 4, two are kept
        (2.5, [1.0, 2.0, 3.0], True),  # rank 2 of 4
        (1.5, [1.0, 2.0, 3.0], False),  # rank 1 of 4
        (0.5, [1.0, 2.0, 3.0, 4.0], False),  # the best of 5
        (1.5, [1.0, 2.0, 3.0, 4.0], False),  # rank 1 of 5, floor(2.5) = 2 are kept
        (2.5, [1.0, 2.0, 3.0, 4.0], True),  # rank 2 of 5
        (1.0, [1.0, 1.0, 1.0], False),  # nobody is better
    ],
)
def test_asha_keeps_the_best_half_of_all_that_reached_the_rung(value, others, stopped):
    assert stops(value, others) is stopped


def test_asha_keeps_at_least_one_however_little_is_kept():
    assert not stops(1.0, [2.0, 3.0, 4.0], keep=0.1)
    assert stops(2.5, [2.0, 3.0, 4.0], keep=0.1)


def test_a_study_that_maximizes_stops_low_values():
    assert stops(1.0, [7.0, 8.0, 9.0], direction="maximize")
    assert not stops(9.5, [7.0, 8.0, 9.0], direction="maximize")


@pytest.mark.parametrize(
    ("value", "others", "stopped"),
    [
        (9.0, [1.0, 2.0], False),  # grace: only two others were there
        (2.1, [1.0, 2.0, 3.0], True),  # the median is 2
        (2.0, [1.0, 2.0, 3.0], False),  # no worse than it
        (2.4, [1.0, 2.0, 3.0, 4.0], False),  # between two: 2.5
        (2.6, [1.0, 2.0, 3.0, 4.0], True),
    ],
)
def test_the_median_rule_stops_what_is_worse_than_half_of_the_others(value, others, stopped):
    assert median_stops(value, others, grace=3, direction="minimize") is stopped
    mirrored = [-other for other in others]
    assert median_stops(-value, mirrored, grace=3, direction="maximize") is stopped


def test_the_best_share_goes_on_and_of_equal_ones_the_earlier():
    values = {"a": 2.0, "d": 1.0, "b": 2.0, "e": 3.0, "c": 2.0}
    assert best_share(values, keep=0.5, direction="minimize", at_least=0) == ["d", "a"]
    assert best_share(values, keep=0.8, direction="maximize", at_least=0) == ["e", "a", "b", "c"]
    assert best_share(values, keep=0.1, direction="minimize", at_least=0) == []
    assert best_share(values, keep=0.1, direction="minimize", at_least=1) == ["d"]


def test_a_share_is_not_lost_to_rounding():
    values = {str(place): float(place) for place in range(100)}
    assert len(best_share(values, keep=0.29, direction="minimize", at_least=0)) == 29


def test_a_study_without_a_rule_has_no_rungs():
    assert rungs_of(make_study(), PLAN) == ()


def test_without_a_proxy_only_the_phase_of_the_objective_has_rungs():
    found = rungs(rungs=[0.3, 0.6])
    assert [(rung.index, rung.label, rung.metric) for rung in found] == [
        (2, "final", "val/error"),
        (3, "final", "val/error"),
    ]


def test_with_a_proxy_every_rung_keeps_its_index_and_its_own_metric():
    found = rungs(rungs=[0.3, 0.6], proxy=True)
    assert [(rung.index, rung.label, rung.metric, rung.is_proxy) for rung in found] == [
        (0, "draft", "val/proxy", True),
        (1, "draft", "val/proxy", True),
        (2, "final", "val/error", False),
        (3, "final", "val/error", False),
    ]


def test_a_named_metric_is_compared_at_its_own_phase_alone():
    found = rungs(rungs=[0.3], metric="draft/val/proxy")
    assert [(rung.label, rung.metric, rung.is_proxy) for rung in found] == [
        ("draft", "val/proxy", True)
    ]
    found = rungs(rungs=[0.3], metric="final/val/error", proxy=True)
    assert [(rung.label, rung.metric, rung.is_proxy) for rung in found] == [
        ("draft", "val/proxy", True),
        ("final", "val/error", False),
    ]


def test_a_metric_is_better_the_way_its_objective_or_else_its_name_says():
    objective = {
        "metric": "final/val/gain",
        "direction": "maximize",
        "also": [{"metric": "final/val/auc", "direction": "minimize"}],
    }
    for metric, direction in {
        "final/val/gain": "maximize",
        "final/val/auc": "minimize",
        "final/val/iou": "maximize",
        "draft/val/proxy": "maximize",
    }.items():
        rules = {"rule": "asha", "rungs": [0.5], "metric": metric}
        (rung,) = rungs_of(make_study(objective=objective, early_stop=rules), PLAN)
        assert rung.direction == direction, metric


@pytest.mark.parametrize(
    ("epochs", "places"),
    [
        (1, {}),  # it is over before anything can be decided
        (2, {1: 2}),  # both shares fall on epoch 1; the first counts
        (3, {1: 2, 2: 3}),
        (6, {2: 2, 4: 3}),
        (10, {3: 2, 7: 3}),
    ],
)
def test_rungs_fall_on_the_nearest_epoch_before_the_end(epochs, places):
    found = rung_epochs(rungs(rungs=[0.34, 0.67]), label="final", epochs=epochs)
    assert {epoch: rung.index for epoch, rung in found.items()} == places


def test_rungs_of_another_phase_are_no_rungs_here():
    assert rung_epochs(rungs(rungs=[0.5]), label="draft", epochs=10) == {}


def test_the_objective_names_a_plan_label_and_a_metric_key():
    assert split_metric(make_study().objective.metric) == ("final", "val/error")


def test_rank_correlation_is_spearmans():
    pairs = [(1.0, 2.0), (2.0, 1.0), (3.0, 4.0), (4.0, 4.0), (9.0, 3.0)]
    assert rank_correlation(pairs) == pytest.approx(spearmanr(*zip(*pairs, strict=True)).statistic)
    assert rank_correlation([(1.0, 5.0), (2.0, 5.0)]) == 0.0


def test_a_proxy_is_judged_only_by_eight_finished_trials():
    rules = EarlyStop(min_correlation=0.3)
    opposed = [(float(i), float(-i)) for i in range(8)]
    assert proxy_is_useless(opposed[:7], rules) is None
    assert proxy_is_useless(opposed, rules) == pytest.approx(-1.0)
    agreeing = [(float(i), float(i)) for i in range(8)]
    assert proxy_is_useless(agreeing, rules) is None
