"""The figures below the leaderboard: what matters, how it acts, and where the time went."""

from dataclasses import dataclass

from sweep.ledger import Ledger
from sweep.report.front import cost_front_chart
from sweep.report.importance import importance_chart, importance_of
from sweep.report.result import StudyResult
from sweep.report.slices import contour_chart, slices_chart
from sweep.report.spending import spending_chart
from sweep.report.style import Chart


@dataclass(frozen=True)
class Landscape:
    """Figures for whoever wants to know more than what won.

    Attributes:
        why_no_importance: A sentence where trials do not suffice; None where there is a figure, or
            nothing was searched.
    """

    charts: tuple[Chart, ...]
    why_no_importance: str | None


def landscape_of(ledger: Ledger, result: StudyResult) -> Landscape:
    """Draw what there is something to draw of."""
    study = result.study
    found = importance_of(ledger, study)
    arms = [trial for trial in ledger.trials.values() if trial.arm is not None]
    charts = (
        importance_chart(found),
        slices_chart(found, arms, study, best=result.best),
        contour_chart(found, study.objective),
        cost_front_chart(ledger, study, result.cost),
        spending_chart(ledger, result.cost),
    )
    return Landscape(
        charts=tuple(chart for chart in charts if chart is not None),
        why_no_importance=found.sentence if ledger.searched() and not found.weights else None,
    )
