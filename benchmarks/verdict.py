"""How often a verdict is false, how often it finds what is there, and what racing saves.

Simulates studies after their search: k candidates and some controls are trained on fresh seeds. An
objective is the sum of what the trial's point is worth and a normal deviate of its training, whose
standard deviation is 1. In one kind of study all are worth the same; in the other one candidate is
better than everyone else by 1, one standard deviation between seeds.

    python benchmarks/verdict.py
    python benchmarks/verdict.py --studies 2000 --seeds 12 24

Beside the race on the same deviates: everyone trained with every seed, judged by the same interval;
and judged by the percentile bootstrap of the winner's paired differences, which neither makes up
for the choice among candidates nor for few seeds.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from result_table import show_result

from sweep.verdict.power import FIRST, drawn_values, entrants_of, is_announced, share_spent
from sweep.verdict.race import Race, run_race
from sweep.verdict.verdict import CONFIDENCE

DRAWS = 2000


@dataclass
class Tally:
    """What came out of studies of one kind."""

    race: int = 0
    full: int = 0
    bootstrap: int = 0
    spent: float = 0.0


def claims_bootstrap(table: dict[str, list[float]], rng: np.random.Generator) -> str | None:
    """Return the winner if the bootstrap's interval leaves out every control."""
    means = {name: np.mean(values) for name, values in table.items()}
    winner = max((n for n in table if n.startswith("candidate")), key=means.__getitem__)
    for name in (n for n in table if n.startswith("control")):
        differences = np.subtract(table[winner], table[name])
        drawn = rng.choice(differences, (DRAWS, len(differences))).mean(axis=1)
        if np.quantile(drawn, 1 - CONFIDENCE) <= 0:
            return None
    return winner


def simulate(
    studies: int, *, candidates: int, controls: int, seeds: int, effect: float, seed: int
) -> Tally:
    rng = np.random.default_rng(seed)
    entrants, tally = entrants_of(candidates, controls), Tally()
    for _ in range(studies):
        table = drawn_values(entrants, rounds=seeds, effect=effect, rng=rng)
        race = run_race(entrants, table, rounds=seeds, direction="maximize")
        everyone = Race(tuple(entrants), seeds, {}, "all rounds are run")
        tally.race += is_announced(race, table, effect=effect)
        tally.full += is_announced(everyone, table, effect=effect)
        claimed = claims_bootstrap(table, rng)
        tally.bootstrap += claimed is not None and (effect == 0 or claimed == FIRST)
        tally.spent += share_spent(race, rounds=seeds) / studies
    return tally


def rows(options: argparse.Namespace) -> Iterator[str]:
    """Simulate studies of both kinds; yield the table."""
    yield f"{options.studies} studies, {options.candidates} candidates"
    yield f"{'seeds':>5} {'controls':>8} {'':>14} {'race':>7} {'all':>7} {'boot':>7} {'spent':>7}"
    cases = product(options.seeds, (1, 3), ((0.0, "false winner"), (1.0, "found")))
    for seeds, controls, (effect, what) in cases:
        tally = simulate(
            options.studies,
            candidates=options.candidates,
            controls=controls,
            seeds=seeds,
            effect=effect,
            seed=options.seed,
        )
        shares = [n / options.studies for n in (tally.race, tally.full, tally.bootstrap)]
        yield (
            f"{seeds:>5} {controls:>8} {what:>14} {shares[0]:>7.1%} {shares[1]:>7.1%} "
            f"{shares[2]:>7.1%} {tally.spent:>7.1%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--candidates", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[24])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the table to results/")
    options = parser.parse_args()
    show_result("verdict", __doc__, rows(options), write=options.write, as_text=True)


if __name__ == "__main__":
    main()
