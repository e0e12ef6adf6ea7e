"""Parallel coordinates: which parameters go with a good objective; one geometry, two drawings."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from scipy import stats

from sweep.ledger import Ledger
from sweep.naming import metric_words, short_names, trial_name
from sweep.report.ranking import shown_value
from sweep.report.style import (
    BEST,
    FAINT,
    INK,
    MUTED,
    TEXT_PT,
    Chart,
    as_png,
    merit_colors,
    new_figure,
)
from sweep.study import Objective, Study
from sweep.trials import Trial, TrialState

MAX_AXES = 8
OFF = -0.14
"""Where a line passes that does not have the parameter: below the axis."""

LOG_RATIO = 30.0


@dataclass(frozen=True)
class Axis:
    """A parameter, or the objective.

    Attributes:
        path: The parameter's path.
        lines: Its name, broken for narrow columns.
        heights: Trial number -> where its line crosses the axis, 0 at the bottom to 1; `OFF` for
            trials without the parameter; absent where the line ends before it.
        ticks: (height, text).
        absent: What a trial without the parameter is called here; empty if there is none.
    """

    path: str
    lines: tuple[str, ...]
    heights: Mapping[int, float]
    ticks: tuple[tuple[float, str], ...]
    absent: str


@dataclass(frozen=True)
class Line:
    """A trial's way through the axes."""

    trial: int
    name: str
    color: str
    is_best: bool
    heights: tuple[float, ...]


@dataclass(frozen=True)
class Coordinates:
    """Everything that either drawing needs.

    Attributes:
        num_hidden: Parameters that vary but are not shown.
    """

    axes: tuple[Axis, ...]
    lines: tuple[Line, ...]
    num_hidden: int


def coordinates(ledger: Ledger, study: Study, *, best: Trial | None) -> Coordinates | None:
    """Lay the trials out over the parameters that vary, those that matter most first.

    A parameter's rank correlation with the objective, over completed trials, says how much it
    matters; a switch `x/enabled` is left out beside a strength `x/...`, whose axis shows "off".
    """
    trials = [t for t in ledger.trials.values() if t.params and t.state is not TrialState.FAIL]
    done = [trial for trial in trials if trial.objective is not None]
    if len(done) < 2:
        return None
    paths = sorted({path for trial in trials for path in trial.params})
    names = short_names(paths, at_least=2)
    axes = [axis for path in paths if (axis := _parameter_axis(path, names, trials)) is not None]
    axes.sort(key=lambda axis: -_importance(axis, done))
    shown = axes[:MAX_AXES]
    if not shown:
        return None
    objective = _objective_axis(done, study.objective)
    lines = tuple(
        _line(trial, (*shown, objective), study, is_best=trial is best)
        for trial in sorted(trials, key=lambda t: (t is best, objective.heights.get(t.number, -1)))
    )
    return Coordinates((*shown, objective), lines, len(axes) - len(shown))


def parallel_chart(found: Coordinates, ledger: Ledger) -> Chart:
    """Draw the coordinates as a picture."""
    figure, axes = new_figure(width_in=max(7.0, 1.05 * len(found.axes)), height_in=4.2)
    _prepare(axes, found)
    axes.add_collection(
        LineCollection(
            [list(enumerate(line.heights)) for line in found.lines],
            colors=[line.color for line in found.lines],
            linewidths=[2.6 if line.is_best else 1.1 for line in found.lines],
            alpha=[1.0 if line.is_best else 0.75 for line in found.lines],
        )
    )
    paths = _all_paths(ledger, [axis.path for axis in found.axes[:-1]])
    hidden = f" {found.num_hidden} more that vary are in its CSV." if found.num_hidden else ""
    return Chart(
        name="parallel_coordinates",
        title="Which settings go with a good objective",
        caption="A line per trial, dark is good, orange is the best, grey has no objective. Axes "
        "stand in the order of their rank correlation with the objective, which is no proof of "
        f"cause; off means that the operation is not in the composition.{hidden}",
        png=as_png(figure),
        columns=("trial", "arm", "state", *paths, "objective"),
        rows=tuple(
            (
                t.number,
                t.arm or "",
                str(t.state),
                *(t.params.get(path, "") for path in paths),
                "" if t.objective is None else t.objective,
            )
            for t in ledger.trials.values()
        ),
    )


