"""Finding a composition of augmentations: operations as a type against positional slots.

Claim: with equally many trials a search finds better compositions if the space has a flag,
strengths and a sort key per operation (`search_spaces.composition.Composition`) than if it has
positional slots, each with a choice of operation and a strength, and better by more than random
search does; and half of the points being neighbours of the best (`search/neighbours: 0.5`) helps.

Planted problems: ten operations, of which some are useful and the others harm. Let operation i be
worth a_i: U(0.5, 1.5) if useful, -U(0.25, 0.75) if not. A pipeline's value is the sum over its
operations of a_i, for useful ones times exp(-(s - s_i)^2 / (2 * 0.2^2)) for a strength s in [0, 1]
and its planted optimum s_i ~ U(0, 1), times 1 - 0.5 * (share of the other useful operations in the
pipeline that lie on its wrong side of a planted order). So subset, strengths and order matter. The
value is given as a share of the best possible one; the empty pipeline is worth 0. At most so many
operations may be on, which is also the number of slots: more than are useful, and in the last
problem fewer.

Every method gets 120 trials for each of `--seeds` planted problems, the same ones for all. Slots
come in two kinds: with one strength per slot, and with one per slot and operation; a slot may be
empty, and a repeated operation counts once. They are searched by Optuna's default TPE, once mixed
with neighbours. Ours is searched by multivariate, grouped TPE with constant liar, as studies are,
with and without neighbours, and told the canonical keys. Random search draws from our space.

`--noise` adds a normal deviate to what a method is told of each trial, in shares of the planted
optimum, as training with a seed does; the value of the trial that looked best is then its true one.

The table has the mean of the best value found with its standard error, and how it compares: the
ratio of our mean to the method's, and of our regret (1 - value) to the method's, each with a 95 %
bootstrap interval over problems. Problems differ more than methods, so small gaps need many seeds.

Run from the repository's root: `python benchmarks/composition_search.py [--seeds 10] [--noise 0]`.
Takes about ten minutes on two cores.
"""

import argparse
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from search_spaces.composition import Composition, Operation, at_most
from search_spaces.parameters import Real
from search_spaces.space import Space
from sweep.neighbours import NeighbourSampler

TRIALS = 120
OPERATIONS = tuple("abcdefghij")
SPREAD = 0.2  # of a strength about its optimum that still helps
MISPLACED = 0.5  # of its worth an operation loses where its place is all wrong
SIZES = ((3, 5), (5, 7), (7, 9), (6, 4))  # useful operations, most that may be on
RESAMPLES = 10_000

Pipeline = Sequence[tuple[str, float]]
"""Operations with their strengths, in the order they apply."""


@dataclass(frozen=True)
class Planted:
    """A problem whose best pipeline is known.

    Attributes:
        most: Operations that may be on.
        worth: Of each operation, negative where it harms.
        place: Of each useful operation in the planted order.
        optimum: The best strength of each.
    """

    most: int
    worth: Mapping[str, float]
    place: Mapping[str, int]
    optimum: Mapping[str, float]

    @staticmethod
    def draw(useful: int, most: int, seed: int) -> "Planted":
        rng = np.random.default_rng([useful, most, seed])
        names = [str(name) for name in rng.permutation(OPERATIONS)]
        gains, harms = rng.uniform(0.5, 1.5, len(names)), rng.uniform(0.25, 0.75, len(names))
        worth = {n: gains[i] if i < useful else -harms[i] for i, n in enumerate(names)}
        optimum = dict(zip(names, rng.uniform(0, 1, len(names)), strict=True))
        place = {str(name): i for i, name in enumerate(rng.permutation(names[:useful]))}
        return Planted(most=most, worth=worth, place=place, optimum=optimum)

    def value(self, pipeline: Pipeline) -> float:
        """Return a pipeline's value as a share of the best one's."""
        best = sum(sorted(self.worth.values(), reverse=True)[: min(self.most, len(self.place))])
        return sum(self._part(pipeline, i) for i in range(len(pipeline))) / best

    def _part(self, pipeline: Pipeline, position: int) -> float:
        name, strength = pipeline[position]
        if name not in self.place:
            return self.worth[name]
        others = [
            (other > position) == (self.place[mate] > self.place[name])
            for other, (mate, _) in enumerate(pipeline)
            if mate in self.place and mate != name
        ]
        wrong = others.count(False) / len(others) if others else 0.0
        fit = math.exp(-((strength - self.optimum[name]) ** 2) / (2 * SPREAD**2))
        return self.worth[name] * fit * (1 - MISPLACED * wrong)


def our_space(most: int) -> Space:
    """Return the composition type with these operations, all of them ordered."""
    composition = Composition(
        path="x",
        operations=tuple(
            Operation(name, (Real("strength", 0.0, 1.0),), ordered=True) for name in OPERATIONS
        ),
        bounds=(at_most(most, OPERATIONS),),
        searches_order=True,
    )
    return Space(composition.suggest, plan=("x",), about="planted", locate=composition.locate)


