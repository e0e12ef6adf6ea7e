"""What parts are worth: intervals against slow references, and how often they are wrong."""

import math

import numpy as np
import pytest
from scipy import stats

from sweep.ablation.effects import WHOLE, effects_of, interactions_of, strongest_pairs
from sweep.verdict.dunnett import two_sided_dunnett_quantile

SEEDS = 6


def noisy(rng, **worths):
    """Return objectives to maximise: the whole point is 10, without a part it lacks its worth."""
    rows = {WHOLE: 10 + rng.normal(size=SEEDS)}
    rows |= {(name,): 10 - worth + rng.normal(size=SEEDS) for name, worth in worths.items()}
    return {names: row.tolist() for names, row in rows.items()}


def test_a_part_is_worth_what_is_lost_without_it():
    values = {WHOLE: [5.0, 7.0], ("a",): [4.0, 5.0], ("b",): [6.0, 8.0]}
    up = effects_of(values, {"a": 0, "b": 0}, direction="maximize")
    assert [effect.mean for effect in up] == [1.5, -1.0]
    down = effects_of(values, {"a": 0, "b": 0}, direction="minimize")
    assert [effect.mean for effect in down] == [-1.5, 1.0]


def test_the_interval_is_dunnetts_with_the_residuals_of_least_squares():
    values = noisy(np.random.default_rng(0), a=2.0, b=0.0, c=1.0)
    table = np.array([values[names] for names in (WHOLE, ("a",), ("b",), ("c",))])
    variants, seeds = np.indices(table.shape)
    design = np.hstack([np.eye(4)[variants.ravel()], np.eye(SEEDS)[seeds.ravel()]])
    rest = table.ravel() - design @ np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
    df = 3 * (SEEDS - 1)
    quantile = two_sided_dunnett_quantile(0.95, candidates=3, df=df)
    half = quantile * math.sqrt(2 * (rest @ rest) / df / SEEDS)
    for effect in effects_of(values, {"a": 0, "b": 0, "c": 0}, direction="maximize"):
        assert effect.interval == pytest.approx((effect.mean - half, effect.mean + half))


def test_parts_that_share_stages_with_the_whole_have_a_noise_of_their_own():
    values = noisy(np.random.default_rng(1), a=0.0)
    late = [value + 0.01 * i * (-1) ** i for i, value in enumerate(values[WHOLE])]
    effects = effects_of({**values, ("b",): late}, {"a": 0, "b": 1}, direction="maximize")
    early, late_one = (high - low for low, high in (effect.interval for effect in effects))
    assert late_one < early / 10
    alone = effects_of(values, {"a": 0}, direction="maximize")[0]
    difference = np.subtract(values[WHOLE], values[("a",)])
    half = stats.t.ppf(0.975, SEEDS - 1) * difference.std(ddof=1) / math.sqrt(SEEDS)
    assert alone.interval == pytest.approx((difference.mean() - half, difference.mean() + half))


def test_a_part_without_which_training_fails_on_some_seeds_stands_by_itself():
    values = noisy(np.random.default_rng(2), a=0.0, b=0.0)
    whole = effects_of(values, {"a": 0, "b": 0}, direction="maximize")
    values["b",] = [*values["b",][:-2], None, None]
    some = effects_of(values, {"a": 0, "b": 0}, direction="maximize")
    assert (some[1].seeds, some[1].lost) == (SEEDS - 2, 2)
    assert some[1].interval[1] - some[1].interval[0] > whole[1].interval[1] - whole[1].interval[0]
    values["b",] = [None] * SEEDS
    none = effects_of(values, {"a": 0, "b": 0}, direction="maximize")
    assert (none[1].mean, none[1].interval, none[1].lost) == (None, None, SEEDS)


def test_one_seed_tells_worths_but_not_how_sure():
    effect = effects_of({WHOLE: [1.0], ("a",): [0.5]}, {"a": 0}, direction="maximize")[0]
    assert (effect.mean, effect.interval, effect.is_separated) == (0.5, None, None)


def test_over_studies_in_which_nothing_matters_something_is_named_in_one_of_twenty():
    rng = np.random.default_rng(3)
    parts = {f"part {i}": int(i > 3) for i in range(8)}
    named = 0
    for _ in range(600):
        effects = effects_of(noisy(rng, **dict.fromkeys(parts, 0.0)), parts, direction="maximize")
        named += any(effect.is_separated for effect in effects)
    assert named / 600 == pytest.approx(0.05, abs=0.02)


def test_parts_that_need_each_other_interact_and_those_that_add_up_do_not():
    values = {WHOLE: [8.0], ("a",): [5.0], ("b",): [4.0], ("a", "b"): [1.0]}
    pair = [("a", "b")]
    shared = {"a": 0, "b": 0}
    assert interactions_of(values, shared, pair, direction="maximize")[0].mean == 0.0
    values["a", "b"] = [4.0]  # b is worth 4 with a and 1 without it
    assert interactions_of(values, shared, pair, direction="maximize")[0].mean == 3.0
    values["a", "b"] = [-3.0]  # 4 with a, 8 without
    assert interactions_of(values, shared, pair, direction="maximize")[0].mean == -4.0


def test_an_interaction_has_sidaks_interval_for_every_pair_there_could_be():
    rng = np.random.default_rng(4)
    values = noisy(rng, a=1.0, b=1.0, c=0.0)
    values["a", "b"] = rng.normal(size=SEEDS).tolist()
    shared = {"a": 0, "b": 0, "c": 0}
    found = interactions_of(values, shared, [("a", "b")], direction="maximize")[0]
    effect = effects_of(values, shared, direction="maximize")[0]
    df = 3 * (SEEDS - 1)
    per_effect = two_sided_dunnett_quantile(0.95, candidates=3, df=df) * math.sqrt(2)
    sd = (effect.interval[1] - effect.mean) / per_effect
    half = stats.t.ppf((1 + 0.95 ** (1 / 3)) / 2, df) * 2 * sd
    assert found.interval == pytest.approx((found.mean - half, found.mean + half))


def test_pairs_are_of_the_strongest_whichever_way_they_work():
    values = {WHOLE: [0.0], ("a",): [-1.0], ("b",): [3.0], ("c",): [0.1], ("d",): [-2.0]}
    effects = effects_of(values, dict.fromkeys("abcd", 0), direction="maximize")
    assert strongest_pairs(effects, 3) == [("a", "b"), ("a", "d"), ("b", "d")]
    assert strongest_pairs(effects, 0) == []
