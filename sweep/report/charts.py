"""The report's charts, each with the data it shows."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from scipy import stats

from sweep.candidates import Candidate, in_order
from sweep.ledger import Ledger
from sweep.naming import best_of, metric_words
from sweep.objectives import is_feasible
from sweep.report.comparison import PairedDifference
from sweep.report.history import EpochsOf
from sweep.report.style import (
    BEST,
    FAINT,
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
from sweep.study import Objective, Study, split_metric
from sweep.trials import Trial, TrialState

MIN_FOR_CORRELATION = 3
MANY_PAIRS = 15
"""Five or six arms; the pairs of more are a wall."""


def objective_over_time(ledger: Ledger, study: Study) -> Chart | None:
    """Draw every completed trial when it ended, and the best so far that keeps the constraints."""
    done = sorted(
        (t for t in ledger.in_state(TrialState.COMPLETE) if t.objective is not None),
        key=lambda trial: trial.ended_s or 0.0,
    )
    if not done:
        return None
    start_s = min(trial.created_s for trial in ledger.trials.values())
    minutes = [((trial.ended_s or start_s) - start_s) / 60 for trial in done]
    values = [trial.objective for trial in done if trial.objective is not None]
    direction = study.objective.direction
    counted = [
        value if is_feasible(trial, study.objective) else None
        for trial, value in zip(done, values, strict=True)
    ]
    best = list(accumulate(counted, lambda a, b: _better_known(a, b, direction)))
    figure, axes = new_figure()
    shown = [math.nan if value is None else value for value in best]
    axes.step(minutes, shown, where="post", color=BEST, linewidth=2, label="best so far")
    for arm, color in arm_colors(list(study.arms)).items():
        mine = [i for i, trial in enumerate(done) if trial.arm == arm]
        at = [minutes[i] for i in mine], [values[i] for i in mine]
        if mine:
            axes.scatter(*at, s=46, color=color, marker="D", label=f"arm {arm}", zorder=3)
    searched = [i for i, trial in enumerate(done) if trial.arm is None]
    if searched:
        at = [minutes[i] for i in searched], [values[i] for i in searched]
        axes.scatter(*at, s=30, color=INK, alpha=0.75, label="searched trial", zorder=3)
    for state, color, name in (
        (TrialState.PRUNED, MUTED, "stopped early"),
        (TrialState.FAIL, BEST, "failed"),
    ):
        ends = [((t.ended_s or start_s) - start_s) / 60 for t in ledger.in_state(state)]
        if ends:
            rug = axes.get_xaxis_transform()
            height = [0.02] * len(ends)
            axes.plot(
                ends,
                height,
                "x",
                transform=rug,
                color=color,
                markersize=6,
                label=name,
                clip_on=False,
            )
    label(axes, x="minutes since the study began", y=metric_words(study.objective.metric))
    legend(axes)
    return Chart(
        name="objective_over_time",
        title="The objective over time",
        caption="A point per completed trial where it ended; crosses on the axis are trials that "
        "have no objective.",
        png=as_png(figure),
        columns=("trial", "arm", "minutes", "objective", "best_so_far"),
        rows=tuple(
            (t.number, t.arm or "", round(m, 3), v, b)
            for t, m, v, b in zip(done, minutes, values, best, strict=True)
        ),
    )


def _better_known(first: float | None, second: float | None, direction: str) -> float | None:
    known = [value for value in (first, second) if value is not None]
    return best_of(known, direction) if known else None


def proxy_against_objective(
    ledger: Ledger, study: Study, *, path: str, epochs_of: EpochsOf, best: Trial | None
) -> Chart | None:
    """Draw the last value of a phase's proxy (`<label>/<key>`) against the objective."""
    name, key = split_metric(path)
    points: list[tuple[Trial, float, float]] = []
    for trial in ledger.in_state(TrialState.COMPLETE):
        for stage in trial.stages:
            values = [e.metrics[key] for e in epochs_of(stage) if key in e.metrics]
            if stage.label == name and values and trial.objective is not None:
                points.append((trial, values[-1], trial.objective))
    if not points:
        return None
    figure, axes = new_figure()
    colors = arm_colors(list(study.arms))
    searched = [point for point in points if point[0].arm is None]
    at_x, at_y = [point[1] for point in searched], [point[2] for point in searched]
    axes.plot(at_x, at_y, "o", color=INK, markersize=6, alpha=0.8)
    named: set[str | None] = set()
    for trial, proxy, objective in points:
        if trial.arm is None and trial is not best:
            continue
        color = BEST if trial is best else colors.get(trial.arm or "", INK)
        axes.plot(proxy, objective, "o" if trial.arm is None else "D", color=color, markersize=7)
        if trial is not best and trial.arm in named:
            continue
        named.add(trial.arm)
        axes.annotate(
            trial.arm or f"best (trial {trial.number})",
            (proxy, objective),
            textcoords="offset points",
            xytext=(7, 3),
            fontsize=TEXT_PT - 2,
            color=INK,
        )
    label(axes, x=f"{metric_words(key)} after {name}", y=metric_words(study.objective.metric))
    return Chart(
        name=f"proxy_{name}",
        title=f"Does {name}'s proxy foretell the objective?",
        caption=_correlation([p[1] for p in points], [p[2] for p in points]),
        png=as_png(figure),
        columns=("trial", "arm", key, "objective"),
        rows=tuple((trial.number, trial.arm or "", x, y) for trial, x, y in points),
    )


