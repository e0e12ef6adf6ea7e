"""What a search gains that begins with another study's trials (`from: <study>`).

A pilot of 40 trials searches the planted problems of `prefix_search.py` (nine settings, noise as
between seeds of real trainings; half of the variance between points is finetuning's). A second
study of 40 trials follows, by TPE with a seed of its own,

- in the same space, or
- in a narrowed one: within 0.4, or 0.25, of the pilot's best point in every setting,

once cold and once from the pilot. The regret is what the point with the best measured error of the
second study lacks to the optimum, without noise; the pilot's own points never count. Every seed is
a problem of its own, the same for both. The ratio is that of mean regrets, its 95 % interval from
10,000 paired bootstrap samples over seeds; `as good at` is the trial after which the mean regret
of the warm search first is no higher than the cold one's at its end.

Run from the repository's root: `python benchmarks/warm_start.py [--seeds 30]`.
Takes about three minutes on one core.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from prefix_search import (
    PHASES,
    SPACE,
    Stages,
    conductor_of,
    plant,
    ratio_interval,
    run_trial,
    stages_of,
)
from result_table import show_result

from search_spaces.space import Space
from sweep.ledger import Ledger
from sweep.source import Source
from sweep.study import Study
from sweep.warm_start import known_record

TRIALS = 40
REACHES = (0.4, 0.25)
FINETUNINGS_SHARE = 0.5


@dataclass(frozen=True)
class Searched:
    """A study that was played to its end.

    Attributes:
        regrets_mm: After each trial.
    """

    study: Study
    ledger: Ledger
    regrets_mm: np.ndarray


def play(
    study: Study, space: Space, *, problem: int, known: Mapping[str, Any] | None = None
) -> Searched:
    """Play a study on a planted problem."""
    stages = Stages(plant(problem, FINETUNINGS_SHARE))
    conductor, book = conductor_of(study, space, stages)
    conductor.open({}, known)
    regrets, best_mm = [], np.inf
    for _ in range(TRIALS):
        number, last = run_trial(conductor, stages)
        objective = book.ledger.trials[number].objective
        assert objective is not None
        if objective < best_mm:
            best_mm, regret_mm = objective, stages.regret_mm(last)
        regrets.append(regret_mm)
    return Searched(study, book.ledger, np.array(regrets))


def study_of(name: str, *, seed: int, source: str | None = None) -> Study:
    """Return a search by TPE."""
    return Study.model_validate(
        {
            "name": name,
            "question": "Where is the lowest point?",
            "from": source,
            "data": {},
            "plan": ["pretrain", "finetune"],
            "space": "planted",
            "objective": {"metric": "finetune/val/error_mm"},
            "search": {"trials": TRIALS},
            "seeds": {"study": seed},
        }
    )


def around(params: Mapping[str, float], reach: float) -> Space:
    """Return the space of what lies near a point."""

    def suggest(trial: optuna.Trial) -> Mapping[str, Any]:
        for name, value in params.items():
            trial.suggest_float(name, max(0.0, value - reach), min(1.0, value + reach))
        return trial.params

    return Space(suggest=suggest, plan=SPACE.plan, about="near the pilot's best")


def compare(seed: int) -> dict[str, tuple[np.ndarray, np.ndarray, int]]:
    """Return, by space, the regrets of the cold and the warm search, and what was known."""
    pilot = play(study_of("pilot", seed=seed), SPACE, problem=seed)
    trials = pilot.ledger.trials.values()
    best = min(trials, key=lambda trial: trial.objective or 0.0)
    spaces = {f"within {reach:g}": around(best.params, reach) for reach in REACHES}
    found = {}
    for name, space in {"the same": SPACE, **spaces}.items():
        cold = play(study_of("cold", seed=1000 + seed), space, problem=seed)
        study = study_of("warm", seed=1000 + seed, source="pilot")
        source = Source(pilot.study, pilot.ledger)
        known = known_record(source, study, space=space, phases=PHASES, stages_of=stages_of)
        warm = play(study, space, problem=seed, known=known)
        found[name] = (cold.regrets_mm, warm.regrets_mm, len(warm.ledger.known))
    return found


def rows(seeds: int) -> Iterator[str]:
    """Compare both searches; yield a row per space."""
    results = [compare(seed) for seed in range(seeds)]
    yield (
        f"{seeds} seeds, a pilot of {TRIALS} trials, then {TRIALS} more; regret in mm at the end"
    )
    yield (
        f"{'space':>11} {'known':>6} {'cold':>6} {'warm':>6} {'ratio':>6} {'95 % interval':>14} "
        f"{'as good at':>10}"
    )
    for name in results[0]:
        cold, warm = (np.array([result[name][i] for result in results]) for i in (0, 1))
        ours, theirs = warm[:, -1], cold[:, -1]
        low, high = ratio_interval(ours, theirs)
        reached = np.flatnonzero(warm.mean(0) <= theirs.mean())
        yield (
            f"{name:>11} {np.mean([result[name][2] for result in results]):>6.1f} "
            f"{theirs.mean():>6.2f} {ours.mean():>6.2f} {ours.mean() / theirs.mean():>6.2f} "
            f"{f'{low:.2f} to {high:.2f}':>14} {reached[0] + 1 if len(reached) else '-':>10}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--write", action="store_true", help="write the table to results/")
    options = parser.parse_args()
    show_result("warm_start", __doc__, rows(options.seeds), write=options.write, as_text=True)


if __name__ == "__main__":
    main()