def our_pipeline(settings: Mapping[str, Any]) -> Pipeline:
    """Return what settings of our space mean."""
    on = [name for name in OPERATIONS if settings[f"x/{name}/enabled"]]
    on.sort(key=lambda name: settings[f"x/{name}/order"])
    return [(name, settings[f"x/{name}/strength"]) for name in on]


def slots_space(most: int, *, strength_per_operation: bool = False) -> Space:
    """Return positional slots, as many as operations may be on."""

    def suggest(trial: optuna.Trial) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for slot in range(most):
            name = trial.suggest_categorical(f"{slot}/operation", ["none", *OPERATIONS])
            if name != "none" and name not in settings:
                below = f"/{name}" if strength_per_operation else ""
                settings[name] = trial.suggest_float(f"{slot}{below}/strength", 0.0, 1.0)
        return settings

    return Space(suggest, plan=("x",), about="slots")


def slots_pipeline(settings: Mapping[str, Any]) -> Pipeline:
    """Return what settings of the slots mean."""
    return list(settings.items())


def grouped_tpe(seed: int) -> BaseSampler:
    """Return the sampler that studies use by default."""
    return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)


def default_tpe(seed: int) -> BaseSampler:
    """Return Optuna's default."""
    return TPESampler(seed=seed)


@dataclass(frozen=True)
class Method:
    """A way to search: a space, what its settings mean, a sampler, and the share of neighbours."""

    space: Callable[[int], Space]
    pipeline: Callable[[Mapping[str, Any]], Pipeline]
    sampler: Callable[[int], BaseSampler]
    neighbours: float = 0.0

    def sampler_of(self, space: Space, seed: int) -> BaseSampler:
        """Return what suggests the points of one study."""
        sampler = self.sampler(seed)
        if self.neighbours == 0:
            return sampler
        return NeighbourSampler(sampler, space=space, share=self.neighbours, seed=seed)


OURS, SLOTS = "ours, TPE and neighbours", "positional slots, TPE"
METHODS: Mapping[str, Method] = {
    OURS: Method(our_space, our_pipeline, grouped_tpe, neighbours=0.5),
    "ours, TPE": Method(our_space, our_pipeline, grouped_tpe),
    SLOTS: Method(slots_space, slots_pipeline, default_tpe),
    "slots, TPE and neighbours": Method(slots_space, slots_pipeline, default_tpe, neighbours=0.5),
    "slots, a strength per operation": Method(
        partial(slots_space, strength_per_operation=True), slots_pipeline, default_tpe
    ),
    "random": Method(our_space, our_pipeline, RandomSampler),
}


def search(job: tuple[tuple[int, int], str, int], noise: float) -> float:
    """Return the value of the pipeline that looks best to a method on one planted problem."""
    (useful, most), name, seed = job
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    method, problem = METHODS[name], Planted.draw(useful, most, seed)
    space = method.space(most)
    sampler = method.sampler_of(space, seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    deviates = np.random.default_rng(seed)
    tried = []
    for _ in range(TRIALS):
        trial = study.ask()
        value = problem.value(method.pipeline(space.suggest(trial)))
        seen = value + noise * deviates.normal()
        _replace(study, trial, space.canonical(trial.params))
        study.tell(trial, seen)
        tried.append((seen, value))
    return max(tried)[1]


def _replace(study: optuna.Study, trial: optuna.Trial, params: Mapping[str, Any]) -> None:
    for name, value in params.items():
        distribution = trial.distributions[name]
        internal = distribution.to_internal_repr(value)
        study._storage.set_trial_param(trial._trial_id, name, internal, distribution)


def ratio_interval(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Return the 95 % bootstrap interval, over problems, of the ratio of means."""
    rng = np.random.default_rng(0)
    picks = rng.integers(len(ours), size=(RESAMPLES, len(ours)))
    ratios = ours[picks].mean(axis=1) / theirs[picks].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    jobs = list(product(SIZES, METHODS, range(options.seeds)))
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        values = np.array(list(pool.map(partial(search, noise=options.noise), jobs)))
    values = values.reshape(len(SIZES), len(METHODS), options.seeds)
    names = list(METHODS)
    print(
        f"Best of {TRIALS} trials as a share of the planted optimum; {options.seeds} problems each"
    )
    print(
        f"{'useful':>6} {'most':>4}  {'method':<32} {'mean':>5}  {'s.e.':>5}  our value / its"
        f"       our regret / its"
    )
    groups = [*zip(SIZES, values, strict=True), (("all", ""), np.concatenate([*values], axis=1))]
    for (useful, most), found in groups:
        mine = found[names.index(OURS)]
        for name, scores in zip(names, found, strict=True):
            error = scores.std(ddof=1) / math.sqrt(len(scores))
            compared = (
                "" if name == OURS else f"{_ratio(mine, scores)}  {_ratio(1 - mine, 1 - scores)}"
            )
            print(f"{useful:>6} {most:>4}  {name:<32} {scores.mean():.3f}  {error:.3f}  {compared}")


def _ratio(ours: np.ndarray, theirs: np.ndarray) -> str:
    low, high = ratio_interval(ours, theirs)
    return f"{ours.mean() / theirs.mean():.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
