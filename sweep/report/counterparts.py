"""Whom the best trial is shown beside: the control it is measured by, and the worst composition."""

from collections.abc import Callable

from sweep.report.result import StudyResult
from sweep.trials import Trial, TrialState


def control_of(result: StudyResult) -> Trial | None:
    """Return a trial of the control, of the best trial's seed if there is one.

    The control is the arm that the verdict compares the winner with; without a verdict the best
    arm beside a searched point, and the last arm beside an arm, so that one sees what arms differ
    by most.
    """
    best = result.best
    if best is None:
        return None
    arms = [arm for arm in result.arms if arm.arm != best.arm]
    if not arms:
        return None
    leads = () if result.verdict is None else result.verdict.leads
    decided = [arm for lead in leads[:1] for arm in arms if arm.name == lead.control]
    (control,) = decided or (arms[:1] if best.arm is None else arms[-1:])
    return next((t for t in control.trials if t.seed == best.seed), control.trials[0])


def worst_of(result: StudyResult, is_alike: Callable[[Trial], bool]) -> Trial | None:
    """Return the trial with the worst objective of those that completed, beside the best.

    Args:
        result: What the study came to.
        is_alike: Says of a trial whether it can be compared with the best.
    """
    return next(
        (
            row.trial
            for row in reversed(result.rows)
            if row.trial.state is TrialState.COMPLETE
            and row.trial is not result.best
            and is_alike(row.trial)
        ),
        None,
    )
