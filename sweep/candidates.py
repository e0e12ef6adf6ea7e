"""What trials stand for: arms and searched points, each with its values over trial seeds."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweep.ledger import Ledger
from sweep.objectives import is_feasible
from sweep.study import Objective
from sweep.trials import Trial, TrialState


@dataclass(frozen=True)
class Candidate:
    """An arm or a searched point, with the objective of every trial seed that completed.

    Attributes:
        name: `arm peclr`, or `trial 7` after its first trial.
        arm: The arm's name, or None for a searched point.
        values: Trial seed -> objective.
    """

    name: str
    arm: str | None
    trials: tuple[Trial, ...]
    values: Mapping[int, float]

    @property
    def mean(self) -> float:
        """Return the mean over trial seeds."""
        return statistics.fmean(self.values.values())

    @property
    def sd(self) -> float | None:
        """Return the standard deviation between trial seeds, or None for a single one."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None


def candidates(ledger: Ledger) -> list[Candidate]:
    """Return arms and searched points that completed at least once, in order of their trials."""
    groups: dict[tuple[str | None, str], list[Trial]] = {}
    for trial in ledger.trials.values():
        point = "" if trial.arm is not None else trial.point
        groups.setdefault((trial.arm, point), []).append(trial)
    found = []
    for (arm, _), trials in groups.items():
        values = {
            trial.seed: trial.objective
            for trial in trials
            if trial.state is TrialState.COMPLETE and trial.objective is not None
        }
        if values:
            name = f"trial {trials[0].number}" if arm is None else f"arm {arm}"
            found.append(Candidate(name, arm, tuple(trials), values))
    return found


def failed_arms(ledger: Ledger) -> dict[str, str]:
    """Return `arm peclr` -> `failed (diverged) with trial seed 1`, of arms that failed anywhere.

    The seeds are left out where it failed with all of its own.
    """
    arms: dict[str, list[Trial]] = {}
    for trial in ledger.trials.values():
        if trial.arm is not None:
            arms.setdefault(f"arm {trial.arm}", []).append(trial)
    found = {}
    for name, trials in arms.items():
        failed = [trial for trial in trials if trial.state is TrialState.FAIL]
        if not failed:
            continue
        causes = ", ".join(sorted({trial.error_class or "unknown" for trial in failed}))
        seeds = ", ".join(str(seed) for seed in sorted({trial.seed for trial in failed}))
        of_some = f" with trial seed {seeds}" if len(failed) < len(trials) else ""
        found[name] = f"failed ({causes}){of_some}"
    return found


def in_order(found: Sequence[Candidate], objective: Objective) -> list[Candidate]:
    """Return candidates by mean objective, best first."""
    return sorted(found, key=lambda c: c.mean, reverse=objective.direction == "maximize")


def leading(ledger: Ledger, objective: Objective) -> list[Candidate]:
    """Return what may be called the best, in order.

    Candidates that miss a trial seed which others have are left out, so that a lucky or unlucky
    seed decides nothing, and so are those of which a trial breaks a constraint.
    """
    found = [c for c in candidates(ledger) if keeps_constraints(c, objective)]
    return in_order(of_equal_seeds(found), objective)


def of_equal_seeds(found: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with most trial seeds; of several such sets, those most of them have.

    Values over unlike seeds cannot be compared: a seed that is easy for one is easy for all.
    """
    having = Counter(frozenset(candidate.values) for candidate in found)
    seeds = max(having, key=lambda seeds: (len(seeds), having[seeds]), default=frozenset())
    return [candidate for candidate in found if candidate.values.keys() == seeds]


def keeps_constraints(candidate: Candidate, objective: Objective) -> bool:
    """Say whether all trials of a candidate that completed keep every constraint."""
    return all(
        is_feasible(trial, objective)
        for trial in candidate.trials
        if trial.state is TrialState.COMPLETE
    )
