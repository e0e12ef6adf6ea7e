"""Decisions at rungs: which are due for a trial, and what they say, as journal records."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sweep.cohorts import settled_before
from sweep.early_stop import (
    Rung,
    asha_stops,
    median_stops,
    rung_epochs,
    rungs_of,
)
from sweep.ledger import Ledger
from sweep.proxies import is_switched_off, switching_off
from sweep.study import Study, split_metric
from sweep.trials import CONTINUE, PAUSE, STOP, Decision, StageEntry, Trial
from trainables.assignment import Assignment, Stage
from trainables.plans import Plan


class RungJudge:
    """Decides at the rungs of one study when a trial reaches them."""

    def __init__(self, study: Study, plan: Plan) -> None:
        self._study = study
        self._rules = study.early_stop
        self._rungs = rungs_of(study, plan)

    def assignments(self, trial: Trial, stages: Sequence[Stage]) -> list[dict[str, Any]]:
        """Return what a slot is to do for a trial, as JSON data: a stage each, in order.

        Workers wait at rungs for a decision; those of arms and replicates never do.
        """
        rungs = self._rungs if trial.arm is None and trial.replicate_of is None else ()
        return [
            Assignment(
                trial=trial.number,
                attempt=trial.attempt,
                stage=stage,
                decision_epochs=tuple(
                    sorted(rung_epochs(rungs, label=stage.label, epochs=stage.epochs))
                ),
            ).to_json()
            for stage in stages
        ]

    def due(self, trial: Trial, ledger: Ledger) -> Iterator[dict[str, Any]]:
        """Yield a `rung` record for every rung the trial has reached and not been judged at.

        A trial that is stopped or paused at a rung is not judged at later ones, and a replicate is
        not judged at all. A `note` precedes
        a rung record when a proxy is found useless there; it holds nobody up from then on.
        """
        if trial.paused or trial.replicate_of is not None:
            return
        judged = {rung.rung for rung in trial.rungs}
        for stage in trial.stages:
            places = rung_epochs(self._rungs, label=stage.label, epochs=stage.epochs_planned)
            for epoch, rung in sorted(places.items()):
                value = _value(stage, epoch, rung.metric)
                if rung.index in judged or value is None:
                    continue
                decision = self._decision(value, rung, trial, ledger)
                if decision != CONTINUE and rung.is_proxy:
                    if not is_switched_off(rung, ledger):
                        yield from self._notes(rung, trial, ledger)
                    if is_switched_off(rung, ledger):
                        decision = CONTINUE
                yield {
                    "kind": "rung",
                    "trial": trial.number,
                    "label": rung.label,
                    "rung": rung.index,
                    "epoch": epoch,
                    "value": value,
                    "decision": decision,
                }
                if decision != CONTINUE:
                    return

    def _decision(self, value: float, rung: Rung, trial: Trial, ledger: Ledger) -> Decision:
        """Return what the study's rule says, whatever the value is worth.

        Arms are controls and always go on; others are compared with them. So does a trial whose
        plan is done, which has nothing left to save; but not in cohorts, where it must make no
        difference that a stage was trained before.
        """
        rule = self._rules.rule
        if trial.arm is not None or (rule != "sync" and plan_is_done(trial)):
            return CONTINUE
        if rule == "sync" or self._rules.promote:
            return PAUSE
        own = trial.stage(rung.label).key
        reached = values_at(rung.index, ledger.trials.values())
        others = [other for key, other in reached.items() if key != own]
        grace = self._rules.grace
        if rule == "median":
            stops = median_stops(value, others, grace=grace, direction=rung.direction)
        else:
            keep = self._rules.keep
            stops = asha_stops(value, others, keep=keep, grace=grace, direction=rung.direction)
        return STOP if stops else CONTINUE

    def _notes(self, rung: Rung, trial: Trial, ledger: Ledger) -> Iterator[dict[str, Any]]:
        is_in_cohort = self._rules.rule == "sync"
        judged_by = (
            settled_before(trial, ledger, self._rules.cohort)
            if is_in_cohort
            else ledger.trials.values()
        )
        note = switching_off(rung, self._study, judged_by)
        if note is not None:
            yield note


def values_at(index: int, trials: Iterable[Trial]) -> dict[str, float]:
    """Return stage key -> value of all that has reached a rung, as it was reached.

    Trials that share a stage count once: what was trained once is one result, however many trials
    go on from it.
    """
    return {
        trial.stage(entry.label).key: entry.value
        for trial in trials
        for entry in trial.rungs
        if entry.rung == index
    }


def plan_is_done(trial: Trial) -> bool:
    """Say whether every stage of the trial is finished."""
    return bool(trial.stages) and all(stage.status in ("done", "reused") for stage in trial.stages)


def objective_of(trial: Trial, study: Study) -> float | None:
    """Return the objective that a trial reached at the end of its last phase."""
    _, metric = split_metric(study.objective.metric)
    last = trial.stages[-1]
    return last.epochs[-1].metrics.get(metric) if last.epochs else None


def _value(stage: StageEntry, epoch: int, metric: str) -> float | None:
    report = stage.epoch(epoch)
    return None if report is None else report.metrics.get(metric)
