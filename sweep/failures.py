"""What follows from a trial's failure: whether it is tried again."""

from typing import Any, Literal

from sweep.facts import DIVERGED, Failure
from sweep.ledger import Ledger
from sweep.trials import Trial, TrialState
from trainables.assignment import LOSSES, WORKER_LOST

MAX_LOSSES = 3
"""How often a trial may lose what it runs on, builds on or reads from, without a new epoch in
between, before it is given up."""

OUT_OF_MEMORY = "out_of_memory"
CODE = "code"

QUARANTINED = (DIVERGED, OUT_OF_MEMORY, CODE, WORKER_LOST)
"""Failures that would come again with the same stages. The others may be mended from outside."""

Course = Literal["again", "lighter", "end"]


def course_after(failure: Failure, trial: Trial, ledger: Ledger) -> Course:
    """Return whether a trial is handed out again after this failure, or ends with it.

    One that ran out of memory is tried once more with less of it, if its phase knows how.

    Args:
        failure: What happened now; the ledger does not have it yet.
        trial: To whom.
        ledger: With every loss before as a note.
    """
    if failure.error_class == OUT_OF_MEMORY and not trial.lighter:
        return "lighter"
    if failure.error_class not in LOSSES:
        return "end"
    return "again" if losses(trial, ledger) + 1 < MAX_LOSSES else "end"


def loss_note(failure: Failure, trial: Trial) -> dict[str, Any]:
    """Return the note about something a trial lost, or failed with."""
    return {
        "kind": "note",
        "message": f"trial {trial.number}, attempt {trial.attempt}: {failure.message}",
        "trial": trial.number,
        "error_class": failure.error_class,
        "epochs": num_epochs(trial),
    }


def losses(trial: Trial, ledger: Ledger) -> int:
    """Return how often a trial lost what it ran on since its last new epoch, in all sessions."""
    reached = num_epochs(trial)
    return sum(
        note.get("trial") == trial.number
        and note.get("error_class") in LOSSES
        and note.get("epochs", reached) == reached
        for note in ledger.notes
    )


def num_epochs(trial: Trial) -> int:
    """Return how many epochs of a trial were reported."""
    return sum(len(stage.epochs) for stage in trial.stages)


def quarantined_twin(trial: Trial, ledger: Ledger) -> Trial | None:
    """Return the first trial that failed for good in what this one is to run.

    The keys of its stages tell, up to the one it failed in: they cover settings, seed, code and
    data, so that nothing is kept from running once the cause is mended. An arm is asked for by
    people and always runs.
    """
    if trial.arm is not None or not trial.stages:
        return None
    keys = [stage.key for stage in trial.stages]
    for other in ledger.in_state(TrialState.FAIL):
        failed = _failed_keys(other)
        is_another = other.number != trial.number and other.error_class in QUARANTINED
        if is_another and failed and failed == keys[: len(failed)]:
            return other
    return None


def _failed_keys(trial: Trial) -> list[str]:
    """Return the stages a trial ran up to its failure; all of them if it is not known where."""
    labels = [stage.label for stage in trial.stages]
    reached = labels.index(trial.failed_in) + 1 if trial.failed_in in labels else len(labels)
    return [stage.key for stage in trial.stages[:reached]]


def quarantined_as(twin: Trial) -> Failure:
    """Return the failure of a trial that would only repeat this one's."""
    reason = (twin.message or "no message").splitlines()[0]
    message = (
        f"not trained: the search suggested again what trial {twin.number} failed with ({reason})"
    )
    return Failure(twin.error_class or CODE, message, by_slot=True, label=twin.failed_in)
