"""The ablation in sentences, as figures and as tables."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sweep.ablation.effects import Effect
from sweep.ablation.variants import Ablation
from sweep.messages import counted
from sweep.naming import metric_words, part_name, percent, shown_number, trial_name, with_unit
from sweep.report.style import (
    ARMS,
    FAINT,
    INK,
    MUTED,
    Chart,
    as_png,
    label,
    new_figure,
)
from sweep.study import Study
from sweep.verdict.verdict import CONFIDENCE

HELPS, HARMS = ARMS[0], ARMS[2]
COLUMNS = ("part", "path", "worth", "low", "high", "seeds", "lost", "said")

Row = tuple[str, str, float | None, float | None, float | None, int, int, str]
"""A row of `COLUMNS`."""


@dataclass(frozen=True)
class AblationTable:
    """What the page shows of an ablation.

    Attributes:
        sentence: The whole of it in words.
        rows: Part, worth, interval, seeds, what is said; the strongest first.
        pairs: The same of pairs.
        left_out: Name -> why something that is on was not switched off.
    """

    sentence: str
    rows: Sequence[tuple[str, str, str, int, str]]
    pairs: Sequence[tuple[str, str, str, int, str]]
    left_out: Sequence[tuple[str, str]]


def ablation_table(ablation: Ablation, study: Study) -> AblationTable:
    """Return the ablation as text."""
    metric = study.objective.metric
    assert ablation.plan is not None
    return AblationTable(
        sentence=ablation_sentence(ablation, study),
        rows=[_told(row, metric) for row in _rows(ablation.effects, ablation)],
        pairs=[_told(row, metric) for row in _rows(ablation.interactions, ablation)],
        left_out=list(ablation.plan.left_out.items()),
    )


def ablation_sentence(ablation: Ablation, study: Study) -> str:
    """Say which parts matter, and of how many nothing can be said."""
    name, metric = trial_name(ablation.source), study.objective.metric
    told = [effect for effect in ablation.effects if effect.mean is not None]
    if not told:
        return f"Nothing is known yet of what the parts of {name} are worth."
    certain = sorted((e for e in told if e.is_separated), key=_size, reverse=True)
    parts = [
        f"without {_shown(effect.names[0], ablation)} it is "
        f"{'worse' if effect.mean > 0 else 'better'} by {with_unit(abs(effect.mean), metric, 3)}"
        for effect in certain
        if effect.mean is not None
    ]
    open_ones = len(told) - len(certain)
    rest = f"{counted(open_ones, 'part')} of {name} {'is' if open_ones == 1 else 'are'} not "
    rest += "separated from nothing"
    if not parts:
        return f"No part of {name} can be said to matter: {rest}."
    text = f"Of {name}: {'; '.join(parts)}."
    return f"{text} {rest[0].upper()}{rest[1:]}." if open_ones else text


def ablation_chart(ablation: Ablation, study: Study) -> Chart | None:
    """Draw what each part is worth with its interval; None before a round has finished."""
    rows = [row for row in _rows(ablation.effects, ablation) if row[2] is not None]
    if not rows:
        return None
    left = counted(len(ablation.seeds), "fresh seed")
    return Chart(
        name="ablation",
        title=f"What the parts of {trial_name(ablation.source)} are worth",
        caption=f"{trial_name(ablation.source)[0].upper()}{trial_name(ablation.source)[1:]} was "
        f"trained again as it is and without each of its parts, on the same {left}. To the right: "
        f"better with the part. Intervals hold for all parts together with {percent(CONFIDENCE)} "
        "confidence (Dunnett); grey is what may as well be worth nothing.",
        png=_drawn(rows, f"better with it: {metric_words(study.objective.metric)}"),
        columns=COLUMNS,
        rows=tuple(_rows(ablation.effects, ablation)),
    )


def interactions_chart(ablation: Ablation, study: Study) -> Chart | None:
    """Draw how pairs of parts interact; None where none is known."""
    rows = [row for row in _rows(ablation.interactions, ablation) if row[2] is not None]
    if not rows:
        return None
    return Chart(
        name="ablation_pairs",
        title="Pairs of its strongest parts",
        caption="How much more one is worth where the other is there. To the right: they need each "
        "other; to the left: each can stand in for the other; around zero: their worths add up. "
        f"Intervals hold for all pairs that there could be together with {percent(CONFIDENCE)} "
        "confidence (Šidák), so that it does not matter which were chosen.",
        png=_drawn(rows, f"interaction: {metric_words(study.objective.metric)}"),
        columns=COLUMNS,
        rows=tuple(_rows(ablation.interactions, ablation)),
    )


def _rows(effects: Sequence[Effect], ablation: Ablation) -> list[Row]:
    """Return the effects, the strongest first."""
    return [_row(effect, ablation) for effect in sorted(effects, key=_size, reverse=True)]


def _row(effect: Effect, ablation: Ablation) -> Row:
    low, high = effect.interval or (None, None)
    names = " and ".join(_shown(name, ablation) for name in effect.names)
    paths = " + ".join(effect.names)
    return names, paths, effect.mean, low, high, effect.seeds, effect.lost, _said(effect)


def _shown(name: str, ablation: Ablation) -> str:
    """Return a part's short name, or the whole path where two parts share the short one."""
    times = Counter(part_name(single) for (single,) in ablation.singles)
    return part_name(name) if times[part_name(name)] == 1 else name


def _said(effect: Effect) -> str:
    is_pair = len(effect.names) > 1
    if effect.mean is None:
        return "failed without it" if effect.lost else "not known"
    lost = f", failed without it on {counted(effect.lost, 'seed')}" if effect.lost else ""
    if effect.interval is None:
        return f"not known with {counted(effect.seeds, 'seed')}{lost}"
    if not effect.is_separated:
        return f"not separated{lost}"
    if is_pair:
        return (
            "they need each other" if effect.mean > 0 else "each stands in for the other"
        ) + lost
    return ("matters" if effect.mean > 0 else "does harm") + lost


def _told(row: Row, metric: str) -> tuple[str, str, str, int, str]:
    name, _, mean, low, high, seeds, _, said = row
    worth = "" if mean is None else f"{'+' if mean > 0 else ''}{with_unit(mean, metric, 3)}"
    interval = "" if low is None or high is None else f"{_number(low)} to {_number(high)}"
    return name, worth, interval, seeds, said


def _number(value: float) -> str:
    return f"{'+' if value > 0 else ''}{shown_number(value, 3)}"


def _size(effect: Effect) -> float:
    return -1.0 if effect.mean is None else abs(effect.mean)


def _drawn(rows: Sequence[Row], axis: str) -> bytes:
    figure, axes = new_figure(height_in=max(1.8, 0.38 * len(rows) + 1.2))
    axes.axvline(0.0, color=INK, linewidth=0.8)
    for y, (_, _, mean, low, high, *_) in enumerate(rows):
        assert mean is not None
        is_open = low is None or high is None or low <= 0 <= high
        color = MUTED if is_open else HELPS if mean > 0 else HARMS
        if low is not None and high is not None:
            axes.plot([low, high], [y, y], color=color, linewidth=2.2, solid_capstyle="round")
        axes.plot(mean, y, "o", color=color, markersize=7, zorder=4)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.grid(visible=False, axis="y")
    label(axes, x=axis, y="")
    return as_png(figure)
