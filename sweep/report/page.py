"""The report's page: one offline file."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sweep.ledger import Ledger
from sweep.messages import shown_duration
from sweep.naming import metric_words, shown_number, trial_name, with_unit
from sweep.report.ablation import ablation_table
from sweep.report.landscape import Landscape
from sweep.report.method import Method
from sweep.report.parallel import OFF, Axis, Coordinates, Line
from sweep.report.ranking import Row, composed
from sweep.report.reproduction import Reproduction
from sweep.report.result import StudyResult
from sweep.report.style import Chart
from sweep.report.verdict import verdict_table
from sweep.report.words import (
    STATE_WORDS,
    codes_of,
    cost_sentence,
    counts,
    difference_text,
    interval_text,
    short_composition,
    template_sentence,
    verdict_text,
    what_it_has,
)
from sweep.tree import flattened
from sweep.trials import Trial

LOCK = "requirements.lock"
TOP = 15
AXIS_STEP = 118
PLOT_LEFT, PLOT_RIGHT = 78, 92
PLOT_TOP, PLOT_BOTTOM = 20, 330


@dataclass(frozen=True)
class PageInputs:
    """What the page shows besides the result.

    Attributes:
        charts: In the order of the page.
        landscape: Those below the leaderboard, each to be unfolded.
        parallel: For the interactive chart, if there is one.
        method: How the answer was come to.
        missing: Why something that people may look for is not there.
        reproduction: How the answer is come to again, if anything has completed.
        weights: The file of the best trial's weights, if there is one.
    """

    charts: Sequence[Chart]
    landscape: Landscape
    parallel: Coordinates | None
    method: Method
    missing: Sequence[str]
    reproduction: Reproduction | None
    weights: str | None


def render_page(result: StudyResult, ledger: Ledger, inputs: PageInputs) -> str:
    """Return the page; it asks the network for nothing."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    many_seeds = len(result.study.seeds.trials) > 1
    leaders = [row for row in result.rows if row.rank <= TOP or row.trial.arm is not None]
    lineage = dict(ledger.lineage if result.best is None else result.best.lineage)
    packages, lock = (lineage.pop(name, None) or {} for name in ("packages", "lock"))
    last_s = max((record["time_s"] for record in ledger.sessions), default=0.0)
    return environment.get_template("index.html.jinja").render(
        study=result.study,
        result=result,
        counts=counts(result),
        date=datetime.fromtimestamp(last_s).strftime("%-d %B %Y") if last_s else "",
        template_sentence=template_sentence(result),
        cost_sentence=cost_sentence(result),
        best_name=trial_name(result.best, many_seeds=many_seeds) if result.best else None,
        composition=_composition(result),
        short_composition="" if result.best is None else _short_best(result.best),
        settings_off=_names_off(result),
        expected=_expected(result),
        reproduction=inputs.reproduction,
        weights=inputs.weights,
        charts=inputs.charts,
        landscape=inputs.landscape,
        parallel=_drawn(inputs.parallel) if inputs.parallel is not None else None,
        differences=[
            (
                f"{pair.first} − {pair.second}".replace("arm ", ""),
                len(pair.differences),
                difference_text(pair),
                interval_text(pair),
                verdict_text(pair),
            )
            for pair in result.pairs
        ],
        verdict_table=None
        if result.verdict is None or result.replication is None
        else verdict_table(result.replication, result.verdict, result.study.objective),
        method=inputs.method,
        searched=[(*_split(one.path), one.range, one.best) for one in inputs.method.searched],
        ablation=None
        if result.ablation is None or result.ablation.plan is None
        else ablation_table(result.ablation, result.study),
        leaders=[_leader(row, result, many_seeds=many_seeds) for row in leaders],
        metric=metric_words(result.study.objective.metric),
        notes=[note["message"] for note in ledger.notes],
        codes=codes_of(ledger),
        lineage=_lineage(result, lineage),
        packages=sorted(packages.items()),
        locked={LOCK: "".join(f"{name}=={version}\n" for name, version in lock.items()).encode()},
        num_locked=len(lock),
        missing=inputs.missing,
    )


