"""CMA-ES and NSGA-II whose state follows from the trials there are."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import cmaes
import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from sweep.unit_cube import Number, coordinate_of, value_at

Places = Mapping[int, int]
"""Number of a searched trial -> place of its point among all searched ones, from 0."""

POPULATION = 20
"""Of NSGA-II. Optuna's 50 would make most studies here, of tens to hundreds of trials, random."""

FIRST_SIGMA = 1 / 6
"""Of CMA-ES, as a share of every parameter's range (Optuna's choice)."""


class CmaEsSampler(BaseSampler):
    """Covariance matrix adaptation (Hansen, 2016) of the numbers that every point has.

    Choices, and parameters that only some points have, are sampled at random beside it. Optuna's
    own sampler keeps its state in what it wrote at earlier questions, pickled; this one works it
    out anew from the complete points in order of their places, a generation after the other. With
    several slots some points of a generation were asked for before the one before it was complete,
    which the method bears. Arms are not told: they lie where the distribution did not put them.

    Args:
        parameters: The numbers that every point has.
        places: Which trials are searched points, and in which order.
        seed: For this one suggestion.
    """

    def __init__(self, parameters: Mapping[str, Number], *, places: Places, seed: int) -> None:
        self._parameters = {name: parameters[name] for name in sorted(parameters)}
        self._places = places
        self._seed = seed
        self._independent = RandomSampler(seed=seed)

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002  Optuna's name
        trial: FrozenTrial,  # noqa: ARG002  Optuna's name
    ) -> dict[str, BaseDistribution]:
        """Return the numbers that are sampled jointly."""
        return dict(self._parameters)

    def sample_relative(
        self,
        study: Study,
        trial: FrozenTrial,  # noqa: ARG002  Optuna's name
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Tell an optimizer every whole generation, and ask it."""
        if not search_space:
            return {}
        dimensions = len(search_space)
        optimizer = cmaes.CMA(
            mean=np.full(dimensions, 0.5),
            sigma=FIRST_SIGMA,
            bounds=np.tile([0.0, 1.0], (dimensions, 1)),
            n_max_resampling=10 * dimensions,
            seed=self._seed,
        )
        solutions, size = list(self._solutions(study)), optimizer.population_size
        for first in range(0, len(solutions) - size + 1, size):
            optimizer.tell(solutions[first : first + size])
        return {
            name: value_at(float(coordinate), distribution)
            for coordinate, (name, distribution) in zip(
                optimizer.ask(), search_space.items(), strict=True
            )
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample a parameter that is not adapted."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def _solutions(self, study: Study) -> Iterator[tuple[np.ndarray, float]]:
        """Yield each complete point with its loss, the mean over its trial seeds."""
        points: dict[int, list[FrozenTrial]] = {}
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            place = self._places.get(trial.number)
            if place is not None and self._parameters.keys() <= trial.params.keys():
                points.setdefault(place, []).append(trial)
        sign = 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0
        for _, trials in sorted(points.items()):
            point = [
                coordinate_of(trials[0].params[name], distribution)
                for name, distribution in self._parameters.items()
            ]
            yield np.array(point), sign * float(np.mean([cast(float, t.value) for t in trials]))


class PlacedNsga2(NSGAIISampler):
    """NSGA-II (Deb et al., 2002) whose generations are consecutive searched points.

    Optuna's own sampler remembers in its storage which generation a trial was asked for in; here
    that follows from the point's place, so it is the same after a restart. What has not completed
    when the next generation begins is no parent of that one. Arms belong to the first generation;
    trials known from another study, whose numbers are below zero, are one that precedes it.

    Args:
        places: Which trials are searched points, and in which order.
        place: Of the point that is asked for.
        seed: For this one suggestion.
    """

    def __init__(self, *, places: Places, place: int, seed: int) -> None:
        super().__init__(population_size=POPULATION, seed=seed)
        self._places, self._place = places, place

    def get_trial_generation(
        self,
        study: Study,
        trial: FrozenTrial,  # noqa: ARG002  Optuna's name
    ) -> int:
        """Return the generation of the point that is asked for."""
        return _first_generation(study) + self._place // POPULATION

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return the complete trials of a generation."""
        return [
            trial
            for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if self._generation_of(trial, first=_first_generation(study)) == generation
        ]

    def _generation_of(self, trial: FrozenTrial, *, first: int) -> int:
        if trial.number < 0:
            return 0
        return first + self._places.get(trial.number, 0) // POPULATION

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Cross two parents; without two there is nothing to cross, and the point is random."""
        parents = self.get_parent_population(study, self.get_trial_generation(study, trial))
        return super().sample_relative(study, trial, search_space) if len(parents) > 1 else {}


def _first_generation(study: Study) -> int:
    """Return the number of the first generation that is asked for: 1 after known trials."""
    return int(any(trial.number < 0 for trial in study.get_trials(deepcopy=False)))
