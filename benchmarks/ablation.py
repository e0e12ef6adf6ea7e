"""How often an ablation names the parts of a winner that matter, and how often others.

Simulates whole studies on planted problems: ten parts, each on or off, half of them in a first
phase and half in a second. Two of them, one in each phase, are worth so many standard deviations
between seeds; the others nothing. A search draws points at random and keeps the best as it was
observed, which need not have both. The ablation then trains that winner and its variants on fresh
seeds.

A training's noise is the sum of a normal deviate of its first and one of its second phase, whose
variances add up to 1. Variants that lack a part of the second phase alone share the winner's first
phase, and so its deviate, as they do in the stage store.

    python benchmarks/ablation.py
    python benchmarks/ablation.py --studies 2000 --parts 15 --early 0.2

The first table counts studies in which both parts are named, one that is worth nothing is named,
and the two strongest are the two true ones whether named or not. The second is of interactions
between two parts that are worth 4 standard deviations: each by itself, only if both are on, or if
either is; all ten are on, and pairs are trained of the three strongest or of all. The third shows
why the verdict's replicates are not taken for the whole winner: of three equal candidates and a
control one wins on them by luck, and what it is compared with on the same seeds then looks worse
than it is.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from result_table import show_result

from sweep.ablation.effects import (
    WHOLE,
    Names,
    Values,
    effects_of,
    interactions_of,
    strongest_pairs,
)
from sweep.verdict.race import Entrant, run_race
from sweep.verdict.verdict import first_of

POINTS = 40
"""Points that the search draws."""

PAIR_EFFECT = 4.0

Worth = Callable[[frozenset[str]], float]
"""Given the parts that are on, the objective without noise."""


@dataclass(frozen=True)
class Problem:
    """A planted problem.

    Attributes:
        early: Parts of the first phase.
        late: Parts of the second.
        true: The two that matter.
        early_share: Share of a training's variance that is the first phase's.
    """

    early: tuple[str, ...]
    late: tuple[str, ...]
    true: frozenset[str]
    early_share: float

    @property
    def parts(self) -> tuple[str, ...]:
        return (*self.early, *self.late)

    def shared(self, on: frozenset[str]) -> dict[str, int]:
        """Return each part that is on -> how many stages it leaves as they are."""
        return {part: int(part in self.late) for part in self.parts if part in on}


def planted(parts: int, *, early_share: float) -> Problem:
    names = [f"part {i}" for i in range(parts)]
    early, late = tuple(names[: parts // 2]), tuple(names[parts // 2 :])
    return Problem(early, late, frozenset({early[0], late[0]}), early_share)


def found_by_search(problem: Problem, worth: Worth, rng: np.random.Generator) -> frozenset[str]:
    """Return what is on in the best of some random points, as it was observed."""
    points = [
        frozenset(part for part in problem.parts if rng.random() < 0.5) for _ in range(POINTS)
    ]
    return points[int(np.argmax([worth(on) + rng.normal() for on in points]))]


def trained(
    problem: Problem,
    on: frozenset[str],
    variants: list[Names],
    worth: Worth,
    *,
    seeds: int,
    rng: np.random.Generator,
) -> dict[Names, list[float]]:
    """Return the objective of a point without each of these, on each seed."""
    sd_early, sd_late = np.sqrt([problem.early_share, 1 - problem.early_share])
    first_phases: dict[frozenset[str], np.ndarray] = {}
    found = {}
    for names in variants:
        left = on - set(names)
        config = left & set(problem.early)
        if config not in first_phases:
            first_phases[config] = rng.normal(0, sd_early, seeds)
        noise = first_phases[config] + rng.normal(0, sd_late, seeds)
        found[names] = (worth(left) + noise).tolist()
    return found


@dataclass
class Tally:
    both: int = 0
    false: int = 0
    strongest: int = 0


def name_parts(problem: Problem, *, studies: int, seeds: int, effect: float, seed: int) -> Tally:
    rng, tally = np.random.default_rng(seed), Tally()

    def worth(on: frozenset[str]) -> float:
        return effect * len(on & problem.true)

    for _ in range(studies):
        on = found_by_search(problem, worth, rng)
        shared = problem.shared(on)
        variants = [WHOLE, *((part,) for part in shared)]
        values = trained(problem, on, variants, worth, seeds=seeds, rng=rng)
        effects = effects_of(values, shared, direction="maximize")
        named = {effect.names[0] for effect in effects if effect.is_separated}
        first = sorted(effects, key=lambda effect: -abs(effect.mean or 0.0))[:2]
        tally.both += problem.true <= named
        tally.false += bool(named - problem.true)
        tally.strongest += {effect.names[0] for effect in first} == problem.true
    return tally


def name_pairs(
    problem: Problem, worth: Worth, *, strongest: int, studies: int, seeds: int, seed: int
) -> tuple[int, int]:
    """Return in how many studies the true pair is found to interact, and another one."""
    rng, found, false = np.random.default_rng(seed), 0, 0
    on = frozenset(problem.parts)
    shared = problem.shared(on)
    for _ in range(studies):
        variants = [WHOLE, *((part,) for part in shared), *combinations(shared, 2)]
        values: Values = trained(problem, on, variants, worth, seeds=seeds, rng=rng)
        effects = effects_of(values, shared, direction="maximize")
        pairs = strongest_pairs(effects, strongest)
        told = interactions_of(values, shared, pairs, direction="maximize")
        named = {frozenset(effect.names) for effect in told if effect.is_separated}
        found += problem.true in named
        false += bool(named - {problem.true})
    return found, false


@dataclass
class Reuse:
    """What comes of parts that are worth nothing.

    Attributes:
        false: Studies in which one is named.
        worths: Mean of what they seem to be worth, in each study.
    """

    false: int
    worths: list[float]

    def take(self, values: Values, shared: dict[str, int]) -> None:
        effects = effects_of(values, shared, direction="maximize")
        self.false += any(effect.is_separated for effect in effects)
        self.worths.append(float(np.mean([effect.mean for effect in effects])))

    def __str__(self) -> str:
        return f"{self.false / len(self.worths):>7.1%} {np.mean(self.worths):>7.2f}"


def by_replicates(problem: Problem, *, studies: int, seeds: int, seed: int) -> tuple[Reuse, Reuse]:
    """Return what comes of it with fresh seeds, and with the verdict's replicates."""
    rng, fresh, reused = np.random.default_rng(seed), Reuse(0, []), Reuse(0, [])
    entrants = [Entrant(f"candidate {i}", is_control=False) for i in range(3)]
    entrants.append(Entrant("control", is_control=True))
    on = frozenset(problem.parts)
    shared = problem.shared(on)
    singles: list[Names] = [(part,) for part in shared]
    for _ in range(studies):
        table = {entrant.name: rng.normal(0, 1, seeds).tolist() for entrant in entrants}
        race = run_race(entrants, table, rounds=seeds, direction="maximize")
        winner = first_of(race, table, direction="maximize")
        if winner is None or race.rounds < 2:
            continue
        values = {names: rng.normal(0, 1, race.rounds).tolist() for names in (WHOLE, *singles)}
        fresh.take(values, shared)
        reused.take({**values, WHOLE: table[winner][: race.rounds]}, shared)
    return fresh, reused