def _correlation(proxy: Sequence[float], objective: Sequence[float]) -> str:
    if len(proxy) < MIN_FOR_CORRELATION or len(set(proxy)) < 2 or len(set(objective)) < 2:
        return f"{len(proxy)} completed trials are too few for a rank correlation."
    rho = float(stats.spearmanr(proxy, objective).statistic)
    return (
        f"Spearman's rank correlation over {len(proxy)} completed trials: {rho:.2f}. "
        "Trials that were stopped early have no objective and are not among them."
    )


def arms_compared(
    found: Sequence[Candidate], study: Study, *, template: float | None
) -> Chart | None:
    """Draw each arm's trial seeds, their mean and standard deviation."""
    arms = in_order([c for c in found if c.arm is not None], study.objective)
    if not arms:
        return None
    figure, axes = new_figure(height_in=max(1.6, 0.55 * len(arms) + 1.2))
    colors = arm_colors(list(study.arms))
    for y, arm in enumerate(arms):
        color = colors.get(arm.arm or "", INK)
        values = list(arm.values.values())
        axes.scatter(values, [y] * len(values), s=34, color=color, alpha=0.55, zorder=3)
        axes.errorbar(
            arm.mean, y - 0.22, xerr=arm.sd, fmt="D", color=color, markersize=6, capsize=3, zorder=4
        )
    if template is not None:
        axes.axvline(template, color=MUTED, linestyle="--", linewidth=1.2, label="fixed template")
    axes.set_yticks(range(len(arms)), [arm.arm or "" for arm in arms])
    axes.set_ylim(len(arms) - 0.5, -0.6)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.grid(visible=False, axis="y")
    label(axes, x=metric_words(study.objective.metric), y="")
    legend(axes)
    return Chart(
        name="arms",
        title="The arms",
        caption="Dots are training seeds, diamonds their mean with one standard deviation.",
        png=as_png(figure),
        columns=("arm", "seed", "objective"),
        rows=tuple((arm.arm, seed, v) for arm in arms for seed, v in arm.values.items()),
    )


def differences(pairs: Sequence[PairedDifference], objective: Objective) -> Chart | None:
    """Draw the paired differences with their intervals; None where no pair has one."""
    shown = [pair for pair in pairs if pair.interval is not None]
    if not shown:
        return None
    some = ""
    if len(shown) > MANY_PAIRS:  # they stand in order of merit, so the first is the best arm
        shown, count = [pair for pair in shown if pair.first == shown[0].first], len(shown)
        some = f" Those of the best arm are drawn, all {count} are in the table."
    figure, axes = new_figure(height_in=max(1.6, 0.5 * len(shown) + 1.2))
    for y, pair in enumerate(shown):
        assert pair.interval is not None
        color = INK if pair.separated else MUTED
        axes.plot(pair.interval, (y, y), color=color, linewidth=2.4, solid_capstyle="round")
        seeds = list(pair.differences.values())
        axes.plot(seeds, [y + 0.2] * len(seeds), ".", color=MUTED, markersize=5)
        axes.plot(pair.mean, y, "D", color=color, markersize=6)
    axes.axvline(0, color=BEST, linewidth=1)
    names = [f"{p.first} − {p.second}".replace("arm ", "") for p in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.5, -0.6)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.grid(visible=False, axis="y")
    label(axes, x=f"difference of {metric_words(objective.metric)}", y="")
    good = "left" if objective.direction == "minimize" else "right"
    return Chart(
        name="paired_differences",
        title="Paired differences",
        caption=f"Mean difference by trial seed with its 95 % interval; {good} of the line the "
        "first arm is better, and grey intervals hold zero. Each interval is of its pair alone, "
        f"not corrected for their number: of many, some leave out zero by chance.{some}",
        png=as_png(figure),
        columns=("first", "second", "n", "mean", "low", "high"),
        rows=tuple(
            (p.first, p.second, len(p.differences), p.mean, *(p.interval or ("", "")))
            for p in pairs
        ),
    )


def proxies_of(ledger: Ledger, proxies: Mapping[str, str]) -> list[str]:
    """Return `<label>/<key>` of every proxy that a phase of the study reports.

    Args:
        ledger: The study.
        proxies: Phase name -> metric key.
    """
    stages = [stage for trial in ledger.trials.values() for stage in trial.stages]
    return sorted({f"{s.label}/{proxies[s.phase]}" for s in stages if s.phase in proxies})
