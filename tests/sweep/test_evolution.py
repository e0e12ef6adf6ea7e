"""CMA-ES and NSGA-II whose state follows from the trials."""

import cmaes
import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from sweep.evolution import FIRST_SIGMA, POPULATION, CmaEsSampler, PlacedNsga2
from sweep.known_trials import KnownTrials, known_id

SPACE = {"x": FloatDistribution(0.0, 1.0), "y": FloatDistribution(0.0, 1.0)}


def complete(number, x, y, *values):
    return FrozenTrial(
        number=number,
        state=TrialState.COMPLETE,
        value=None,
        values=values,
        datetime_start=None,
        datetime_complete=None,
        params={"x": x, "y": y},
        distributions=dict(SPACE),
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=known_id(number),
    )


def asked(sampler, known, directions=("minimize",)):
    study = optuna.create_study(
        storage=KnownTrials(known), sampler=sampler, directions=list(directions)
    )
    return study.ask(dict(SPACE)).params


def scattered(count):
    rng = np.random.default_rng(0)
    return [(number, *rng.uniform(0, 1, 2)) for number in range(count)]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_cmaes_is_told_whole_generations_in_order(direction):
    known = [complete(n, x, y, x + y) for n, x, y in scattered(15)]
    reference = cmaes.CMA(
        np.full(2, 0.5), FIRST_SIGMA, bounds=np.array([[0, 1], [0, 1]]), n_max_resampling=20, seed=9
    )
    sign = 1 if direction == "minimize" else -1
    for first in (0, 6):  # its population of two parameters is six; three trials are left over
        reference.tell(
            [(np.array([x, y]), sign * (x + y)) for _, x, y in scattered(15)[first:][:6]]
        )
    x, y = reference.ask()
    sampler = CmaEsSampler(SPACE, places={n: n for n in range(15)}, seed=9)
    assert asked(sampler, known, [direction]) == pytest.approx({"x": x, "y": y})


def test_trials_that_are_no_searched_points_teach_cmaes_nothing():
    known = [complete(n, x, y, x) for n, x, y in scattered(6)]
    answers = [
        asked(CmaEsSampler(SPACE, places=places, seed=1), known)
        for places in ({}, {n: n for n in range(5)}, {n: n for n in range(6)})
    ]
    assert answers[0] == answers[1] != answers[2]


def test_trial_seeds_of_a_point_are_one_solution_of_cmaes():
    once = [complete(n, x, y, x) for n, x, y in scattered(6)]
    twice = [complete(2 * n + k, x, y, x + k - 0.5) for n, x, y in scattered(6) for k in (0, 1)]
    first = CmaEsSampler(SPACE, places={n: n for n in range(6)}, seed=1)
    second = CmaEsSampler(SPACE, places={n: n // 2 for n in range(12)}, seed=1)
    assert asked(first, once) == pytest.approx(asked(second, twice))


def test_the_children_of_a_generation_have_its_best_as_parents():
    known = [complete(n, n / POPULATION, 0.5, n) for n in range(POPULATION)]
    sampler = PlacedNsga2(places={n: n for n in range(40)}, place=POPULATION, seed=0)
    study = optuna.create_study(storage=KnownTrials(known), sampler=sampler)
    assert [t.number for t in sampler.get_parent_population(study, 1)] == list(range(POPULATION))
    more = [complete(n, 0.5, 0.5, n - 10) for n in range(POPULATION, 2 * POPULATION)]
    study = optuna.create_study(storage=KnownTrials([*known, *more]), sampler=sampler)
    parents = {t.number for t in sampler.get_parent_population(study, 2)}
    values = {trial.number: trial.value for trial in [*known, *more]}
    assert parents >= {n for n, value in values.items() if value < 14}
    assert len(parents) == POPULATION


@pytest.mark.parametrize("survivors", [0, 1, 2])
def test_a_generation_with_hardly_a_survivor_is_followed_by_random_points(survivors):
    known = [complete(n, 0.1, 0.1, 1.0) for n in range(survivors)]
    sampler = PlacedNsga2(places={n: n for n in range(20)}, place=POPULATION, seed=3)
    answer = asked(sampler, known)
    assert answer.keys() == {"x", "y"}
    assert (answer["x"] == 0.1) == (survivors == 2)
