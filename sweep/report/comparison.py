"""What the trials say against each other: paired differences, and what of them holds together."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from scipy import stats

from sweep.candidates import Candidate, in_order
from sweep.naming import better
from sweep.study import Objective
from sweep.verdict.holm import holm
from sweep.verdict.race import paired_t

CONFIDENCE = 0.95

MOST_SEEDS = 100
"""Beyond this many it is not worked out how many seeds would separate two."""


@dataclass(frozen=True)
class PairedDifference:
    """First minus second, paired by trial seed.

    Attributes:
        differences: Trial seed -> difference of the objective.
        interval: 95 % paired t interval of the mean difference; None for a single seed.
    """

    first: str
    second: str
    differences: Mapping[int, float]
    interval: tuple[float, float] | None

    @property
    def mean(self) -> float:
        """Return the mean difference."""
        return statistics.fmean(self.differences.values())

    @property
    def separated(self) -> bool | None:
        """Say whether the interval leaves out zero; None where there is no interval.

        It is of this pair alone: of many pairs some leave it out by chance.
        """
        if self.interval is None:
            return None
        return self.interval[0] > 0 or self.interval[1] < 0

    @property
    def p_value(self) -> float | None:
        """Return that of the two-sided paired t test, of this pair alone; None for one seed."""
        seeds = len(self.differences)
        if seeds < 2:
            return None
        return _two_sided(paired_t(list(self.differences.values())), seeds)


@dataclass(frozen=True)
class Comparison:
    """What leads against one rival.

    Attributes:
        pair: The leader minus the rival.
        lead: The mean difference, positive where the leader is better.
        p_value: Corrected for all pairs among leader and rivals (Holm): the leader was picked by
            the same values, so that any pair may be among those that are told. None for one seed.
    """

    pair: PairedDifference
    lead: float
    p_value: float | None

    @property
    def separated(self) -> bool | None:
        """Say whether the leader is better, as far as the data can say; None for one seed."""
        if self.p_value is None:
            return None
        return self.lead > 0 and self.p_value <= 1 - CONFIDENCE


def paired_difference(first: Candidate, second: Candidate) -> PairedDifference | None:
    """Return the difference over the trial seeds both have, or None if they share none.

    The interval is the mean difference +- t(0.975, n - 1) * sd / sqrt(n).
    """
    seeds = sorted(first.values.keys() & second.values.keys())
    if not seeds:
        return None
    differences = {seed: first.values[seed] - second.values[seed] for seed in seeds}
    interval = None
    if len(seeds) > 1:
        mean, sd = statistics.fmean(differences.values()), statistics.stdev(differences.values())
        quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(seeds) - 1))
        half = quantile * sd / len(seeds) ** 0.5
        interval = (mean - half, mean + half)
    return PairedDifference(first.name, second.name, differences, interval)


def arm_differences(found: Sequence[Candidate], objective: Objective) -> list[PairedDifference]:
    """Return the paired differences between all arms, the better arm of each pair first."""
    arms = in_order([candidate for candidate in found if candidate.arm is not None], objective)
    pairs = (paired_difference(first, second) for first, second in combinations(arms, 2))
    return [pair for pair in pairs if pair is not None]


def compared(ranked: Sequence[Candidate], objective: Objective) -> list[Comparison]:
    """Return the first against each of the others that it shares a trial seed with, in order."""
    pairs = [
        pair
        for first, second in combinations(ranked, 2)
        if (pair := paired_difference(first, second)) is not None
    ]
    tests = {place: p for place, pair in enumerate(pairs) if (p := pair.p_value) is not None}
    corrected = dict(zip(tests, holm(list(tests.values())), strict=True))
    sign = -1.0 if objective.direction == "minimize" else 1.0
    return [
        Comparison(pair, sign * pair.mean, corrected.get(place))
        for place, pair in enumerate(pairs)
        if pair.first == ranked[0].name
    ]


def seeds_to_separate(pair: PairedDifference, num_pairs: int) -> int | None:
    """Return how many seeds would do, if mean and spread stayed as they are; None for over 100.

    Args:
        pair: With two seeds or more.
        num_pairs: For which the p value is corrected, this one the first of them.
    """
    statistic = paired_t(list(pair.differences.values())) / len(pair.differences) ** 0.5
    for seeds in range(len(pair.differences) + 1, MOST_SEEDS + 1):
        if num_pairs * _two_sided(statistic * seeds**0.5, seeds) <= 1 - CONFIDENCE:
            return seeds
    return None


def _two_sided(statistic: float, seeds: int) -> float:
    """Return the p value of a paired t statistic."""
    return 2 * float(stats.t.sf(abs(statistic), seeds - 1))


def is_blind(value: float, template: float, objective: Objective) -> bool:
    """Say whether a value is no better than that of the fixed template pose."""
    return not better(value, template, objective.direction)
