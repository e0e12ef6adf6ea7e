"""Cohorts of searched trials, which synchronous successive halving compares with each other."""

from sweep.agenda import unfinished
from sweep.ledger import Ledger
from sweep.study import Study
from sweep.trials import Trial


def cohorts(ledger: Ledger, size: int) -> list[list[Trial]]:
    """Return the cohorts in the order in which they were asked for; the last may be incomplete."""
    trials = ledger.searched()
    return [trials[start : start + size] for start in range(0, len(trials), size)]


def settled_before(trial: Trial, ledger: Ledger, size: int) -> list[Trial]:
    """Return the trials whose ends do not depend on timing as a trial of a cohort sees them.

    Every trial with a lower number than the cohort's first one had ended before it was asked for.
    """
    first = next(members[0] for members in cohorts(ledger, size) if trial in members)
    return [other for other in ledger.trials.values() if other.number < first.number]


def next_may_be_asked_for(study: Study, ledger: Ledger) -> bool:
    """Say whether everything has ended that the next searched trial's suggestion may depend on.

    That is every trial of the study which is not of its own cohort, arms included.
    """
    searched, size = ledger.searched(), study.early_stop.cohort
    cohort = {trial.number for trial in searched[len(searched) // size * size :]}
    return all(trial.number in cohort for trial in unfinished(study, ledger))
