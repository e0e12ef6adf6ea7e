"""The configurations of a study that are tried to tell its price, and how they are cut short."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution

from hpe.phases.phase import PhaseSpec
from search_spaces.space import Space
from sweep.points import Point, searched_point
from sweep.slot_fit import SlotFit
from sweep.study_check import CheckedStudy
from sweep.unit_cube import value_at
from trainables.plans import Configs, Plan, configure, default_settings, setting_of

MAX_POINTS = 6
MIN_POINTS = 3
MAX_SAMPLES = 12
"""Arms are always tried; points of the space fill up to this many, within the two bounds above."""

EPOCHS = 3  # the first warms up, the others are timed
STEPS = 3  # per epoch, so that views, network and optimizer are seen at work several times
BATCHES = 2  # of a step, at most: further ones cost what these do
PREFETCHED = 2  # batches that torch's DataLoader has ready per child process, by its default


@dataclass(frozen=True)
class Sample:
    """A configuration to try.

    Attributes:
        name: For people: `arm peclr`, `point 3`.
        point: What it runs.
    """

    name: str
    point: Point

    @property
    def is_searched(self) -> bool:
        """Say whether it is a point of the space."""
        return self.point.arm is None


def choose_samples(checked: CheckedStudy, phases: Mapping[str, PhaseSpec]) -> list[Sample]:
    """Return the arms, and points spread over the space with the study's seed."""
    samples = [Sample(f"arm {name}", point) for name, point in checked.arms.items()]
    if checked.space is None or checked.searched_trials == 0:
        return samples
    count = min(
        MAX_POINTS, max(MIN_POINTS, MAX_SAMPLES - len(samples)), checked.study.search.trials
    )
    sampler = LatinHypercube(count, seed=checked.study.seeds.study)
    points = draw_points(checked, phases, space=checked.space, count=count, sampler=sampler)
    return samples + [Sample(f"point {i}", point) for i, point in enumerate(points, start=1)]


def draw_points(
    checked: CheckedStudy,
    phases: Mapping[str, PhaseSpec],
    *,
    space: Space,
    count: int,
    sampler: optuna.samplers.BaseSampler,
) -> list[Point]:
    """Return points of the space as this sampler suggests them."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it announces every study made
    study = optuna.create_study(sampler=sampler)
    return [searched_point(checked.study, space.suggest(study.ask()), phases) for _ in range(count)]


class LatinHypercube(optuna.samplers.BaseSampler):
    """Draws a fixed number of points so that every parameter's range is covered evenly.

    Each range is cut into as many strata of equal probability as there are points, and each
    stratum is used once, in an order of its own (McKay et al., 1979). A parameter that only some
    points have is covered less.

    Args:
        count: Points; of further ones nothing is promised.
        seed: Seed of the orders and of the places within strata.
    """

    def __init__(self, count: int, *, seed: int) -> None:
        self._count = count
        self._rng = np.random.default_rng(seed)
        self._orders: dict[str, Sequence[int]] = {}

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: parameters are drawn one by one."""
        del study, trial
        return {}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return nothing, as above."""
        del study, trial, search_space
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a value from the stratum whose turn it is."""
        del study
        if param_name not in self._orders:
            self._orders[param_name] = self._rng.permutation(self._count).tolist()
        stratum = self._orders[param_name][trial.number % self._count]
        return value_at((stratum + self._rng.random()) / self._count, param_distribution)


def cut_short(point: Point, fit: SlotFit) -> Configs:
    """Return a point's settings with few epochs of few steps each.

    A step stays what it was, but for the number of batches whose gradients it adds up.

    Args:
        point: The configuration.
        fit: The slots; one worker is tried, with its share of each batch. Where it has no GPU, its
            batches are made in its own process: child processes would take the same cores, and
            passing over what they made ahead would take many steps more.
    """
    paths = default_settings(point.plan)
    changes: dict[str, Any] = {}
    for step in point.plan:
        for path, value in _short(point.configs, step.label, fit).items():
            if path in paths:
                changes[path] = value
    return configure(point.plan, {**point.settings, **changes})


def config_identity(plan: Plan, configs: Configs, label: str) -> str:
    """Return what two configurations must share for a phase to cost the same in both."""
    (step,) = (step for step in plan if step.label == label)
    return f"{step.phase} {configs[label].model_dump_json()}"


def _short(configs: Configs, label: str, fit: SlotFit) -> dict[str, Any]:
    def of(path: str) -> Any:
        try:
            return setting_of(configs, f"{label}/{path}")
        except KeyError:
            return None

    children = (of("loader_workers") or 0) if fit.gpus_per_worker else 0
    steps = STEPS + 2 * PREFETCHED * children
    changes = {
        f"{label}/loader_workers": children,
        f"{label}/epochs": min(EPOCHS, of("epochs") or EPOCHS),
        f"{label}/limit_batches": min(steps, of("limit_batches") or steps),
    }
    if of("probe/every"):
        changes[f"{label}/probe/every"] = 1
    if of("accumulate") is not None:
        changes[f"{label}/accumulate"] = min(BATCHES, of("accumulate"))
    if of("batch_size") is not None:
        changes[f"{label}/batch_size"] = max(2, of("batch_size") // fit.workers)
    return changes
