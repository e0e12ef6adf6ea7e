"""What a trial is judged by: the objective, further ones beside it, and constraints."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from sweep.ledger import Ledger
from sweep.slot_time import NOTHING, Spent
from sweep.study import COST, Constraint, Objective, Target, split_metric
from sweep.trials import StageEntry, Trial, TrialState

COST_SLOT_S = f"{COST}/slot_s"
COST_EPOCHS = f"{COST}/epochs"
COSTS: Mapping[str, str] = {
    COST_SLOT_S: "slot-seconds that training its stages takes, or once took where they were reused",
    COST_EPOCHS: "epochs of all its stages",
}
"""Metrics that every trial has beside those its phases report, and what they are."""


def targets(objective: Objective) -> Sequence[Target]:
    """Return all that is to be improved, the leaderboard's own target first."""
    return (objective, *objective.also)


def other_metrics(objective: Objective) -> list[str]:
    """Return the metrics that a trial's end records beside the objective, each once."""
    named = [*(target.metric for target in objective.also), *constrained(objective)]
    return [metric for metric in dict.fromkeys(named) if metric != objective.metric]


def constrained(objective: Objective) -> list[str]:
    """Return the metrics that are bounded."""
    return [constraint.metric for constraint in objective.constraints]


def is_plain(objective: Objective) -> bool:
    """Say whether there is one objective and nothing beside it."""
    return not objective.also and not objective.constraints


def others_at_end(trial: Trial, objective: Objective, ledger: Ledger) -> dict[str, float]:
    """Return what a trial whose plan is done reached beside its objective.

    Raises:
        KeyError: If its last phase did not report one of these metrics.
    """
    return {metric: _measured(trial, metric, ledger) for metric in other_metrics(objective)}


def values_of(trial: Trial, objective: Objective) -> list[float] | None:
    """Return a complete trial's value of every target, in order; None if one is not known."""
    values = [_value(trial, target.metric, objective) for target in targets(objective)]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def violations(trial: Trial, objective: Objective) -> dict[str, float]:
    """Return by how much a complete trial breaks each constraint, in the metric's unit.

    Zero or less is kept. What is not known (the constraint came later than the trial) counts as
    broken by 1.
    """
    return {
        f"{constraint.metric} {bound_text(constraint)}": _excess(
            _value(trial, constraint.metric, objective), constraint
        )
        for constraint in objective.constraints
    }


def is_feasible(trial: Trial, objective: Objective) -> bool:
    """Say whether a complete trial keeps every constraint."""
    return all(excess <= 0 for excess in violations(trial, objective).values())


def breaks_on_average(trials: Sequence[Trial], objective: Objective) -> bool:
    """Say whether complete trials of one point break a constraint by their mean.

    Seconds of slots are left out: they hang on which stages were there already, and on faults.
    """
    return bool(trials) and any(
        fmean(_excess(_value(trial, constraint.metric, objective), constraint) for trial in trials)
        > 0
        for constraint in objective.constraints
        if constraint.metric != COST_SLOT_S
    )


def bound_text(constraint: Constraint) -> str:
    """Return a constraint's bound for people, such as `<= 3`."""
    if constraint.at_most is not None:
        return f"<= {constraint.at_most:g}"
    return f">= {constraint.at_least:g}"


def pareto_front(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Return the complete, feasible trials that no other such trial dominates.

    One dominates another if it is no worse in any target and better in at least one.
    """
    signs = [1.0 if target.direction == "minimize" else -1.0 for target in targets(objective)]
    losses = [
        (trial, tuple(sign * value for sign, value in zip(signs, values, strict=True)))
        for trial in trials
        if trial.state is TrialState.COMPLETE
        and is_feasible(trial, objective)
        and (values := values_of(trial, objective)) is not None
    ]
    return [
        trial for trial, mine in losses if not any(_dominates(other, mine) for _, other in losses)
    ]


def _dominates(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return first != second and all(a <= b for a, b in zip(first, second, strict=True))


def _value(trial: Trial, metric: str, objective: Objective) -> float | None:
    return trial.objective if metric == objective.metric else trial.others.get(metric)


def _excess(value: float | None, constraint: Constraint) -> float:
    if value is None:
        return 1.0
    if constraint.at_most is not None:
        return value - constraint.at_most
    assert constraint.at_least is not None
    return constraint.at_least - value


def _measured(trial: Trial, metric: str, ledger: Ledger) -> float:
    if metric == COST_EPOCHS:
        return float(sum(stage.epochs_planned for stage in trial.stages))
    if metric == COST_SLOT_S:
        return sum((_spent_on(stage, ledger) or NOTHING).slot_s for stage in trial.stages)
    label, key = split_metric(metric)
    return trial.stage(label).epochs[-1].metrics[key]


def spent_on(trial: Trial, ledger: Ledger) -> Spent | None:
    """Return what training a trial's stages took, or once took; None if that is not known."""
    taken = [_spent_on(stage, ledger) for stage in trial.stages]
    known = [spent for spent in taken if spent is not None]
    return sum(known, NOTHING) if len(known) == len(taken) else None


def _spent_on(stage: StageEntry, ledger: Ledger) -> Spent | None:
    """Return what training a stage took, or what it took the trial of this study that trained it.

    What it cost another study is not known here.
    """
    return ledger.first_spent.get(stage.key) if stage.status == "reused" else stage.spent