def _composition(result: StudyResult) -> list[tuple[str, str, str]]:
    """Return the best trial's parameters as (section, name, value), without what is off."""
    return [(*_split(path), text) for path, text in _best_entries(result) if text != "off"]


def _names_off(result: StudyResult) -> list[tuple[str, str]]:
    """Return what is off in the best trial as (section, name)."""
    return [_split(path) for path, text in _best_entries(result) if text == "off"]


def _short_best(best: Trial) -> str:
    return short_composition(best.params or best.settings)


def _best_entries(result: StudyResult) -> Sequence[tuple[str, str]]:
    return [] if result.best is None else composed(result.best.params or result.best.settings)


def _expected(result: StudyResult) -> Mapping[str, str] | None:
    """Return which number each command that reproduces the best trial should give."""
    best, leader = result.best, result.answer.leader
    if best is None or best.objective is None or leader is None:
        return None
    metric = result.study.objective.metric
    seeds = ", ".join(str(seed) for seed in sorted(leader.values))
    is_mean = len(leader.values) > 1
    of_seeds = f"the mean of trial seeds {seeds}" if is_mean else f"of trial seed {seeds}"
    return {
        "metric": metric_words(metric, unit=False),
        "alone": f"{with_unit(leader.mean, metric)}, {of_seeds}",
        "again": f"{with_unit(best.objective, metric)}, of trial seed {best.seed} alone",
    }


def _split(path: str) -> tuple[str, str]:
    section, _, name = path.rpartition("/")
    return section, name


def _leader(row: Row, result: StudyResult, *, many_seeds: bool) -> Mapping[str, Any]:
    trial = row.trial
    style = "leading" if trial is result.best else ("arm" if trial.arm is not None else "")
    return {
        "rank": row.rank,
        "name": trial_name(trial, many_seeds=many_seeds),
        "value": "" if trial.objective is None else shown_number(trial.objective),
        "state": STATE_WORDS[trial.state],
        "time": shown_duration(trial.duration_s),
        "composition": what_it_has(trial, result.study),
        "style": style,
    }


def _lineage(result: StudyResult, lineage: Mapping[str, Any]) -> list[tuple[str, str]]:
    study = result.study
    return [
        ("study seed", str(study.seeds.study)),
        ("trial seeds", ", ".join(map(str, study.seeds.trials))),
        *((path, str(value)) for path, value in flattened(lineage) if value not in (None, "")),
    ]


def _drawn(found: Coordinates) -> Mapping[str, Any]:
    """Return the coordinates in the units of the page's drawing."""
    return {
        "width": _x(len(found.axes) - 1) + PLOT_RIGHT,
        "height": _y(OFF) + 58,
        "top": PLOT_TOP,
        "bottom": PLOT_BOTTOM,
        "off": _y(OFF),
        "names": _y(OFF) + 26,
        "axes": [_drawn_axis(i, axis) for i, axis in enumerate(found.axes)],
        "lines": [_drawn_line(line) for line in found.lines],
    }


def _drawn_axis(index: int, axis: Axis) -> Mapping[str, Any]:
    return {
        "x": _x(index),
        "ticks": [(_y(height), text) for height, text in axis.ticks],
        "absent": axis.absent,
        "lines": axis.lines,
    }


def _drawn_line(line: Line) -> Mapping[str, Any]:
    points = [f"{_x(i)},{_y(height)}" for i, height in enumerate(line.heights)]
    return {
        "name": line.name,
        "color": line.color,
        "is_best": line.is_best,
        "points": " ".join(points),
        "heights": " ".join(f"{height:.4f}" for height in line.heights),
    }


def _x(index: int) -> int:
    return PLOT_LEFT + AXIS_STEP * index


def _y(height: float) -> float:
    return round(PLOT_BOTTOM - height * (PLOT_BOTTOM - PLOT_TOP), 1)
