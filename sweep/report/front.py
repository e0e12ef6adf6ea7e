"""The Pareto front: what cannot be had better without something else getting worse."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from matplotlib.axes import Axes

from sweep.ledger import Ledger
from sweep.naming import metric_words, trial_name
from sweep.objectives import (
    bound_text,
    is_feasible,
    pareto_front,
    spent_on,
    targets,
    values_of,
)
from sweep.report.cost import Cost
from sweep.report.style import (
    BEST,
    INK,
    MUTED,
    TEXT_PT,
    Chart,
    arm_colors,
    as_png,
    label,
    legend,
    new_figure,
)
from sweep.study import COST, Study, Target
from sweep.trials import Trial, TrialState

NAMED = 8
"""As many points of the front are named as a reader can tell apart."""


Judged = Sequence[tuple[Trial, list[float]]]
"""Complete trials with the value of every target."""


def front_chart(ledger: Ledger, study: Study) -> Chart | None:
    """Draw the objective against the first further one, for a study that has one."""
    return _chart(ledger.in_state(TrialState.COMPLETE), study) if study.objective.also else None


def cost_front_chart(ledger: Ledger, study: Study, cost: Cost) -> Chart | None:
    """Draw the objective against what training took, for a study that is asked for nothing else.

    Trials whose cost is not known, as another study trained a stage of theirs, are left out.
    """
    if study.objective.also:
        return None
    cost = cost.comparable
    metric = f"{COST}/{cost.unit}"
    objective = study.objective.model_copy(
        update={"also": [Target(metric=metric, direction="minimize")]}
    )
    priced = [
        replace(trial, others={**trial.others, metric: cost.in_unit(taken)})
        for trial in ledger.in_state(TrialState.COMPLETE)
        if (taken := spent_on(trial, ledger)) is not None
    ]
    return _chart(priced, study.model_copy(update={"objective": objective}))


def _chart(trials: Sequence[Trial], study: Study) -> Chart | None:
    objective = study.objective
    complete = [
        (trial, values) for trial in trials if (values := values_of(trial, objective)) is not None
    ]
    if not complete:
        return None
    front = {trial.number for trial in pareto_front([t for t, _ in complete], objective)}
    figure, axes = new_figure()
    _draw_trials(axes, complete, study)
    _draw_front(axes, [(t, values) for t, values in complete if t.number in front], study)
    axes.margins(0.12)
    label(axes, x=metric_words(objective.also[0].metric), y=metric_words(objective.metric))
    legend(axes)
    metrics = [target.metric for target in targets(objective)]
    return Chart(
        name="pareto_front",
        title="The objective against its cost" if _is_cost(study) else "The Pareto front",
        caption=_caption(study),
        png=as_png(figure),
        columns=("trial", "arm", *metrics, "feasible", "pareto"),
        rows=tuple(
            (t.number, t.arm or "", *values, is_feasible(t, objective), t.number in front)
            for t, values in complete
        ),
    )


def _draw_trials(axes: Axes, complete: Judged, study: Study) -> None:
    kept = [(t, values) for t, values in complete if is_feasible(t, study.objective)]
    broken = [(t, values) for t, values in complete if not is_feasible(t, study.objective)]
    kinds = [
        ("breaks a constraint", broken, "x", MUTED),
        ("searched trial", [point for point in kept if point[0].arm is None], "o", INK),
    ]
    for arm, color in arm_colors(list(study.arms)).items():
        kinds.append((f"arm {arm}", [point for point in kept if point[0].arm == arm], "D", color))
    for name, points, marker, color in kinds:
        if points:
            at = [values[1] for _, values in points], [values[0] for _, values in points]
            axes.plot(*at, marker, color=color, markersize=6, alpha=0.85, label=name)


def _draw_front(axes: Axes, front: Judged, study: Study) -> None:
    """Ring the front's points; with two targets also draw the edge of what can be had."""
    if not front:
        return
    points = sorted((values[1], values[0], trial.number, trial) for trial, values in front)
    at = [point[0] for point in points], [point[1] for point in points]
    if len(study.objective.also) == 1:
        less_is_better = study.objective.also[0].direction == "minimize"
        where: Literal["post", "pre"] = "post" if less_is_better else "pre"
        axes.step(*at, where=where, color=BEST, linewidth=1.6, zorder=1)
    axes.plot(*at, "o", fillstyle="none", color=BEST, markersize=12, label="on the front")
    # Towards what is better there is nothing for a name to hide.
    beside = -1 if study.objective.also[0].direction == "minimize" else 1
    above = -1 if study.objective.direction == "minimize" else 1
    for x, y, _, trial in points[:NAMED]:
        axes.annotate(
            trial_name(trial, many_seeds=len(study.seeds.trials) > 1),
            (x, y),
            xytext=(9 * beside, 9 * above),
            textcoords="offset points",
            ha="right" if beside < 0 else "left",
            va="top" if above < 0 else "bottom",
            fontsize=TEXT_PT - 2,
            color=INK,
        )


def _is_cost(study: Study) -> bool:
    return study.objective.also[0].metric.startswith("cost/")


def _caption(study: Study) -> str:
    objective = study.objective
    text = (
        "A point per completed trial; of those with a ring none has another that is as good in "
        "everything and better in something."
    )
    if len(objective.also) > 1:
        hidden = ", ".join(metric_words(target.metric) for target in objective.also[1:])
        text += f" The front counts {hidden} too, which is not shown."
    if objective.constraints:
        bounds = ", ".join(
            f"{metric_words(c.metric)} {bound_text(c)}" for c in objective.constraints
        )
        text += f" Constraints: {bounds}."
    return text
