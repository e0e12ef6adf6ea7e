"""What follows from a trial's failure: whether it is tried again."""

from typing import Literal

from sweep.facts import Failure
from sweep.ledger import Ledger, Trial, TrialState

WORKER_LOST = "worker_lost"
STAGE_LOST = "stage_lost"

MAX_LOSSES = 3
"""How often a trial may lose its slot, its Tune actor or a stage it builds on before it is given
up."""

LOSSES = (WORKER_LOST, STAGE_LOST)
"""Failures by what surrounds a trial. All others are the trial's own: it would fail again."""

OUT_OF_MEMORY = "out_of_memory"

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


def losses(trial: Trial, ledger: Ledger) -> int:
    """Return how often a trial lost what it ran on, in all sessions."""
    return sum(
        note.get("trial") == trial.number and note.get("error_class") in LOSSES
        for note in ledger.notes
    )


def quarantined_twin(trial: Trial, ledger: Ledger) -> Trial | None:
    """Return the first trial that failed for good with exactly what this one is to run.

    The keys of its stages tell: they cover settings, seed, code and data, so that nothing is kept
    from running once the cause is mended. An arm is asked for by people and always runs.
    """
    if trial.arm is not None or not trial.stages:
        return None
    keys = [stage.key for stage in trial.stages]
    return next(
        (
            other
            for other in ledger.in_state(TrialState.FAIL)
            if other.number != trial.number and [stage.key for stage in other.stages] == keys
        ),
        None,
    )


def quarantined_as(twin: Trial) -> Failure:
    """Return the failure of a trial that would only repeat this one's."""
    reason = (twin.message or "no message").splitlines()[0]
    message = (
        f"not trained: the search suggested again exactly what trial {twin.number} failed with "
        f"({reason})"
    )
    return Failure(twin.error_class or "code", message, by_slot=True)
