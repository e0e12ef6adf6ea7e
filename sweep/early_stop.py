"""When a weak trial ends before its plan does: pure rules.

Rungs are fixed shares of each phase. Values are compared only within one rung, so a proxy never
meets the objective.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import rankdata

from hpe.metrics.direction import Direction, direction_of
from sweep.study import EarlyStop, Study, split_metric
from trainables.plans import Plan, PlanStep

TRIALS_TO_JUDGE_A_PROXY = 8


@dataclass(frozen=True)
class Rung:
    """One place of the plan at which trials are compared.

    Attributes:
        index: Its position among all shares of all phases of the study's plan, from 0; the step
            under which a sampler sees the value.
        label: The plan step.
        share: Share of that step's epochs.
        metric: The metric compared, as the phase reports it.
        direction: Which values of it are better.
        is_proxy: Whether the metric stands in for the objective.
    """

    index: int
    label: str
    share: float
    metric: str
    direction: Direction
    is_proxy: bool


def rungs_of(study: Study, plan: Plan) -> tuple[Rung, ...]:
    """Return every rung at which this study compares trials, in order."""
    rules = study.early_stop
    if rules.rule == "none":
        return ()
    rungs = []
    shares = sorted(set(rules.rungs))
    targets = {t.metric: t.direction for t in (study.objective, *study.objective.also)}
    for place, step in enumerate(plan):
        metric = _compared(step, study)
        if metric is None:
            continue
        path = f"{step.label}/{metric}"
        direction = targets.get(path) or direction_of(path) or study.objective.direction
        rungs += [
            Rung(
                index=place * len(shares) + i,
                label=step.label,
                share=share,
                metric=metric,
                direction=direction,
                is_proxy=path not in targets,
            )
            for i, share in enumerate(shares)
        ]
    return tuple(rungs)


def rung_epochs(rungs: Sequence[Rung], *, label: str, epochs: int) -> dict[int, Rung]:
    """Return epoch -> rung for a step of this many epochs; shorter phases have fewer rungs.

    A share falls on the nearest whole epoch. There is none at the end, where the phase is over, and
    of two shares that fall on one epoch the first counts.
    """
    places: dict[int, Rung] = {}
    for rung in rungs:
        epoch = max(1, math.floor(rung.share * epochs + 0.5))
        if rung.label == label and epoch < epochs:
            places.setdefault(epoch, rung)
    return places


def asha_stops(
    value: float, others: Sequence[float], *, keep: float, grace: int, direction: Direction
) -> bool:
    """Say whether asynchronous successive halving ends a trial here (Li et al., 2020, section 3).

    The stopping form: a trial goes on if it is among the best `keep` of all that have reached the
    rung so far, itself included, and nobody waits for others to arrive.

    Args:
        value: What the trial reached at this rung.
        others: What the trials before it reached there.
        keep: Share that goes on; at least one trial always does.
        grace: While fewer than this have been there before, everyone goes on.
        direction: Which values are better.
    """
    if len(others) < grace:
        return False
    better = sum(other < value if direction == "minimize" else other > value for other in others)
    kept = max(1, math.floor(keep * (len(others) + 1)))
    return better >= kept


def median_stops(
    value: float, others: Sequence[float], *, grace: int, direction: Direction
) -> bool:
    """Say whether the median rule ends a trial here (after Golovin et al., 2017, section 3.2.2).

    Google Vizier compares a trial's best value so far with the median of the running averages of
    the completed trials. Here the value at the rung is compared with the values at the same rung of
    all that have reached it, completed or not: a validation error falls as training goes on, so its
    running average says more about the first epochs than about the present one.

    Args:
        value: What the trial reached at this rung.
        others: What the others reached there.
        grace: While fewer than this have been there, everyone goes on.
        direction: Which values are better.
    """
    if len(others) < grace:
        return False
    middle = statistics.median(others)
    return value > middle if direction == "minimize" else value < middle


def best_share(
    values: Mapping[str, float], *, keep: float, direction: Direction, at_least: int
) -> list[str]:
    """Return what a rung sends on, best first; of equal ones what is named first.

    The successive halving of Jamieson and Talwalkar (2016): with all of a cohort there it is the
    synchronous form; with those that are there so far, and `at_least` 0, it is the set of
    candidates in the asynchronous form (Li et al., 2020, Algorithm 2, `get_job`).

    Args:
        values: Stage key -> value, of all that reached the rung.
        keep: Share that goes on, rounded down.
        direction: Which values are better.
        at_least: How many go on however small the share is.
    """
    sign = 1.0 if direction == "minimize" else -1.0
    ranked = sorted(values, key=lambda key: sign * values[key])
    share = math.floor(keep * len(values) + 1e-9)  # 0.29 * 100 is 28.999...
    return ranked[: max(at_least, share)]


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Return Spearman's rho of the pairs, ties by mean rank; 0 where one side never varies."""
    first, second = (rankdata(side) for side in zip(*pairs, strict=True))
    first, second = first - first.mean(), second - second.mean()
    scale = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / scale if scale > 0 else 0.0


def proxy_is_useless(pairs: Sequence[tuple[float, float]], rules: EarlyStop) -> float | None:
    """Return a proxy's correlation if enough trials show it is too low to stop anyone by.

    Args:
        pairs: (last proxy value, objective) of each finished trial.
        rules: The study's rules.
    """
    if len(pairs) < TRIALS_TO_JUDGE_A_PROXY:
        return None
    correlation = rank_correlation(pairs)
    return correlation if correlation < rules.min_correlation else None


def _compared(step: PlanStep, study: Study) -> str | None:
    """Return the metric by which trials are compared during a step of the plan, if they are."""
    rules = study.early_stop
    label, key = split_metric(rules.metric or study.objective.metric)
    if step.label == label:
        return key
    return step.spec.proxy if rules.proxy else None
