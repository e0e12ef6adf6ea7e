"""Points beside the best ones: another sampler's suggestions mixed with small changes of the best.

A composition has many parts that matter each on its own: whether an operation is on, how strong it
is, when it applies. A sampler that draws a whole point anew changes most of them at once, and what
one good change gains the others lose. Changing one or two and keeping the rest is the local search
of combinatorial optimisation; mixed with a global sampler it does not depend on where it starts.
`benchmarks/composition_search.py` compares.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import optuna
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from search_spaces.space import Space
from sweep.unit_cube import Number, coordinate_of, value_at

FIRST_POINTS = 10
"""Points with a complete trial that must be there: as many as TPE draws at random at first."""

SMALLEST_STEP = 10**-1.5
"""A number's change is normal, as a share of its range (reflected at its ends), with a standard
deviation drawn between this and 1, uniformly in its logarithm: fine steps and leaps alike."""

MORE_CHANGES = 0.25
"""Probability that, after a change, there is one more."""

WORSE_SHARE = 0.25
"""Probability of the second best point as a share of the best one's, and so on down."""

ATTEMPTS = 50


class NeighbourSampler(BaseSampler):
    """Changes a few parameters of one of the best points, or else asks another sampler.

    Which point that is follows from ranks, so that one lucky value does not decide alone. A point
    that is known, or means what a known one means, is not suggested. Choices, such as whether an
    operation is on, and numbers are changed equally often, however many there are of each;
    parameters that a change brings in, such as that operation's strength, are drawn at random.

    Args:
        inner: The other sampler.
        space: What is searched; it says which parameters of a changed point still count.
        share: Probability that a suggestion is a neighbour.
        seed: For this one suggestion; or for all of a study, if it is asked for all of them.
    """

    def __init__(self, inner: BaseSampler, *, space: Space, share: float, seed: int) -> None:
        self._inner, self._space, self._share = inner, space, share
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed=seed)
        self._neighbour: dict[str, Any] | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what is settled together: a neighbour, or what the other sampler settles."""
        if self._rng.random() >= self._share:
            self._neighbour = None
            return self._inner.infer_relative_search_space(study, trial)
        known = study.get_trials(deepcopy=False)
        best = ranked(study)
        self._neighbour = self._beside(best, known) if best else None
        if self._neighbour is None:
            return self._inner.infer_relative_search_space(study, trial)
        distributions = {n: d for other in known for n, d in other.distributions.items()}
        return {name: distributions[name] for name in self._neighbour}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the neighbour, or what the other sampler samples together."""
        if self._neighbour is None:
            return self._inner.sample_relative(study, trial, search_space)
        return self._neighbour

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw what a change has brought in; leave all else to the other sampler."""
        sampler = self._inner if self._neighbour is None else self._random
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _beside(
        self, best: Sequence[Sequence[FrozenTrial]], known: Sequence[FrozenTrial]
    ) -> dict[str, Any] | None:
        """Return a point beside one of the best that nobody has tried; None if none was found."""
        weights = WORSE_SHARE ** np.arange(len(best))
        tried = {frozenset(trial.params.items()) for trial in known}
        for _ in range(ATTEMPTS):
            equals = best[int(self._rng.choice(len(best), p=weights / weights.sum()))]
            changed = self._changed(equals[int(self._rng.integers(len(equals)))])
            point = point_of(self._space, changed)
            if frozenset(point.items()) not in tried:
                return point
        return None

    def _changed(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return a trial's parameters with one or a few of them changed."""
        free = sorted(n for n, d in trial.distributions.items() if not d.single())
        choices = [name for name in free if _is_choice(trial.distributions[name])]
        numbers = [name for name in free if not _is_choice(trial.distributions[name])]
        kinds = [names for names in (choices, numbers) if names]
        params = dict(trial.params)
        for _ in range(self._rng.geometric(1 - MORE_CHANGES) if kinds else 0):
            names = kinds[int(self._rng.integers(len(kinds)))]
            name = names[int(self._rng.integers(len(names)))]
            params[name] = self._another(params[name], trial.distributions[name])
        return params

    def _another(self, value: Any, distribution: BaseDistribution) -> Any:
        if isinstance(distribution, CategoricalDistribution):
            others = [choice for choice in distribution.choices if choice != value]
            return others[int(self._rng.integers(len(others)))]
        assert isinstance(distribution, Number)
        step = SMALLEST_STEP ** self._rng.random()
        place = (coordinate_of(value, distribution) + self._rng.normal(0.0, step)) % 2
        return value_at(min(place, 2 - place), distribution)


def _is_choice(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, CategoricalDistribution)


def ranked(study: Study) -> list[list[FrozenTrial]]:
    """Return the complete trials that keep all constraints, best first.

    Trials of one point, which differ in their seeds, stand together by their mean value. With
    several objectives all trials that no other dominates are equally good, and the rest is left
    out.
    """
    feasible = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if trial.params and all(excess <= 0 for excess in trial.constraints.values())
    ]
    points: dict[frozenset[tuple[str, Any]], list[FrozenTrial]] = {}
    for trial in feasible:
        points.setdefault(frozenset(trial.params.items()), []).append(trial)
    if len(points) < FIRST_POINTS:
        return []
    if len(study.directions) > 1:
        numbers = {trial.number for trial in study.best_trials}
        return [[trial for trial in feasible if trial.number in numbers]]
    worst_first = study.direction == StudyDirection.MAXIMIZE
    return sorted(points.values(), key=_mean_value, reverse=worst_first)


def _mean_value(trials: Sequence[FrozenTrial]) -> float:
    return float(np.mean([trial.values[0] for trial in trials]))


def point_of(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a space asks for given these, in canonical form.

    Where it asks for one that is not among them, they are returned as they are.
    """
    trial = FixedTrial(dict(params))
    try:
        space.suggest(cast(optuna.Trial, trial))
    except ValueError:
        return dict(params)
    return space.canonical(trial.params)
