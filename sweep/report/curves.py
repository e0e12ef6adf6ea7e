"""Learning curves: one metric of every trial by epoch."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sweep.ledger import Ledger
from sweep.naming import metric_words
from sweep.report.history import EpochsOf
from sweep.report.style import (
    BEST,
    INK,
    MUTED,
    QUIET,
    Chart,
    arm_colors,
    as_png,
    label,
    legend,
    new_figure,
)
from sweep.study import Study, split_metric
from sweep.trials import RungEntry, Trial, TrialState

Row = tuple[int, str, int, float, int | None, str | None]


@dataclass(frozen=True)
class Curve:
    """A metric of one trial's phase."""

    trial: Trial
    epochs: tuple[int, ...]
    values: tuple[float, ...]


def learning_curves(
    ledger: Ledger,
    study: Study,
    *,
    path: str,
    epochs_of: EpochsOf,
    best: Trial | None,
    template: float | None = None,
) -> Chart | None:
    """Draw one metric (`<label>/<key>`) of every trial by epoch.

    Args:
        ledger: The study.
        study: Its settings.
        path: Which metric.
        epochs_of: Where epochs come from.
        best: The trial to stress.
        template: What the fixed template pose scores, drawn as a line.
    """
    name, key = split_metric(path)
    curves = list(_curves(ledger, name, key, epochs_of))
    if not curves:
        return None
    figure, axes = new_figure()
    colors = arm_colors(list(study.arms))
    _draw(axes, [c for c in curves if c.trial.arm is None], "searched trial", QUIET, 1.0)
    for arm in dict.fromkeys(curve.trial.arm for curve in curves):
        if arm is not None:
            mine = [curve for curve in curves if curve.trial.arm == arm]
            _draw(axes, mine, f"arm {arm}", colors.get(arm, INK), 1.6)
    if best is not None:
        mine = [curve for curve in curves if curve.trial is best]
        _draw(axes, mine, f"best (trial {best.number})", BEST, 2.4)
    stopped = [curve for curve in curves if _stopped_in(curve.trial, name)]
    ends = [c.epochs[-1] for c in stopped], [c.values[-1] for c in stopped]
    axes.plot(*ends, "x", color=MUTED, markersize=6)
    places = sorted({rung.epoch for c in curves for rung in _rungs(c.trial, name).values()})
    for epoch in places:
        axes.axvline(epoch, color=MUTED, linestyle=":", linewidth=1.0, zorder=0)
    if template is not None:
        axes.axhline(template, color=MUTED, linestyle="--", linewidth=1.2, label="fixed template")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    label(axes, x=f"epoch of {name}", y=metric_words(key))
    legend(axes)
    return Chart(
        name=f"learning_curves_{name}",
        title=f"Learning curves of {name}",
        caption="One line per trial; a cross is where early stopping ended it."
        + (" Dotted lines are rungs, where trials are compared." if places else ""),
        png=as_png(figure),
        columns=("trial", "arm", "epoch", key, "rung", "decision"),
        rows=tuple(row for curve in curves for row in _rows(curve, name)),
    )


def _curves(ledger: Ledger, name: str, key: str, epochs_of: EpochsOf) -> Iterator[Curve]:
    for trial in ledger.trials.values():
        for stage in trial.stages:
            if stage.label != name:
                continue
            known = [epoch for epoch in epochs_of(stage) if key in epoch.metrics]
            if known:
                values = tuple(epoch.metrics[key] for epoch in known)
                yield Curve(trial, tuple(epoch.epoch for epoch in known), values)


def _draw(axes: Axes, curves: Sequence[Curve], name: str, color: str, width: float) -> None:
    """Draw curves of one kind as one line with gaps, which a thousand trials need."""
    if not curves:
        return
    epochs = [x for curve in curves for x in (*curve.epochs, math.nan)]
    values = [y for curve in curves for y in (*curve.values, math.nan)]
    axes.plot(epochs, values, "-o", color=color, linewidth=width, markersize=3, label=name)


def _rungs(trial: Trial, name: str) -> dict[int, RungEntry]:
    """Return the decisions about a trial in this phase, by epoch."""
    return {rung.epoch: rung for rung in trial.rungs if rung.label == name}


def _rows(curve: Curve, name: str) -> Iterator[Row]:
    """Yield trial, arm, epoch and value, and what was decided there if it is a rung."""
    trial, rungs = curve.trial, _rungs(curve.trial, name)
    for epoch, value in zip(curve.epochs, curve.values, strict=True):
        rung = rungs.get(epoch)
        decided = (None, None) if rung is None else (rung.rung, _outcome(rung))
        yield trial.number, trial.arm or "", epoch, value, *decided


def _outcome(rung: RungEntry) -> str:
    return "promoted" if rung.promoted else rung.decision


def _stopped_in(trial: Trial, name: str) -> bool:
    stopped = trial.state is TrialState.PRUNED and bool(trial.rungs)
    return stopped and trial.rungs[-1].label == name
