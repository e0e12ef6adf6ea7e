"""Composition as a type: subsets, orders, strengths, bounds and the canonical form."""

from itertools import combinations

import optuna
import pytest
from optuna.trial import FixedTrial

from search_spaces.composition import Composition, Operation, at_least, at_most, not_together
from search_spaces.parameters import Real

FIRST = Operation("turn", (Real("max_deg", 0.0, 90.0),))
COLORS = tuple(
    Operation(name, (Real("strength", 0.1, 1.0, log=True),), ordered=True) for name in "abc"
)
OPERATIONS = (FIRST, *COLORS)
ALL = {"turn", "a", "b", "c"}


def composition(*bounds, searches_order=True):
    return Composition(
        path="p/augment", operations=OPERATIONS, bounds=bounds, searches_order=searches_order
    )


def suggested(space, count=300):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(count):
        trial = study.ask()
        yield trial, space.suggest(trial)


def on_in(settings):
    return {path.split("/")[2] for path, value in settings.items() if value is True}


def params_of(keys, **changes):
    """Return parameters that turn these on, with these keys."""
    params = {f"p/augment/{name}/enabled": name in keys for name in ALL}
    for name, key in keys.items():
        params[f"p/augment/{name}/strength"] = 0.5
        params[f"p/augment/{name}/order/key"] = key
    return {**params, **changes}


def test_keys_become_ranks_and_what_is_off_has_no_settings():
    settings = composition().suggest(FixedTrial(params_of({"a": 0.9, "c": 0.2})))
    assert settings == {
        "p/augment/turn/enabled": False,
        "p/augment/a/enabled": True,
        "p/augment/a/strength": 0.5,
        "p/augment/a/order": 1.0,
        "p/augment/b/enabled": False,
        "p/augment/c/enabled": True,
        "p/augment/c/strength": 0.5,
        "p/augment/c/order": 0.0,
    }


def test_keys_that_sort_alike_mean_the_same():
    first, second = (
        composition().suggest(FixedTrial(params_of(keys)))
        for keys in ({"a": 0.9, "b": 0.1, "c": 0.2}, {"a": 0.31, "b": 0.29, "c": 0.3})
    )
    assert first == second


def test_equal_keys_leave_the_listed_order():
    settings = composition().suggest(FixedTrial(params_of({"a": 0.5, "b": 0.5})))
    assert settings["p/augment/a/order"] < settings["p/augment/b/order"]


def test_settings_are_located_at_evenly_spaced_keys():
    settings = {
        "p/augment/a/enabled": True,
        "p/augment/a/order": 7.0,
        "p/augment/b/enabled": False,
        "p/augment/b/order": 1.0,
        "p/augment/c/enabled": True,
        "p/augment/c/order": 2.0,
    }
    keys = composition().locate(settings.get)
    assert keys == {"p/augment/a/order/key": 0.75, "p/augment/c/order/key": 0.25}


def test_without_a_searched_order_there_are_neither_keys_nor_ranks():
    for trial, settings in suggested(composition(searches_order=False), count=20):
        assert not any("order" in path for path in {*trial.params, *settings})


def every_subset(keep):
    return {
        frozenset(subset)
        for size in range(len(ALL) + 1)
        for subset in combinations(sorted(ALL), size)
        if keep(set(subset))
    }


@pytest.mark.parametrize(
    ("bounds", "keep"),
    [
        ([], lambda on: True),
        ([at_most(2, ALL)], lambda on: len(on) <= 2),
        ([at_least(1, {"turn", "c"})], lambda on: on & {"turn", "c"}),
        ([not_together("a", "b")], lambda on: not {"a", "b"} <= on),
        (
            [at_most(2, ALL), at_least(2, {"b", "c"})],
            lambda on: on == {"b", "c"},
        ),
        (
            [at_most(2, ALL), at_least(1, {"c"}), not_together("turn", "c")],
            lambda on: len(on) <= 2 and "c" in on and "turn" not in on,
        ),
    ],
)
def test_suggestions_are_exactly_the_subsets_within_bounds(bounds, keep):
    found = {frozenset(on_in(settings)) for _, settings in suggested(composition(*bounds))}
    assert found == every_subset(keep)


def test_a_flag_with_one_possible_answer_is_not_asked_for():
    for trial, settings in suggested(composition(at_most(1, ALL))):
        flags = [value for path, value in trial.params.items() if path.endswith("enabled")]
        assert (
            flags == [settings[path] for path in settings if path.endswith("enabled")][: len(flags)]
        )
        assert flags.count(True) <= 1
        assert len(flags) == (flags.index(True) + 1 if True in flags else len(ALL))


def test_every_parameter_is_what_is_run():
    bounds = (at_most(2, ALL), at_least(1, {"turn", "a"}))
    for trial, settings in suggested(composition(*bounds)):
        for path, value in trial.params.items():
            if not path.endswith("/key"):
                assert settings[path] == value


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([at_least(1, {"d"})], "bounds are about operations of the composition .*, got d"),
        ([at_most(1, ALL), at_least(2, {"a", "b"})], "no subset of turn, a, b, c keeps all of: "),
    ],
)
def test_impossible_bounds_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        composition(*bounds)


def test_an_operation_is_listed_once():
    with pytest.raises(ValueError, match="an operation is listed once"):
        Composition(path="p", operations=(FIRST, FIRST))
