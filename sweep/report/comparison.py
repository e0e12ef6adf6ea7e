"""What the trials say against each other: means over seeds, paired differences, an answer."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from scipy import stats

from sweep.candidates import (
    Candidate,
    candidates,
    failed_arms,
    in_order,
    keeps_constraints,
    leading,
)
from sweep.ledger import Ledger
from sweep.naming import best_of, better, metric_words, shown_number, unit_of, with_unit
from sweep.objectives import is_feasible
from sweep.study import Objective
from sweep.trials import TrialState

CONFIDENCE = 0.95

NAMED = 3
"""How many arms a sentence tells apart, the nearest first; a table has them all."""


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
        """Say whether the interval leaves out zero; None where there is no interval."""
        if self.interval is None:
            return None
        return self.interval[0] > 0 or self.interval[1] < 0


@dataclass(frozen=True)
class Answer:
    """The study's answer for people.

    Attributes:
        sentence: What leads, by how much, and whether the data separates it from the arms.
        certainty: What the claim rests on.
        separated: True or False as the sentence says; None where there is no interval or no rival.
        leader: What leads, if anything completed.
    """

    sentence: str
    certainty: str
    separated: bool | None
    leader: Candidate | None


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


def answer(ledger: Ledger, objective: Objective) -> Answer:
    """Return the study's answer: the best candidate against every arm that it is not."""
    completed = candidates(ledger)
    found = [candidate for candidate in completed if keeps_constraints(candidate, objective)]
    if not found:
        what = "kept every constraint" if completed else "completed"
        return Answer(
            f"No trial has {what}, so there is no answer yet.", "Nothing to rest on.", None, None
        )
    whole = leading(ledger, objective)
    leader = whole[0]
    rivals = [c for c in whole[1:] if c.arm is not None]
    pairs = [p for p in (paired_difference(leader, rival) for rival in rivals) if p is not None]
    lost = failed_arms(ledger)
    for candidate in whole:
        lost.pop(candidate.name, None)
    left_out = [c.name for c in found if c not in whole and c.name not in lost]
    tried = len({trial.point for trial in ledger.searched()})
    return Answer(
        sentence=" ".join([_lead(leader, objective), *_against(pairs, objective), *_lost(lost)]),
        certainty=_certainty(leader, pairs, num_points=tried, left_out=left_out),
        separated=_all_separated(pairs) and not lost,
        leader=leader,
    )


def is_blind(value: float, template: float, objective: Objective) -> bool:
    """Say whether a value is no better than that of the fixed template pose."""
    return not better(value, template, objective.direction)


def best_value(ledger: Ledger, objective: Objective) -> float | None:
    """Return the best objective of any complete trial that keeps every constraint."""
    values = [
        trial.objective
        for trial in ledger.in_state(TrialState.COMPLETE)
        if trial.objective is not None and is_feasible(trial, objective)
    ]
    return best_of(values, objective.direction) if values else None


def _lead(leader: Candidate, objective: Objective) -> str:
    extreme = "lowest" if objective.direction == "minimize" else "highest"
    name = leader.name[0].upper() + leader.name[1:]
    over = f", mean of {len(leader.values)} seeds" if len(leader.values) > 1 else ""
    value = with_unit(leader.mean, objective.metric)
    return f"{name} has the {extreme} {metric_words(objective.metric, unit=False)}: {value}{over}."


def _against(pairs: Sequence[PairedDifference], objective: Objective) -> list[str]:
    """Return sentences on what the leader is compared with."""
    unit = unit_of(objective.metric)
    beaten = [pair for pair in pairs if pair.separated]
    open_ = [pair for pair in pairs if pair.separated is False]
    single = [pair for pair in pairs if pair.separated is None]
    parts: list[str] = []
    if beaten:
        parts.append(f"It is better than {_listed([_gain(p, unit) for p in beaten])}.")
    if open_:
        apart = [_apart(pair, unit) for pair in open_]
        parts.append(f"The data does not separate it from {_listed(apart)}.")
    if single:
        gains = [f"{p.second} by {shown_number(abs(p.mean), 3)}{unit}" for p in single]
        parts.append(f"It is ahead of {_listed(gains)}, with one training seed each.")
    return parts


def _lost(arms: Mapping[str, str]) -> list[str]:
    """Return a sentence on the arms that failed, which the leader was not compared with."""
    if not arms:
        return []
    told = " and ".join(f"{name}, which {why}" for name, why in arms.items())
    return [f"It was not compared with {told}."]


def _gain(pair: PairedDifference, unit: str) -> str:
    return f"{pair.second} by {shown_number(abs(pair.mean), 3)}{unit} ({_interval(pair)})"


def _apart(pair: PairedDifference, unit: str) -> str:
    return f"{pair.second} ({shown_number(abs(pair.mean), 3)}{unit} apart, {_interval(pair)})"


def _interval(pair: PairedDifference) -> str:
    """Return the interval, positive where it agrees with the mean difference."""
    assert pair.interval is not None
    sign = 1 if pair.mean >= 0 else -1
    low, high = sorted(sign * bound for bound in pair.interval)
    return f"95 % interval {shown_number(low, 3)} to {shown_number(high, 3)}"


def _listed(parts: Sequence[str]) -> str:
    """Return what is said of the nearest, which come first, and how many others there are."""
    rest = len(parts) - NAMED
    if rest > 1:
        parts = [*parts[:NAMED], f"{rest} arms that are further behind"]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _all_separated(pairs: Sequence[PairedDifference]) -> bool | None:
    verdicts = [pair.separated for pair in pairs]
    if not verdicts or None in verdicts:
        return None
    return all(verdicts)


def _certainty(
    leader: Candidate,
    pairs: Sequence[PairedDifference],
    *,
    num_points: int,
    left_out: Sequence[str],
) -> str:
    seeds = len(leader.values)
    if seeds == 1:
        parts = ["One training seed per point: no interval is possible, differences may be chance."]
    elif not pairs:
        parts = [f"{seeds} training seeds, and nothing to compare with."]
    else:
        many = f"; {len(pairs)} comparisons, not corrected for their number"
        parts = [f"Paired t intervals over {seeds} trial seeds{many if len(pairs) > 1 else ''}."]
    if leader.arm is None and num_points > 1:
        parts.append(f"It was picked as the best of {num_points} points, so its value flatters it.")
    if left_out:
        parts.append(f"Left out for want of seeds that completed: {', '.join(left_out)}.")
    return " ".join(parts)
