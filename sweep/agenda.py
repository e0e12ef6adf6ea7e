"""What a study still has to run, read off its ledger."""

from dataclasses import dataclass

from sweep.ledger import Ledger, Trial, TrialState
from sweep.study import Study


@dataclass(frozen=True)
class Due:
    """The next trial to begin.

    Attributes:
        arm: The arm's name, or None for a searched point.
        seed: The trial seed.
        sibling: For a searched point that has begun with another trial seed: that trial.
    """

    arm: str | None
    seed: int
    sibling: Trial | None = None


def next_due(study: Study, ledger: Ledger) -> Due | None:
    """Return the trial to begin next: every arm first, then searched points, each x trial seeds."""
    return _next_arm(study, ledger) or _next_searched(study, ledger)


def unfinished(study: Study, ledger: Ledger) -> list[Trial]:
    """Return the trials of this study that have begun and not ended.

    A study cut down to one arm leaves the others, and searched points, to the whole study.
    """
    return [trial for trial in ledger.in_state(TrialState.RUNNING) if is_of(study, trial)]


def is_of(study: Study, trial: Trial) -> bool:
    """Say whether this study, which may be cut down to one arm, has such a trial."""
    return study.search.trials > 0 if trial.arm is None else trial.arm in study.arms


def is_over(study: Study, ledger: Ledger, *, elapsed_s: float, gpus_per_slot: float) -> bool:
    """Say whether nothing is left to run: no trial is unfinished and none is to begin."""
    if unfinished(study, ledger):
        return False
    if next_due(study, ledger) is None:
        return True
    reason = budget_used_up(study, ledger, elapsed_s=elapsed_s, gpus_per_slot=gpus_per_slot)
    return reason is not None


def budget_used_up(
    study: Study, ledger: Ledger, *, elapsed_s: float, gpus_per_slot: float
) -> str | None:
    """Return why no further trial should begin, or None.

    Args:
        study: The study and its budget.
        ledger: What happened so far.
        elapsed_s: Seconds in which a driver was at work.
        gpus_per_slot: GPUs that a running trial occupies.
    """
    budget = study.budget
    if budget.wall_h is not None and elapsed_s >= budget.wall_h * 3600:
        return f"budget/wall_h: {budget.wall_h:g} h of running are used up"
    if budget.gpu_h is not None:
        used_h = gpus_per_slot * sum(t.duration_s for t in ledger.trials.values()) / 3600
        if used_h >= budget.gpu_h:
            return f"budget/gpu_h: {budget.gpu_h:g} GPU-hours are used up"
    if budget.target is not None:
        for trial in ledger.in_state(TrialState.COMPLETE):
            if trial.objective is not None and _reaches(trial.objective, budget.target, study):
                return (
                    f"budget/target: trial {trial.number} reached {trial.objective:g} "
                    f"(target {budget.target:g})"
                )
    return None


def _next_arm(study: Study, ledger: Ledger) -> Due | None:
    begun = {(trial.arm, trial.seed) for trial in ledger.trials.values()}
    for arm in study.arms:
        for seed in study.seeds.trials:
            if (arm, seed) not in begun:
                return Due(arm=arm, seed=seed)
    return None


def _next_searched(study: Study, ledger: Ledger) -> Due | None:
    """Return the missing seed of the newest point, or a new point while there are too few."""
    if study.space is None:
        return None
    searched = [trial for trial in ledger.trials.values() if trial.arm is None]
    seeds = study.seeds.trials
    points, place = divmod(len(searched), len(seeds))
    if place > 0:
        return Due(arm=None, seed=seeds[place], sibling=searched[-1])
    return Due(arm=None, seed=seeds[0]) if points < study.search.trials else None


def _reaches(objective: float, target: float, study: Study) -> bool:
    return objective <= target if study.objective.direction == "minimize" else objective >= target
