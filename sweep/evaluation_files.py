"""What `sweep/evaluate.py` shows and writes: a table, JSON, CSV, and the PCK curves as PNG."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from hpe.evaluation.hand_pose_scores import JointErrors, PckCurve, Score
from hpe.evaluation.split_scores import Means, SplitScores
from hpe.whole_file import write_text
from sweep.report.style import ARMS, as_png, label, legend, new_figure

CURVE_WORDS: Mapping[str, str] = {
    "root_epe_mm": "wrist at the origin",
    "pa_epe_mm": "aligned (PA)",
    "pa_epe_official_freihand_mm": "aligned, official FreiHAND",
    "epe_mm": "in the camera",
    "denoised_epe_mm": "in the camera, denoised",
}
"""What a curve's errors are, in the figure's legend."""


@dataclass(frozen=True)
class Evaluation:
    """All that was found out about one network on one split.

    Attributes:
        about: What was scored on what and how: facts for the record.
        scores: Whole-split scores.
        kinds: The kinds of errors that parts are told in.
        joints: Joint -> kind -> mean error.
        fingers: Finger -> kind -> mean error.
        sequences: Recording -> kind -> mean error; empty where none are known.
        curves: PCK curves.
    """

    about: Mapping[str, Any]
    scores: Sequence[Score]
    kinds: Sequence[JointErrors]
    joints: Means
    fingers: Means
    sequences: Means
    curves: PckCurve


def scores_table(scores: Sequence[Score]) -> Table:
    """Return scores with their protocols in words."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("score", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("of", justify="right", no_wrap=True)
    table.add_column("protocol")
    for score in scores:
        table.add_row(score.name, shown(score.value), str(score.count), score.protocol)
    return table


def parts_table(evaluation: Evaluation) -> Table:
    """Return mean errors by finger."""
    wrist = {"wrist": evaluation.joints["wrist"]}
    return table_of("finger", {**wrist, **evaluation.fingers})


def table_of(part: str, means: Means) -> Table:
    """Return scores by part.

    Args:
        part: What one part is called.
        means: Part -> score -> value.
    """
    names = _columns(means)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(part, no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for key, values in means.items():
        table.add_row(key, *(shown(values[name]) for name in names))
    return table


def shown(value: float) -> str:
    """Return a number as tables show it."""
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.2f}"


def write_evaluation(folder: Path, evaluation: Evaluation) -> list[Path]:
    """Write everything into a folder and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        "about": dict(evaluation.about),
        "scores": [asdict(score) for score in evaluation.scores],
        "errors": {kind.name: kind.protocol for kind in evaluation.kinds},
        "joints": _finite(evaluation.joints),
        "fingers": _finite(evaluation.fingers),
        "sequences": _finite(evaluation.sequences),
    }
    texts = {
        "scores.json": json.dumps(whole, indent=1, allow_nan=False),
        "scores.csv": _csv(
            ("score", "value", "count", "protocol"),
            ((s.name, s.value, s.count, s.protocol) for s in evaluation.scores),
        ),
        "joints.csv": _means_csv("joint", evaluation.joints),
        "fingers.csv": _means_csv("finger", evaluation.fingers),
    }
    if evaluation.sequences:
        texts["sequences.csv"] = _means_csv("sequence", evaluation.sequences)
    curves = evaluation.curves
    if curves.shares:
        columns = zip(curves.thresholds_mm, *curves.shares.values(), strict=True)
        texts["pck.csv"] = _csv(("threshold_mm", *curves.shares), columns)
    for name, text in texts.items():
        write_text(folder / name, text)
    written = [folder / name for name in texts]
    if curves.shares:
        (folder / "pck.png").write_bytes(pck_figure(curves))
        written.append(folder / "pck.png")
    return written


def write_split_scores(folder: Path, about: Mapping[str, Any], scored: SplitScores) -> list[Path]:
    """Write scores, whole and in parts, into a folder and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        "about": dict(about),
        "scores": [{**asdict(s), "value": _or_none(s.value)} for s in scored.scores],
        **{name: _finite(means) for name, means in scored.tables.items()},
    }
    texts = {
        "scores.json": json.dumps(whole, indent=1, allow_nan=False),
        "scores.csv": _csv(
            ("score", "value", "count", "protocol"),
            ((s.name, s.value, s.count, s.protocol) for s in scored.scores),
        ),
        **{
            f"{name}.csv": _means_csv(name.removesuffix("s"), means)
            for name, means in scored.tables.items()
        },
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def pck_figure(curves: PckCurve) -> bytes:
    """Return the curves as PNG."""
    figure, axes = new_figure()
    for color, (name, shares) in zip(ARMS, curves.shares.items(), strict=False):
        axes.plot(curves.thresholds_mm, shares, color=color, linewidth=1.8, label=CURVE_WORDS[name])
    axes.set_xlim(0, curves.thresholds_mm[-1])
    axes.set_ylim(0, 1.02)
    label(axes, x="error at most, in mm", y="share of joints (PCK)")
    legend(axes)
    return as_png(figure)


def _finite(means: Means) -> dict[str, dict[str, float | None]]:
    return {
        part: {name: _or_none(value) for name, value in values.items()}
        for part, values in means.items()
    }


def _means_csv(part: str, means: Means) -> str:
    names = _columns(means)
    rows = ((key, *(values[name] for name in names)) for key, values in means.items())
    return _csv((part, *names), rows)


def _columns(means: Means) -> list[str]:
    return list(next(iter(means.values())))


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
