"""The objective against the parameters that matter most: one at a time, and two together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from sweep.naming import metric_words, short_names
from sweep.report.importance import Importance
from sweep.report.leading import leading_paths, numeric_distribution
from sweep.report.ranking import as_cell, shown_value
from sweep.report.style import (
    BEST,
    INK,
    TEXT_PT,
    Chart,
    arm_colors,
    as_png,
    label,
    merit_colors,
    new_figure,
    new_grid,
)
from sweep.study import Objective, Study
from sweep.trials import Trial, TrialState

NUM_SLICES = 4
GRID = 60
MIN_FOR_CONTOUR = 20
BY_RANK = " In the order of rank correlation, of which so few trials say little."
KNOWN_WEIGHT = 0.6
"""Where the kernels of all trials together weigh less, nobody has looked."""


def slices_chart(
    found: Importance, arms: Sequence[Trial], study: Study, *, best: Trial | None
) -> Chart | None:
    """Draw the objective against each of the most important parameters.

    Args:
        found: The importance; parameters are in the order of rank correlation without it.
        arms: Trials of arms; those that completed are marked, where they have the parameter.
        study: For the names of arms and the objective.
        best: Marked too.
    """
    paths = leading_paths(found)[:NUM_SLICES]
    if not paths:
        return None
    marked = [t for t in arms if t.state is TrialState.COMPLETE and t.objective is not None]
    trials = [*found.trials, *marked]
    columns = 2 if len(paths) > 1 else 1
    figure, panels = new_grid(math.ceil(len(paths) / columns), columns)
    colors, names = arm_colors(list(study.arms)), short_names(paths, at_least=2)
    for i, (axes, path) in enumerate(zip(panels, paths, strict=False)):
        _draw_slice(axes, path, found.trials, marked, colors, best)
        y = metric_words(study.objective.metric) if i % columns == 0 else ""
        label(axes, x=names[path], y=y)
    return Chart(
        name="slices",
        title="The objective against what matters most",
        caption="A point per comparable trial that has the parameter; diamonds are arms, the "
        "orange ring is the best. Everything else varies too, so a trend is no proof of cause."
        + ("" if found.weights else BY_RANK),
        png=as_png(figure),
        columns=("trial", "arm", *paths, "objective"),
        rows=tuple(
            (
                t.number,
                t.arm or "",
                *(as_cell(t.params[path]) if path in t.params else "" for path in paths),
                t.objective,
            )
            for t in trials
        ),
    )


def _draw_slice(
    axes: Axes,
    path: str,
    searched: Sequence[Trial],
    arms: Sequence[Trial],
    colors: dict[str, str],
    best: Trial | None,
) -> None:
    having = [trial for trial in searched if path in trial.params]
    marked = [trial for trial in arms if path in trial.params]
    everyone = [*having, *marked]
    numeric = numeric_distribution(having, path)
    if numeric is not None:
        places = {trial.number: float(trial.params[path]) for trial in everyone}
        if numeric.log:
            axes.set_xscale("log")
    else:
        levels = sorted({repr(t.params[path]): t.params[path] for t in everyone}.items())
        index = {text: i for i, (text, _) in enumerate(levels)}
        places = {t.number: _beside(index[repr(t.params[path])], t.number) for t in everyone}
        axes.set_xticks(range(len(levels)), [shown_value(value) for _, value in levels])
    at = [places[t.number] for t in having], [_objective(t) for t in having]
    axes.plot(*at, "o", color=INK, alpha=0.45, markersize=4.5, markeredgewidth=0)
    for trial in marked:
        color = colors.get(trial.arm or "", INK)
        axes.plot(places[trial.number], _objective(trial), "D", color=color, markersize=6)
    if best is not None and best.number in places and best.objective is not None:
        at_best = places[best.number], best.objective
        axes.plot(*at_best, "o", fillstyle="none", color=BEST, markersize=11, markeredgewidth=1.8)


def _beside(level: int, number: int) -> float:
    """Return a place near the level's, by the trial's number, so that points do not cover others.

    The golden ratio's multiples are spread evenly whatever their count.
    """
    return level + 0.5 * (number * 0.618034 % 1.0 - 0.5)


def contour_chart(found: Importance, objective: Objective) -> Chart | None:
    """Draw the objective over the two most important numbers; None where there are none.

    They are the first two numbers of the ranking that enough trials have both of, with a gap in
    what is drawn where no trial comes near. The surface is a kernel mean
    (Nadaraya, 1964; Watson, 1964) in the units in which they are drawn, logarithms included, with
    Scott's width (1992) of n^(-1/6) standard deviations.
    """
    pair = _leading_pair(found)
    if pair is None:
        return None
    first, second, trials = pair
    axes_of = (_Scale.of(trials, first), _Scale.of(trials, second))
    points = np.array([[scale.position(t) for scale in axes_of] for t in trials])
    values = np.array([_objective(t) for t in trials])
    surface = kernel_mean(points, values)
    figure, axes = new_figure(height_in=4.6)
    ticks = np.linspace(0, 1, GRID)
    colors = merit_colors() if objective.direction == "minimize" else merit_colors().reversed()
    filled = axes.contourf(ticks, ticks, surface.T, levels=12, cmap=colors)
    axes.plot(points[:, 0], points[:, 1], "o", color="white", markersize=4, markeredgecolor=INK)
    bar = figure.colorbar(filled, ax=axes)
    bar.set_label(metric_words(objective.metric), color=INK, fontsize=TEXT_PT)
    for scale, set_ticks in zip(axes_of, (axes.set_xticks, axes.set_yticks), strict=True):
        set_ticks((0.0, 0.5, 1.0), [shown_value(float(f"{v:.3g}")) for v in scale.marks])
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    names = short_names((first, second), at_least=2)
    label(axes, x=names[first], y=names[second])
    return Chart(
        name="contour",
        title="The two numbers that matter most, together",
        caption=f"Smoothed over the {len(trials)} trials that have both (points); blank where no "
        "trial came near. Everything else varies too.",
        png=as_png(figure),
        columns=("trial", first, second, "objective"),
        rows=tuple((t.number, t.params[first], t.params[second], t.objective) for t in trials),
    )


def kernel_mean(
    points: Float[np.ndarray, "n 2"], values: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "x y"]:
    """Return the Gaussian kernel mean of values over the unit square; NaN far from all points."""
    widths = np.maximum(points.std(axis=0), 0.05) * len(points) ** (-1 / 6)
    ticks = np.linspace(0, 1, GRID)
    offsets = [(ticks[:, None] - points[:, i]) / widths[i] for i in range(2)]
    across, along = (np.exp(-0.5 * offset**2) for offset in offsets)
    weights = np.einsum("xn,yn->xyn", across, along)
    total = weights.sum(axis=-1)
    mean: Float[np.ndarray, "x y"] = np.where(
        total < KNOWN_WEIGHT, np.nan, weights @ values / np.maximum(total, 1e-12)
    )
    return mean


def _leading_pair(found: Importance) -> tuple[str, str, list[Trial]] | None:
    """Return the first two numbers that enough trials have, and those trials."""
    numbers = [p for p in leading_paths(found) if numeric_distribution(found.trials, p) is not None]
    for first, second in combinations(numbers, 2):
        trials = [t for t in found.trials if first in t.params and second in t.params]
        if len(trials) >= MIN_FOR_CONTOUR:
            return first, second, trials
    return None


@dataclass(frozen=True)
class _Scale:
    """Where values lie between the least and the greatest, by their logarithms if so drawn."""

    path: str
    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, trials: Sequence[Trial], path: str) -> "_Scale":
        """Return the scale that spans what was tried."""
        drawn = numeric_distribution(trials, path)
        values = [float(trial.params[path]) for trial in trials]
        return cls(path, min(values), max(values), log=drawn is not None and drawn.log)

    def position(self, trial: Trial) -> float:
        """Return a trial's place in [0, 1]."""
        value = float(trial.params[self.path])
        if self.high == self.low:
            return 0.5
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    @property
    def marks(self) -> tuple[float, float, float]:
        """Return the values at 0, 0.5 and 1."""
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return self.low, middle, self.high


def _objective(trial: Trial) -> float:
    assert trial.objective is not None, "it completed"
    return trial.objective
