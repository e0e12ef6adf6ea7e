"""How often a race finds a lead that is there, and what it spends: by simulated studies.

The objective of a training is the sum of what its point is worth and a normal deviate of its seed,
whose standard deviation is 1. All are worth the same, but the first candidate may be better than
everyone else by an effect, in standard deviations.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweep.verdict.race import Entrant, Race, run_race
from sweep.verdict.verdict import verdict_of

FIRST = "candidate 0"
TRAININGS = 8_000
"""How many are simulated for a forecast, which a dry run does not make people wait for."""

MOST_STUDIES, LEAST_STUDIES = 100, 40


@dataclass(frozen=True)
class Power:
    """What came of the races of simulated studies.

    Attributes:
        announced: Share in which a winner was announced: the first candidate if it is better than
            everyone else, and anyone if none is.
        spent: Mean share of the trainings (everyone with every seed) that the races took.
        studies: How many were simulated.
    """

    announced: float
    spent: float
    studies: int

    @property
    def announced_error(self) -> float:
        """Return the half width of a 95 % interval of the first share (Agresti and Coull, 1998)."""
        studies = self.studies + 4
        share = (self.announced * self.studies + 2) / studies
        return 1.96 * math.sqrt(share * (1 - share) / studies)


def forecast_power(*, candidates: int, controls: int, seeds: int) -> Power:
    """Return how a study of this shape would find a lead of one standard deviation, roughly."""
    studies = TRAININGS // ((candidates + controls) * seeds)
    return power_of(
        candidates=candidates,
        controls=controls,
        seeds=seeds,
        effect=1.0,
        studies=min(max(studies, LEAST_STUDIES), MOST_STUDIES),
    )


def power_of(
    *, candidates: int, controls: int, seeds: int, effect: float, studies: int, seed: int = 1
) -> Power:
    """Simulate studies after their search.

    Args:
        candidates: Searched points that run again, at least 1.
        controls: Arms that do.
        seeds: Fresh trial seeds at most.
        effect: What the first candidate is better by than everyone else.
        studies: How many to simulate.
        seed: Of the deviates.
    """
    rng = np.random.default_rng(seed)
    entrants, announced, spent = entrants_of(candidates, controls), 0, 0.0
    for _ in range(studies):
        values = drawn_values(entrants, rounds=seeds, effect=effect, rng=rng)
        race = run_race(entrants, values, rounds=seeds, direction="maximize")
        announced += is_announced(race, values, effect=effect)
        spent += share_spent(race, rounds=seeds)
    return Power(announced / studies, spent / studies, studies)


def entrants_of(candidates: int, controls: int) -> list[Entrant]:
    """Return so many of both kinds."""
    return [
        *(Entrant(f"candidate {i}", is_control=False) for i in range(candidates)),
        *(Entrant(f"control {i}", is_control=True) for i in range(controls)),
    ]


def drawn_values(
    entrants: Sequence[Entrant], *, rounds: int, effect: float, rng: np.random.Generator
) -> dict[str, list[float]]:
    """Return what everyone would reach in every round, higher being better."""
    values = {entrant.name: rng.normal(0, 1, rounds) for entrant in entrants}
    values[FIRST] += effect
    return {name: row.tolist() for name, row in values.items()}


def is_announced(race: Race, values: Mapping[str, Sequence[float]], *, effect: float) -> bool:
    """Say whether a winner is announced; where there is one to be found, that one."""
    verdict = verdict_of(race, values, direction="maximize")
    return verdict.is_separated and (effect == 0 or verdict.winner == FIRST)


def share_spent(race: Race, *, rounds: int) -> float:
    """Return the share of everyone's rounds that were run."""
    ran = [
        race.left[entrant.name].after if entrant.name in race.left else race.rounds
        for entrant in race.entrants
    ]
    return sum(ran) / (rounds * len(race.entrants))
