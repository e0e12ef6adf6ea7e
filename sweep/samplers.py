"""The samplers by name: how each is made for one question, and what it can do."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from search_spaces.space import Space
from sweep.evolution import CmaEsSampler, PlacedNsga2, Places
from sweep.neighbours import NeighbourSampler
from sweep.quasi_random import SobolSampler
from sweep.unit_cube import Number

SPACE_SAMPLES = 64  # enough for every branch of a conditional space to be seen


@dataclass(frozen=True)
class Reach:
    """What a space may ask for.

    Attributes:
        parameters: Every parameter.
        always: Those that every point has.
    """

    parameters: Mapping[str, BaseDistribution]
    always: frozenset[str]

    @property
    def numbers(self) -> dict[str, Number]:
        """Return the numbers that every point has and that can vary."""
        return {
            name: distribution
            for name, distribution in self.parameters.items()
            if name in self.always
            and isinstance(distribution, FloatDistribution | IntDistribution)
            and not distribution.single()
        }


@dataclass(frozen=True)
class Question:
    """What a sampler is made for.

    Attributes:
        space: What is searched.
        reach: Of the space, or of the part of it that is asked for.
        places: Which trials are searched points, and in which order; trial seeds share a place.
        place: Of the point that is asked for.
        neighbours: Probability that a point beside one of the best is suggested.
        study_seed: The study's.
        seed: From (study seed, trial number): for this one suggestion.
    """

    space: Space
    reach: Reach
    places: Places
    place: int
    neighbours: float
    study_seed: int
    seed: int


@dataclass(frozen=True)
class SamplerKind:
    """A sampler, and what the sampler's view of a study has to know of it.

    Attributes:
        make: Makes it for one question.
        words: How a report calls it, behind "chosen by".
        reads_stopped: Whether it learns from trials that were stopped, or needs nothing of them.
            One that does not reads complete trials alone; a diverged one is then shown to it as
            complete with worse values than the worst.
        whole_points: Whether it models the parameters that all trials have in common; arms that
            lack one that every point has are then kept from it, since nothing would be left.
        several: Whether it can improve several objectives.
        constraints: Whether constraints guide it, or do not concern it.
        learns: Whether it learns from points that it did not suggest.
        mixes: Whether others may suggest points beside its own; not where it has a population or a
            sequence that they would break into.
    """

    make: Callable[[Question], BaseSampler]
    words: str
    reads_stopped: bool = True
    whole_points: bool = False
    several: bool = True
    constraints: bool = True
    learns: bool = True
    mixes: bool = True

    def sampler(self, question: Question) -> BaseSampler:
        """Return the sampler that answers a question."""
        sampler = self.make(question)
        if question.neighbours == 0:
            return sampler
        return NeighbourSampler(
            sampler, space=question.space, share=question.neighbours, seed=question.seed
        )


@lru_cache(maxsize=8)
def reach_of(space: Space) -> Reach:
    """Return what a space may ask for, found out by asking it at random."""
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    parameters: dict[str, BaseDistribution] = {}
    always: set[str] | None = None
    for _ in range(SPACE_SAMPLES):
        trial = study.ask()
        space.suggest(trial)
        parameters.update(trial.distributions)
        always = set(trial.params) if always is None else always & trial.params.keys()
    return Reach(parameters, frozenset(always or ()))


def _tpe(question: Question) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # group, which conditional spaces need
        return TPESampler(multivariate=True, group=True, constant_liar=True, seed=question.seed)


def _gp(question: Question) -> BaseSampler:
    return GPSampler(seed=question.seed, warn_independent_sampling=False)


def _cmaes(question: Question) -> BaseSampler:
    return CmaEsSampler(question.reach.numbers, places=question.places, seed=question.seed)


def _nsgaii(question: Question) -> BaseSampler:
    return PlacedNsga2(places=question.places, place=question.place, seed=question.seed)


def _random(question: Question) -> BaseSampler:
    return RandomSampler(seed=question.seed)


def _qmc(question: Question) -> BaseSampler:
    return SobolSampler(
        list(question.reach.parameters),
        place=question.place,
        sequence_seed=question.study_seed,
        seed=question.seed,
    )


SAMPLERS: Mapping[str, SamplerKind] = {
    "tpe": SamplerKind(_tpe, "a tree-structured Parzen estimator (TPE)"),
    "gp": SamplerKind(_gp, "a Gaussian process", reads_stopped=False, whole_points=True),
    "cmaes": SamplerKind(
        _cmaes,
        "CMA-ES",
        reads_stopped=False,
        whole_points=True,
        several=False,
        constraints=False,
        learns=False,
        mixes=False,
    ),
    "nsgaii": SamplerKind(
        _nsgaii,
        "the evolutionary algorithm NSGA-II",
        reads_stopped=False,
        whole_points=True,
        mixes=False,
    ),
    "random": SamplerKind(_random, "chance", learns=False),
    "qmc": SamplerKind(_qmc, "a Sobol sequence", learns=False, mixes=False),
    # The view fixes every parameter (`sweep.grid`).
    "grid": SamplerKind(_random, "the grid", learns=False, mixes=False),
}
