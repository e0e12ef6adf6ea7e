"""How a trial ends, as it follows from what the ledger has of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sweep.facts import Failure
from sweep.ledger import Ledger
from sweep.objectives import others_at_end
from sweep.rungs import objective_of, plan_is_done
from sweep.study import Study
from sweep.trials import STOP, RungEntry, Trial, TrialState


@dataclass(frozen=True)
class Ending:
    """A trial's one end.

    Attributes:
        others: Metric -> value of what else it is judged by.
        failed_in: The plan step in which it failed, if that is known.
        abandon: Whether its slot may still be training it.
    """

    state: TrialState
    objective: float | None = None
    others: Mapping[str, float] = field(default_factory=dict)
    error_class: str | None = None
    message: str | None = None
    failed_in: str | None = None
    abandon: bool = False

    def record(self, trial: Trial) -> dict[str, Any]:
        """Return the `end` record."""
        return {
            "kind": "end",
            "trial": trial.number,
            "state": self.state.value,
            "objective": self.objective,
            **({"others": dict(self.others)} if self.others else {}),
            "error_class": self.error_class,
            "message": self.message,
            **({} if self.failed_in is None else {"failed_in": self.failed_in}),
        }


def ending_of(trial: Trial, study: Study, ledger: Ledger) -> Ending | None:
    """Return how a trial ends that was stopped or has done its plan; None if it is not over."""
    if trial.paused:
        return None
    stop = next((rung for rung in trial.rungs if rung.decision == STOP), None)
    if stop is not None:
        return pruned_at(stop)
    if not plan_is_done(trial):
        return None
    objective = objective_of(trial, study)
    if objective is None:
        return _unreported(study.objective.metric)
    try:
        others = others_at_end(trial, study.objective, ledger)
    except KeyError as error:
        return _unreported(error.args[0])
    return Ending(TrialState.COMPLETE, objective=objective, others=others)


def _unreported(metric: str) -> Ending:
    message = f"its last phase did not report {metric}"
    return Ending(TrialState.FAIL, error_class="code", message=message)


def pruned_at(rung: RungEntry) -> Ending:
    """Return the end of a trial that goes no further than this rung."""
    message = f"stopped after epoch {rung.epoch} of {rung.label} with {rung.value:g}"
    return Ending(TrialState.PRUNED, message=message, abandon=True)


def failed(failure: Failure) -> Ending:
    """Return the end of a trial that cannot go on."""
    return Ending(
        TrialState.FAIL,
        error_class=failure.error_class,
        message=failure.message,
        failed_in=failure.label,
        abandon=not failure.by_slot,
    )
