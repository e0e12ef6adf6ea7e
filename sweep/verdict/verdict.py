"""What replicates on fresh seeds say: who won, by how much, and how sure that is."""

import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpe.metrics.direction import Direction
from sweep.verdict.dunnett import dunnett_quantile
from sweep.verdict.race import Race, Values

CONFIDENCE = 0.95
"""In studies without any difference a winner is announced at most in the rest of them."""

LAST_LOOK = 0.96
"""Confidence of the last look at a race, so that together with the looks before it is the above."""

RESAMPLES = 10_000
SEED = 20


@dataclass(frozen=True)
class Lead:
    """A candidate's lead over one control, over the rounds both ran; positive is better.

    Attributes:
        candidate: Whose lead it is.
        mean: Mean paired difference.
        low: With the verdict's confidence the true lead is above this, the choice of the candidate
            among several taken into account.
        high: Likewise below this.
        rounds: Rounds that both ran.
    """

    candidate: str
    control: str
    mean: float
    low: float
    high: float
    rounds: int

    @property
    def is_separated(self) -> bool:
        """Say whether the candidate is better, as far as the data can say."""
        return self.low > 0


@dataclass(frozen=True)
class Verdict:
    """A race's outcome.

    Attributes:
        winner: The candidate with the best mean of those who stayed, or None if none did.
        leads: The winner's, over every control that ran two rounds with it and kept the
            constraints, first the one that decides: a control that failed and that it is not
            separated from, else the strongest of those who stayed.
        nearest: Where no candidate stayed, the best lead, mostly below zero, over the strongest
            control that stayed, of candidates that neither failed nor broke a constraint.
        unknown: Controls that failed before they had run two rounds with the winner, or that could
            not enter.
        means: Name -> mean objective over the rounds it ran.
        probability_best: Name -> share of resampled races in which it has the best mean, of those
            who stayed.
    """

    winner: str | None
    leads: tuple[Lead, ...]
    means: Mapping[str, float]
    probability_best: Mapping[str, float]
    unknown: tuple[str, ...] = ()
    nearest: Lead | None = None

    @property
    def is_separated(self) -> bool:
        """Say whether the winner is better than the strongest control, and so than any.

        A control that failed was beaten by nobody, so the winner has to be better than it as well.
        """
        return bool(self.leads) and self.leads[0].is_separated and not self.unknown


def verdict_of(
    race: Race, values: Values, *, direction: Direction, missing: Collection[str] = ()
) -> Verdict:
    """Return what a race says; of one that has not ended, what it would say if it ended now.

    Args:
        race: From `sweep.verdict.race.run_race`.
        values: As given to it.
        direction: Which values are better.
        missing: Controls that could not enter.
    """
    sign = 1.0 if direction == "maximize" else -1.0
    merits = _merits(race, values, direction)
    ran = [entrant for entrant in race.entrants if merits.get(entrant.name)]
    mean = {entrant.name: statistics.fmean(merits[entrant.name]) for entrant in ran}
    stayed = [e for e in ran if e.name not in race.left]
    candidates = [e.name for e in stayed if not e.is_control]
    winner = max(candidates, key=mean.__getitem__, default=None)
    leads = () if winner is None else _leads(race, merits, winner)
    compared = {lead.control for lead in leads}
    return Verdict(
        winner=winner,
        leads=leads,
        means={name: sign * value for name, value in mean.items()},
        probability_best=probability_best({e.name: merits[e.name] for e in stayed}),
        unknown=() if winner is None else (*_uncompared(race, compared), *missing),
        nearest=_nearest(race, merits, mean) if winner is None else None,
    )


def first_of(race: Race, values: Values, *, direction: Direction) -> str | None:
    """Return the winner, or where no candidate stayed the strongest control that did; or None."""
    merits = _merits(race, values, direction)
    stayed = [entrant for entrant in race.going if merits.get(entrant.name)]
    first = max(
        stayed, key=lambda e: (not e.is_control, statistics.fmean(merits[e.name])), default=None
    )
    return None if first is None else first.name


def probability_best(merits: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return how often each has the best mean when rounds are drawn again with replacement.

    All of a round are drawn together, so that what a seed does to everyone changes nothing. Equal
    bests share.

    Args:
        merits: Name -> values, higher is better, all of the same rounds.
    """
    if not merits:
        return {}
    table = np.array(list(merits.values()))
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(0, table.shape[1], (RESAMPLES, table.shape[1]))
    means = table[:, drawn].mean(axis=2)
    best = means >= means.max(axis=0) - 1e-12
    shares = (best / best.sum(axis=0)).mean(axis=1)
    return dict(zip(merits, shares.tolist(), strict=True))


def _merits(race: Race, values: Values, direction: Direction) -> dict[str, list[float]]:
    """Return the values of finished rounds, higher being better."""
    sign = 1.0 if direction == "maximize" else -1.0
    return {
        name: [sign * value for value in row[: race.rounds] if value is not None]
        for name, row in values.items()
    }


def _uncompared(race: Race, compared: Collection[str]) -> Iterator[str]:
    """Yield the controls that failed before anything could be compared with them."""
    for entrant in race.entrants:
        left = race.left.get(entrant.name)
        if entrant.is_control and left and left.failed and entrant.name not in compared:
            yield entrant.name


def _nearest(
    race: Race, merits: Mapping[str, Sequence[float]], mean: Mapping[str, float]
) -> Lead | None:
    """Return the best lead of candidates that left over the strongest control that stayed."""
    controls = [e.name for e in race.going if e.is_control and e.name in mean]
    if not controls:
        return None
    strongest = max(controls, key=mean.__getitem__)
    candidates = [e.name for e in race.entrants if not e.is_control]
    leads = [
        _lead(merits, name, strongest, len(candidates))
        for name in candidates
        if name in mean and not race.left[name].failed and not race.left[name].barred
    ]
    return max(filter(None, leads), key=lambda lead: lead.mean, default=None)


def _leads(race: Race, merits: Mapping[str, Sequence[float]], winner: str) -> tuple[Lead, ...]:
    """Return the winner's leads, the one first that decides."""
    entered = sum(not entrant.is_control for entrant in race.entrants)
    barred = {name for name, left in race.left.items() if left.barred}
    controls = [e.name for e in race.entrants if e.is_control and e.name not in barred]
    leads = [lead for name in controls if (lead := _lead(merits, winner, name, entered))]

    def order(lead: Lead) -> tuple[int, float]:
        left = race.left.get(lead.control)
        if left is None:
            return 1, lead.mean
        return (2 if lead.is_separated else 0) if left.failed else 3, lead.mean

    return tuple(sorted(leads, key=order))


def _lead(
    merits: Mapping[str, Sequence[float]], candidate: str, control: str, candidates: int
) -> Lead | None:
    both = list(zip(merits[candidate], merits.get(control, ()), strict=False))
    rounds = len(both)
    if rounds < 2:
        return None
    differences = [ours - theirs for ours, theirs in both]
    mean = statistics.fmean(differences)
    quantile = dunnett_quantile(LAST_LOOK, candidates=candidates, df=rounds - 1)
    half = quantile * statistics.stdev(differences) / math.sqrt(rounds)
    return Lead(candidate, control, mean, low=mean - half, high=mean + half, rounds=rounds)