def _all_paths(ledger: Ledger, first: Sequence[str]) -> list[str]:
    rest = {path for trial in ledger.trials.values() for path in trial.params} - set(first)
    return [*first, *sorted(rest)]


def _prepare(axes: Axes, found: Coordinates) -> None:
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.set_xlim(-0.35, len(found.axes) - 0.6)
    axes.set_ylim(OFF - 0.1, 1.06)
    axes.set_xticks(
        range(len(found.axes)), ["\n".join(a.lines) for a in found.axes], fontsize=TEXT_PT - 2.5
    )
    axes.tick_params(length=0)
    small: dict[str, Any] = {"fontsize": TEXT_PT - 3.5, "color": MUTED, "va": "center"}
    for x, axis in enumerate(found.axes):
        axes.plot((x, x), (0, 1), color=INK, linewidth=0.8)
        for height, text in axis.ticks:
            axes.text(x + 0.05, height, text, **small)
        if axis.absent:
            axes.plot(x, OFF, "o", color=FAINT, markersize=4)
            axes.text(x + 0.05, OFF - 0.045, axis.absent, **small)


def _parameter_axis(path: str, names: Mapping[str, str], trials: Sequence[Trial]) -> Axis | None:
    stem = path.removesuffix("/enabled")
    if stem != path and any(p.startswith(f"{stem}/") and p != path for p in names):
        return None
    values = {trial.number: trial.params[path] for trial in trials if path in trial.params}
    num_levels = len(set(map(repr, values.values()))) + (len(values) < len(trials))
    if num_levels < 2:
        return None
    heights, ticks = _scaled(values)
    heights |= {trial.number: OFF for trial in trials if trial.number not in values}
    lines = tuple(names[path].rsplit("/", 1))
    absent = "" if len(values) == len(trials) else ("off" if _switched(path, names) else "not set")
    return Axis(path, lines, heights, ticks, absent)


def _switched(path: str, paths: Collection[str]) -> bool:
    """Say whether a parameter belongs to an operation that has a switch."""
    return f"{path.rpartition('/')[0]}/enabled" in paths


def _objective_axis(done: Sequence[Trial], objective: Objective) -> Axis:
    values = {trial.number: trial.objective for trial in done}
    heights, ticks = _scaled(values)
    if objective.direction == "minimize":  # the best is on top
        heights = {number: 1 - height for number, height in heights.items()}
        ticks = tuple((1 - height, text) for height, text in ticks)
    return Axis(
        objective.metric, (metric_words(objective.metric), "best on top"), heights, ticks, ""
    )


def _scaled(values: Mapping[int, Any]) -> tuple[dict[int, float], tuple[tuple[float, str], ...]]:
    """Return heights in [0, 1], and ticks: linear or log for numbers, even steps for the rest."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values.values())
    levels = sorted(set(values.values()), key=lambda v: v if numbers else str(v))
    if not numbers or len(levels) == 1:
        places = {repr(v): (i + 0.5) / len(levels) for i, v in enumerate(levels)}
        ticks = tuple((places[repr(level)], shown_value(level)) for level in levels)
        return {number: places[repr(value)] for number, value in values.items()}, ticks
    low, high = float(levels[0]), float(levels[-1])
    log = low > 0 and high / low >= LOG_RATIO

    def height(value: float) -> float:
        if log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    middle = math.sqrt(low * high) if log else (low + high) / 2
    ticks = tuple((height(v), shown_value(float(f"{v:.3g}"))) for v in (low, middle, high))
    return {number: height(float(value)) for number, value in values.items()}, ticks


def _importance(axis: Axis, done: Sequence[Trial]) -> float:
    heights = [axis.heights[trial.number] for trial in done]
    values = [trial.objective for trial in done if trial.objective is not None]
    if len(set(heights)) < 2 or len(set(values)) < 2:
        return 0.0
    return abs(float(stats.spearmanr(heights, values).statistic))


def _line(trial: Trial, axes: Sequence[Axis], study: Study, *, is_best: bool) -> Line:
    objective = axes[-1].heights.get(trial.number)
    color = FAINT if objective is None else to_hex(merit_colors()(1 - objective))
    value = "" if trial.objective is None else f": {trial.objective:.4g}"
    return Line(
        trial=trial.number,
        name=trial_name(trial, many_seeds=len(study.seeds.trials) > 1) + value,
        color=BEST if is_best else color,
        is_best=is_best,
        heights=tuple(a.heights[trial.number] for a in axes if trial.number in a.heights),
    )
