"""Whom the best trial is shown beside: the control it is measured by, and the worst composition."""

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


def worst_of(result: StudyResult) -> Trial | None:
    """Return the trial with the worst objective of those that completed, unless it is the best."""
    done = [row.trial for row in result.rows if row.trial.state is TrialState.COMPLETE]
    return done[-1] if len(done) > 1 else None
