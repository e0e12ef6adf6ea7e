"""Racing: replicates go round by round, and who cannot win any more runs no further round.

A round is one fresh trial seed with which everyone who is still in the race is trained. The rules
look at finished rounds alone, so that a race is the same however its trials were spread over slots
and however often the driver was ended.

- A candidate leaves when the leading candidate is better in a paired t test (one-sided, 5 %), and
  when it is not ahead of the best control after a third of the rounds (with several controls 45 %)
  or after the last. A control leaves when the best control is better in the same test. None of this
  can make a candidate win falsely.
- From the fourth round on, or after the last, whoever breaks a constraint of the study by its mean
  leaves: it is no answer to the question, and no control that an answer has to be better than.
- Once one candidate is left, a control leaves that it is better than by Dunnett's test at 0.2 %,
  the share of the error that looks before the end may spend (after Haybittle, 1971, and Peto et
  al., 1976: strict looks before the end cost the last one next to nothing). The race ends with the
  last control.

`benchmarks/verdict.py` measures what this saves and what it costs.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from scipy import stats

from hpe.metrics.direction import Direction
from sweep.verdict.dunnett import dunnett_quantile

MIN_ROUNDS = 4
"""Before this many rounds nobody leaves, but who fails."""

LEAVE_ERROR = 0.05
INTERIM_ERROR = 0.002
FUTILITY_SHARE = 1 / 3
FUTILITY_SHARE_OF_SEVERAL = 0.45
"""The share of the rounds after which a candidate leaves that is not ahead of the control, and of
the best of several, of which one is ahead by luck more easily."""

Values = Mapping[str, Sequence[float | None]]
"""Name -> its objective in each round it has finished, in order; None where its trial failed."""

Breaking = Mapping[str, tuple[bool, ...]]
NOBODY: Breaking = MappingProxyType({})


@dataclass(frozen=True)
class Entrant:
    """Someone in a race: a searched point, or an arm to compare points with."""

    name: str
    is_control: bool


@dataclass(frozen=True)
class Left:
    """Who left a race.

    Attributes:
        after: Rounds finished by then.
        reason: In words.
        failed: Whether it left because its trial failed, which says nothing about how good it is.
        barred: Whether it left because it broke a constraint, however good it is.
    """

    after: int
    reason: str
    failed: bool = False
    barred: bool = False


@dataclass(frozen=True)
class Race:
    """A race as far as it has come.

    Attributes:
        entrants: Who entered, in order.
        rounds: Rounds that all who are still in it have finished.
        left: Name -> when and why.
        ended_by: What ended it; None while there is more to run.
    """

    entrants: tuple[Entrant, ...]
    rounds: int
    left: Mapping[str, Left]
    ended_by: str | None

    @property
    def going(self) -> tuple[Entrant, ...]:
        """Return those who are still in it."""
        return tuple(entrant for entrant in self.entrants if entrant.name not in self.left)

    def due(self, values: Values) -> list[str]:
        """Return who has no value of the present round yet."""
        if self.ended_by is not None:
            return []
        return [e.name for e in self.going if len(values.get(e.name, ())) <= self.rounds]


def run_race(
    entrants: Sequence[Entrant],
    values: Values,
    *,
    rounds: int,
    direction: Direction,
    breaking: Breaking = NOBODY,
) -> Race:
    """Return how far a race has come.

    Args:
        entrants: Who enters.
        values: What they have reached so far; values beyond a round that some who are still in the
            race have not finished do not count yet.
        rounds: Rounds at most.
        direction: Which values are better.
        breaking: Name -> of each round whether it breaks a constraint by its mean until then.
    """
    race = Race(tuple(entrants), 0, {}, _why_not(entrants, rounds))
    signed = _higher_is_better(values, direction)
    while race.ended_by is None:
        finished = race.rounds + 1
        if any(len(values.get(entrant.name, ())) < finished for entrant in race.going):
            break
        leaving = _leaving(race, signed, finished, rounds, breaking)
        race = replace(race, rounds=finished, left={**race.left, **leaving})
        race = replace(race, ended_by=_ended_by(race, rounds))
    return race


def paired_t(differences: Sequence[float]) -> float:
    """Return mean / standard error; without any spread, an infinity of the mean's sign, or 0."""
    mean, sd = statistics.fmean(differences), statistics.stdev(differences)
    if sd == 0:
        return 0.0 if mean == 0 else math.copysign(math.inf, mean)
    return mean / (sd / math.sqrt(len(differences)))


