"""Decisions at rungs: which are due for a trial, and what they say, as journal records."""

from collections.abc import Iterator
from typing import Any

from sweep.early_stop import (
    Rung,
    asha_stops,
    proxy_is_useless,
    rung_epochs,
    rungs_of,
    split_metric,
)
from sweep.ledger import Ledger, StageEntry, Trial, TrialState
from sweep.study import Study
from trainables.assignment import Stage
from trainables.plans import Plan

CONTINUE, STOP = "continue", "stop"


class RungJudge:
    """Decides at the rungs of one study."""

    def __init__(self, study: Study, plan: Plan) -> None:
        self._rules = study.early_stop
        self._direction = study.objective.direction
        self._rungs = rungs_of(study, plan)

    def decision_epochs(self, stage: Stage, *, is_arm: bool) -> tuple[int, ...]:
        """Return after which epochs a worker has to wait for a decision; arms never wait."""
        if is_arm:
            return ()
        return tuple(sorted(rung_epochs(self._rungs, label=stage.label, epochs=stage.epochs)))

    def due(self, trial: Trial, ledger: Ledger) -> Iterator[dict[str, Any]]:
        """Yield a `rung` record for every rung the trial has reached and not been judged at.

        Arms are controls and trials whose plan is done have nothing left to stop: both go on
        whatever their value, which others are compared with. A `note` precedes a rung record when
        a proxy is found useless there; nobody is stopped by that proxy from then on.
        """
        judged = {rung.rung for rung in trial.rungs}
        can_stop = trial.arm is None and not plan_is_done(trial)
        for stage in trial.stages:
            places = rung_epochs(self._rungs, label=stage.label, epochs=stage.epochs_planned)
            for epoch, rung in sorted(places.items()):
                value = _value(stage, epoch, rung.metric)
                if rung.index in judged or value is None:
                    continue
                stops = can_stop and self._stops(value, rung, trial, ledger)
                if stops and rung.is_proxy:
                    note = self._switched_off(rung, ledger)
                    if note is not None:
                        yield note
                    stops = note is None and not _is_switched_off(rung, ledger)
                yield {
                    "kind": "rung",
                    "trial": trial.number,
                    "label": rung.label,
                    "rung": rung.index,
                    "epoch": epoch,
                    "value": value,
                    "decision": STOP if stops else CONTINUE,
                }
                if stops:
                    return

    def _stops(self, value: float, rung: Rung, trial: Trial, ledger: Ledger) -> bool:
        others = [
            entry.value
            for other in ledger.trials.values()
            for entry in other.rungs
            if entry.rung == rung.index and other.number != trial.number
        ]
        return asha_stops(
            value,
            others,
            keep=self._rules.keep,
            grace=self._rules.grace,
            direction=self._direction,
        )

    def _switched_off(self, rung: Rung, ledger: Ledger) -> dict[str, Any] | None:
        """Return the note that switches a useless proxy off, the first time it is found to be."""
        if _is_switched_off(rung, ledger):
            return None
        pairs = list(_proxy_and_objective(rung, ledger))
        correlation = proxy_is_useless(pairs, self._rules)
        if correlation is None:
            return None
        return {
            "kind": "note",
            "message": (
                f"{rung.label}/{rung.metric} no longer stops trials: over {len(pairs)} finished "
                f"trials its rank correlation with the objective is {correlation:.2f}, below "
                f"early_stop/min_correlation = {self._rules.min_correlation:g}."
            ),
            "proxy_off": rung.label,
        }


def plan_is_done(trial: Trial) -> bool:
    """Say whether every stage of the trial is finished."""
    return bool(trial.stages) and all(stage.status in ("done", "reused") for stage in trial.stages)


def objective_of(trial: Trial, study: Study) -> float | None:
    """Return the objective that a trial reached at the end of its last phase."""
    _, metric = split_metric(study.objective)
    last = trial.stages[-1]
    return last.epochs[-1].metrics.get(metric) if last.epochs else None


def _value(stage: StageEntry, epoch: int, metric: str) -> float | None:
    report = stage.epoch(epoch)
    return None if report is None else report.metrics.get(metric)


def _is_switched_off(rung: Rung, ledger: Ledger) -> bool:
    return any(note.get("proxy_off") == rung.label for note in ledger.notes)


def _proxy_and_objective(rung: Rung, ledger: Ledger) -> Iterator[tuple[float, float]]:
    for trial in ledger.in_state(TrialState.COMPLETE):
        for stage in trial.stages:
            if stage.label == rung.label and stage.epochs and trial.objective is not None:
                value = stage.epochs[-1].metrics.get(rung.metric)
                if value is not None:
                    yield value, trial.objective
