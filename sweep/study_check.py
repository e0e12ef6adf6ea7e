"""Checking a study against the phases, spaces, baselines and data sets that there are.

Everything that can be known before a machine is asked is refused here, so that nothing starts which
could only fail.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from hpe.config import Config
from hpe.data.catalog import data_config
from hpe.phases.catalog import PHASES
from hpe.phases.phase import PhaseSpec
from search_spaces.space import SPACES
from sweep.messages import about, nearest
from sweep.points import Point, arm_point, searched_point
from sweep.study import Study
from trainables.plans import default_settings, unknown_path

SPACE_SAMPLES = 64  # enough for every branch of a conditional space to be seen

Phases = Mapping[str, PhaseSpec]


@dataclass(frozen=True)
class CheckedStudy:
    """A study that can run, with what it comes to.

    Attributes:
        base: The point of the study's settings alone.
        arms: Name -> what it runs.
        searched: Every path the search may vary -> its distribution; empty without a search.
        conditional: Those of them that only some points have, such as the strength of an operation
            that may be left out.
        data: The validated settings of the data set.
    """

    study: Study
    base: Point
    arms: Mapping[str, Point]
    searched: Mapping[str, BaseDistribution]
    conditional: frozenset[str]
    data: Config

    @property
    def arm_trials(self) -> int:
        """Return how many trials the arms make."""
        return len(self.arms) * len(self.study.seeds.trials)

    @property
    def searched_trials(self) -> int:
        """Return how many trials the searched points make."""
        return self.study.search.trials * len(self.study.seeds.trials)


def check_study(study: Study, phases: Phases = PHASES) -> CheckedStudy:
    """Return the study with all that follows from it.

    Raises:
        ValueError: If a name is unknown, a value out of range or a combination impossible.
    """
    with about("data"):
        data = data_config(study.data)
    base = searched_point(study, {}, phases)
    arms = {}
    for name in study.arms:
        with about(f"arms/{name}"):
            arms[name] = arm_point(study, name, phases)
    _check_sizes(study, base)
    searched, conditional = _check_search(study, phases)
    for point in (base, *arms.values()):
        _check_objective(study, point)
    _check_early_stop(study, base)
    _check_seeds(study)
    _check_slots(study)
    _check_weights(study, base, searched)
    return CheckedStudy(
        study=study,
        base=base,
        arms=arms,
        searched=searched,
        conditional=conditional,
        data=data,
    )


def _check_sizes(study: Study, base: Point) -> None:
    paths = default_settings(base.plan)
    for name, size in study.sizes.items():
        for path in size.settings:
            if path not in paths:
                raise ValueError(f"sizes/{name}/settings: {unknown_path(path, paths)}")


def _check_search(
    study: Study, phases: Phases
) -> tuple[dict[str, BaseDistribution], frozenset[str]]:
    if study.space is not None and study.space not in SPACES:
        raise ValueError(
            f"space: there is no search space {study.space!r}{nearest(study.space, SPACES)}; "
            f"spaces are {', '.join(SPACES)}."
        )
    if study.search.trials == 0:
        if not study.arms:
            raise ValueError("search/trials is 0 and there are no arms: nothing to run; set one.")
        return {}, frozenset()
    if study.space is None:
        raise ValueError(
            f"search/trials is {study.search.trials} but the study has no space to search; "
            f"name one ({', '.join(SPACES)}) or set search/trials to 0."
        )
    searched: dict[str, BaseDistribution] = {}
    seen: Counter[str] = Counter()
    with about(f"space {study.space}"):
        for params, distributions in _sampled(study.space):
            searched.update(distributions)
            seen.update(params.keys())
            searched_point(study, params, phases)
    _check_nothing_fixed_is_searched(study, searched)
    return searched, frozenset(path for path, times in seen.items() if times < SPACE_SAMPLES)


def _sampled(space: str) -> Iterator[tuple[dict[str, Any], dict[str, BaseDistribution]]]:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    for _ in range(SPACE_SAMPLES):
        trial = study.ask()
        SPACES[space].suggest(trial)
        yield dict(trial.params), dict(trial.distributions)


def _check_nothing_fixed_is_searched(study: Study, searched: Mapping[str, Any]) -> None:
    both = [path for path in study.settings if path in searched]
    if both:
        raise ValueError(
            f"settings: {', '.join(both)} would have no effect, because the space {study.space} "
            f"searches it; leave it out, give it to an arm, or search another space."
        )


def _check_objective(study: Study, point: Point) -> None:
    where = "objective/metric" if point.arm is None else f"arms/{point.arm}"
    last = point.plan[-1]
    metrics = [f"{last.label}/{key}" for key in last.spec.metrics(point.configs[last.label])]
    metric = study.objective.metric
    if metric not in metrics:
        raise ValueError(
            f"{where}: {metric} is not what the last phase of the plan reports"
            f"{nearest(metric, metrics)}; it reports {', '.join(metrics)}."
        )
    if "/test/" in metric and study.search.trials > 0:
        raise ValueError(
            f"{where}: a search would choose its points by the test split, got {metric}; "
            f"search on the validation split, or set search/trials to 0."
        )


def _check_early_stop(study: Study, base: Point) -> None:
    rule = study.early_stop
    if rule.rule == "none":
        return
    if sorted(set(rule.rungs)) != rule.rungs:
        raise ValueError(f"early_stop/rungs: must rise, each once, got {rule.rungs}.")
    if rule.promote:
        raise ValueError(
            "early_stop/promote: pausing and promoting is not available yet; set it to false to "
            "stop weak trials at once."
        )
    proxies = [
        step.spec.proxy
        for step in base.plan[:-1]
        if step.spec.proxy in step.spec.metrics(base.configs[step.label])
    ]
    if rule.proxy and not proxies:
        raise ValueError(
            "early_stop/proxy: no phase before the last one reports a proxy for the objective in "
            f"the plan {[step.label for step in base.plan]}; set it to false."
        )


def _check_seeds(study: Study) -> None:
    seeds = study.seeds.trials
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds/trials: each seed once, got {seeds}.")


def _check_slots(study: Study) -> None:
    gpu = study.slots.gpu
    if gpu != "auto" and gpu > 1 and gpu != int(gpu):
        raise ValueError(f"slots/gpu: a share of one GPU or a whole number of them, got {gpu}.")


def _check_weights(study: Study, base: Point, searched: Mapping[str, Any]) -> None:
    labels = [step.label for step in base.plan]
    for label in study.from_weights:
        if label not in labels[:-1]:
            raise ValueError(
                f"from_weights: {label!r} is no phase that another one follows"
                f"{nearest(label, labels[:-1])}; the plan is {', '.join(labels)}."
            )
        replaced = labels[: labels.index(label) + 1]
        idle = [path for path in searched if path.split("/")[0] in replaced]
        if idle:
            raise ValueError(
                f"from_weights: the space {study.space} searches {idle[0]} and "
                f"{len(idle) - 1} more of what {label}'s weights replace; run an arm alone "
                f"(--arm), set search/trials to 0, or search another space."
            )
