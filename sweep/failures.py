"""What follows from a trial's failure: whether it is tried again."""

from typing import Literal

from sweep.facts import Failure
from sweep.ledger import Ledger, Trial

WORKER_LOST = "worker_lost"
STAGE_LOST = "stage_lost"

MAX_LOSSES = 3
"""How often a trial may lose its slot, its Tune actor or a stage it builds on before it is given
up."""

LOSSES = (WORKER_LOST, STAGE_LOST)
"""Failures by what surrounds a trial. All others are the trial's own: it would fail again."""

Course = Literal["again", "end"]


def course_after(failure: Failure, trial: Trial, ledger: Ledger) -> Course:
    """Return whether a trial is handed out again after this failure, or ends with it.

    Args:
        failure: What happened now; the ledger does not have it yet.
        trial: To whom.
        ledger: With every loss before as a note.
    """
    if failure.error_class not in LOSSES:
        return "end"
    return "again" if losses(trial, ledger) + 1 < MAX_LOSSES else "end"


def losses(trial: Trial, ledger: Ledger) -> int:
    """Return how often a trial lost what it ran on, in all sessions."""
    return sum(note.get("trial") == trial.number for note in ledger.notes)
