"""The study's answer in sentences, as the search and the arms give it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweep.candidates import Candidate, candidates, failed_arms, keeps_constraints, leading
from sweep.ledger import Ledger
from sweep.messages import listed
from sweep.naming import metric_words, shown_number, unit_of, with_unit
from sweep.report.comparison import (
    MOST_SEEDS,
    Comparison,
    PairedDifference,
    compared,
    seeds_to_separate,
)
from sweep.study import Objective

ONE_SEED = "One training seed per point: no interval is possible, differences may be chance."

NAMED = 3
"""How many arms a sentence tells apart, the nearest first; a table has them all."""


@dataclass(frozen=True)
class Answer:
    """The study's answer for people.

    Attributes:
        sentence: What leads, by how much, and whether the data separates it from the arms.
        certainty: What the claim rests on.
        separated: True or False as the sentence says; None where there is no interval or no rival,
            or what leads was picked as the best of several points: only fresh seeds judge that.
        leader: What leads, if anything completed.
    """

    sentence: str
    certainty: str
    separated: bool | None
    leader: Candidate | None


def answer(ledger: Ledger, objective: Objective) -> Answer:
    """Return the study's answer: the best candidate against every arm that it is not.

    Of an arm that leads it says from which others the data separates it. A point that was picked
    as the best of several only leads: chance alone puts one in front.
    """
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
    told = compared([leader, *rivals], objective)
    lost = failed_arms(ledger)
    for candidate in whole:
        lost.pop(candidate.name, None)
    left_out = [c.name for c in found if c not in whole and c.name not in lost]
    tried = 1 if leader.arm is not None else ledger.num_points
    against = _against(told, objective) if tried == 1 else _picked(told, objective, tried)
    certainty = (
        _certainty(leader, told, num_rivals=len(rivals))
        if tried == 1
        else _certainty_of_picked(leader, tried)
    )
    if left_out:
        certainty += f" Left out for want of seeds that completed: {', '.join(left_out)}."
    return Answer(
        sentence=" ".join([_lead(leader, objective, tried), *against, *_lost(lost)]),
        certainty=certainty,
        separated=None if tried > 1 else _all_separated(told) and not lost,
        leader=leader,
    )


def _lead(leader: Candidate, objective: Objective, num_points: int) -> str:
    extreme = "lowest" if objective.direction == "minimize" else "highest"
    name = leader.name[0].upper() + leader.name[1:]
    over = f", mean of {len(leader.values)} seeds" if len(leader.values) > 1 else ""
    value = with_unit(leader.mean, objective.metric)
    verb = "has" if num_points == 1 else "leads with"
    return (
        f"{name} {verb} the {extreme} {metric_words(objective.metric, unit=False)}: {value}{over}."
    )


def _against(told: Sequence[Comparison], objective: Objective) -> list[str]:
    """Return sentences on what the leader is compared with."""
    unit = unit_of(objective.metric)
    beaten = [one for one in told if one.separated]
    open_ = [one for one in told if one.separated is False]
    single = [one for one in told if one.separated is None]
    parts: list[str] = []
    if beaten:
        gains = [f"{_gain(one, unit)} ({_support(one)})" for one in beaten]
        parts.append(f"It is better than {_listed(gains)}.")
    if open_:
        apart = [
            f"{one.pair.second} ({shown_number(abs(one.lead), 3)}{unit} apart, {_support(one)})"
            for one in open_
        ]
        parts.append(f"The data does not separate it from {_listed(apart)}.")
    if single:
        gains = [_gain(one, unit) for one in single]
        parts.append(f"It is ahead of {_listed(gains)}, with one training seed each.")
    return parts


def _picked(told: Sequence[Comparison], objective: Objective, num_points: int) -> list[str]:
    """Return sentences on a leader that was picked as the best of several points."""
    flattered = "this lead" if told else "it"
    parts = [f"It was picked as the best of {num_points} points, which flatters {flattered}:"]
    if told:
        seeds = min(len(one.pair.differences) for one in told)
        on = "with one training seed each" if seeds == 1 else f"on the same {seeds} seeds"
        gains = [_gain(one, unit_of(objective.metric)) for one in told]
        parts.insert(0, f"It is ahead of {_listed(gains)}, {on}.")
    return [*parts, "only trainings on fresh seeds decide (final)."]


def _lost(arms: Mapping[str, str]) -> list[str]:
    """Return a sentence on the arms that failed, which the leader was not compared with."""
    if not arms:
        return []
    told = " and ".join(f"{name}, which {why}" for name, why in arms.items())
    return [f"It was not compared with {told}."]


def _gain(one: Comparison, unit: str) -> str:
    return f"{one.pair.second} by {shown_number(one.lead, 3)}{unit}"


def _support(one: Comparison) -> str:
    """Return the p value, and the interval where it says the same of zero."""
    assert one.p_value is not None
    p_value = "p < 0.001" if one.p_value < 0.001 else f"p {shown_number(one.p_value, 2)}"
    agrees = one.pair.separated == one.separated
    return f"{_interval(one.pair)}, {p_value}" if agrees else p_value


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
    return listed(parts)


def _all_separated(told: Sequence[Comparison]) -> bool | None:
    verdicts = [one.separated for one in told]
    if not verdicts or None in verdicts:
        return None
    return all(verdicts)


def _certainty(leader: Candidate, told: Sequence[Comparison], *, num_rivals: int) -> str:
    seeds = len(leader.values)
    if seeds == 1:
        return ONE_SEED
    if not told:
        return f"{seeds} training seeds, and nothing to compare with."
    num_pairs = num_rivals * (num_rivals + 1) // 2
    parts = [f"Paired t tests over {seeds} trial seeds."]
    if num_pairs > 1:
        parts = [
            f"Paired t tests over {seeds} trial seeds, p values corrected for all {num_pairs} "
            "pairs that could have come out (Holm); an interval is of one difference alone."
        ]
    undecided = [one for one in told if one.separated is False]
    if undecided:
        parts.append(_more_seeds(undecided[0].pair, seeds, num_pairs))
    return " ".join(parts)


def _more_seeds(nearest: PairedDifference, seeds: int, num_pairs: int) -> str:
    """Say how many seeds it would take."""
    few = "2 seeds separate only what is very far apart. " if seeds == 2 else ""
    needed = seeds_to_separate(nearest, num_pairs) if len(nearest.differences) > 1 else None
    many = f"more than {MOST_SEEDS}" if needed is None else f"about {needed}"
    return (
        f"{few}With this lead and this spread {many} seeds would separate it from {nearest.second}."
    )


def _certainty_of_picked(leader: Candidate, num_points: int) -> str:
    seeds = len(leader.values)
    first = ONE_SEED if seeds == 1 else f"{seeds} training seeds per point."
    return (
        f"{first} The best of {num_points} points is picked for its value, so no interval or test "
        "of its lead would hold. With final: {top_k: 3, seeds: 24} the best points and all "
        "arms are trained again on fresh seeds."
    )