Signed = Mapping[str, Sequence[float | None]]
Rows = Mapping[str, Sequence[float]]


def _higher_is_better(values: Values, direction: Direction) -> Signed:
    sign = 1.0 if direction == "maximize" else -1.0
    return {
        name: [None if value is None else sign * value for value in row]
        for name, row in values.items()
    }


def _why_not(entrants: Sequence[Entrant], rounds: int) -> str | None:
    """Return why there is nothing to run, or None."""
    if all(entrant.is_control for entrant in entrants):
        return "no candidate entered"
    return None if rounds > 0 else "there are no rounds"


def _leaving(
    race: Race, values: Signed, finished: int, rounds: int, breaking: Breaking
) -> dict[str, Left]:
    """Return who leaves after this round, and why."""
    going, entered = race.going, sum(not entrant.is_control for entrant in race.entrants)
    is_early = finished < min(MIN_ROUNDS, rounds)
    leaving = {
        entrant.name: Left(finished, "it breaks a constraint", barred=True)
        for entrant in going
        if not is_early and any(breaking.get(entrant.name, ())[finished - 1 : finished])
    }
    for entrant in going:
        if values[entrant.name][finished - 1] is None:
            leaving[entrant.name] = Left(finished, "its trial failed", failed=True)
    points, controls = (
        {
            e.name: _row(values[e.name], finished)
            for e in going
            if e.is_control is is_control and e.name not in leaving
        }
        for is_control in (False, True)
    )
    reasons: dict[str, str] = {}
    share = FUTILITY_SHARE if len(controls) == 1 else FUTILITY_SHARE_OF_SEVERAL
    if finished == rounds or finished >= max(MIN_ROUNDS, share * rounds):
        reasons |= _behind(points, controls)
    if MIN_ROUNDS <= finished < rounds:
        reasons |= _beaten(points, finished) | _beaten(controls, finished)
        left = [name for name in points if name not in reasons]
        if len(left) == 1:
            reasons |= _overtaken(left[0], points[left[0]], controls, entered)
    return leaving | {name: Left(finished, reason) for name, reason in reasons.items()}


def _beaten(rows: Rows, finished: int) -> dict[str, str]:
    """Return who is worse than the best of its own kind, as far as a paired test can say."""
    leader = max(rows, key=lambda name: sum(rows[name]), default="")
    quantile = float(stats.t.ppf(1 - LEAVE_ERROR, finished - 1))
    return {
        name: f"{leader} is better in a paired test"
        for name, row in rows.items()
        if name != leader and paired_t(_minus(rows[leader], row)) > quantile
    }


def _behind(points: Rows, controls: Rows) -> dict[str, str]:
    """Return the points that are not ahead of the best control."""
    best = max(controls, key=lambda name: sum(controls[name]), default=None)
    if best is None:
        return {}
    needed = sum(controls[best])
    return {
        name: f"it is not ahead of {best}" for name, row in points.items() if sum(row) <= needed
    }


def _overtaken(name: str, ahead: Sequence[float], controls: Rows, entered: int) -> dict[str, str]:
    """Return the controls that the one candidate left is better than beyond doubt."""
    quantile = dunnett_quantile(1 - INTERIM_ERROR, candidates=entered, df=len(ahead) - 1)
    return {
        control: f"{name} is ahead of it beyond doubt"
        for control, row in controls.items()
        if paired_t(_minus(ahead, row)) > quantile
    }


def _ended_by(race: Race, rounds: int) -> str | None:
    candidates = [entrant.name for entrant in race.going if not entrant.is_control]
    if not candidates:
        return "no candidate is left"
    if race.rounds == rounds:
        return f"all {rounds} rounds are run"
    had, have = (any(e.is_control for e in of) for of in (race.entrants, race.going))
    return "no control is left" if had and not have and len(candidates) == 1 else None


def _row(values: Sequence[float | None], finished: int) -> list[float]:
    return [value for value in values[:finished] if value is not None]


def _minus(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(first, second, strict=True)]