def rows(options: argparse.Namespace) -> Iterator[str]:
    """Simulate studies; yield the three tables."""
    problem = planted(options.parts, early_share=options.early)
    yield f"{options.studies} studies, {options.parts} parts"
    yield f"{'effect':>6} {'seeds':>5} {'both named':>11} {'false':>7} {'strongest two':>14}"
    for effect, seeds in [(e, s) for e in (0.0, 1.0, 2.0, 3.0) for s in (3, 5, 8, 10, 12)]:
        tally = name_parts(
            problem, studies=options.studies, seeds=seeds, effect=effect, seed=options.seed
        )
        shares = [n / options.studies for n in (tally.both, tally.false, tally.strongest)]
        yield f"{effect:>6g} {seeds:>5} {shares[0]:>11.1%} {shares[1]:>7.1%} {shares[2]:>14.1%}"
    yield ""
    yield f"{'interaction':>12} {'strongest':>9} {'seeds':>5} {'found':>7} {'false':>7}"
    first, second = sorted(problem.true)
    worths: dict[str, Worth] = {
        "none": lambda _: 0.0,
        "sum": lambda on: PAIR_EFFECT * ((first in on) + (second in on)),
        "both needed": lambda on: PAIR_EFFECT * (first in on and second in on),
        "either": lambda on: PAIR_EFFECT * (first in on or second in on),
    }
    for name, strongest, seeds in product(worths, (3, options.parts), (5, 8)):
        found, false = name_pairs(
            problem,
            worths[name],
            strongest=strongest,
            studies=options.studies,
            seeds=seeds,
            seed=options.seed,
        )
        shares = [n / options.studies for n in (found, false)]
        yield f"{name:>12} {strongest:>9} {seeds:>5} {shares[0]:>7.1%} {shares[1]:>7.1%}"
    yield ""
    yield f"{'':>5} {'fresh seeds':>15} {'replicates':>15}"
    yield f"{'seeds':>5} {'false':>7} {'worth':>7} {'false':>7} {'worth':>7}"
    for seeds in (3, 5, 8):
        fresh, reused = by_replicates(
            problem, studies=options.studies, seeds=seeds, seed=options.seed
        )
        yield f"{seeds:>5} {fresh} {reused}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--parts", type=int, default=10)
    parser.add_argument("--early", type=float, default=0.5, help="share of the variance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the tables to results/")
    options = parser.parse_args()
    show_result("ablation", __doc__, rows(options), write=options.write, as_text=True)


if __name__ == "__main__":
    main()
