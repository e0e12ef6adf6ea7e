"""When a weak trial ends before its plan does: pure rules.

Rungs are fixed shares of each phase. Values are compared only within one rung, so a proxy never
meets the objective.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import rankdata

from sweep.study import EarlyStop, Objective, Study
from trainables.plans import Plan

Direction = Literal["minimize", "maximize"]

TRIALS_TO_JUDGE_A_PROXY = 8


@dataclass(frozen=True)
class Rung:
    """One place of the plan at which trials are compared.

    Attributes:
        index: Its position among all shares of all phases of the study's plan, from 0; the step
            under which a sampler sees the value.
        label: The plan step.
        share: Share of that step's epochs.
        metric: The metric compared, as the phase reports it; lower or higher is better as for the
            objective.
        is_proxy: Whether the metric stands in for the objective.
    """

    index: int
    label: str
    share: float
    metric: str
    is_proxy: bool


def split_metric(objective: Objective) -> tuple[str, str]:
    """Return the plan label and the phase's metric key that the objective names."""
    label, _, metric = objective.metric.partition("/")
    return label, metric


def rungs_of(study: Study, plan: Plan) -> tuple[Rung, ...]:
    """Return every rung at which this study compares trials, in order."""
    rules = study.early_stop
    if rules.rule == "none":
        return ()
    rungs = []
    shares = sorted(set(rules.rungs))
    objective_label, objective_metric = split_metric(study.objective)
    for place, step in enumerate(plan):
        is_proxy = step.label != objective_label
        metric = _proxy(rules, step.spec.proxy) if is_proxy else objective_metric
        if metric is not None:
            rungs += [
                Rung(place * len(shares) + i, step.label, share, metric, is_proxy)
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


def _proxy(rules: EarlyStop, proxy: str | None) -> str | None:
    return proxy if rules.proxy else None
