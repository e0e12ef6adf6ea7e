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
from hpe.whole_file import write_text
from sweep.report.style import ARMS, as_png, label, legend, new_figure

Means = Mapping[str, Mapping[str, float]]

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


def scores_table(evaluation: Evaluation) -> Table:
    """Return scores with their protocols in words."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("score", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("of", justify="right", no_wrap=True)
    table.add_column("protocol")
    for score in evaluation.scores:
        table.add_row(score.name, shown(score.value), str(score.count), score.protocol)
    return table


def parts_table(evaluation: Evaluation) -> Table:
    """Return mean errors by finger."""
    names = [kind.name for kind in evaluation.kinds]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("finger", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    wrist = {"wrist": evaluation.joints["wrist"]}
    for part, means in {**wrist, **evaluation.fingers}.items():
        table.add_row(part, *(shown(means[name]) for name in names))
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
        "joints.csv": _means_csv("joint", evaluation.joints, evaluation.kinds),
        "fingers.csv": _means_csv("finger", evaluation.fingers, evaluation.kinds),
    }
    if evaluation.sequences:
        texts["sequences.csv"] = _means_csv("sequence", evaluation.sequences, evaluation.kinds)
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
        part: {name: None if math.isnan(value) else value for name, value in values.items()}
        for part, values in means.items()
    }


def _means_csv(part: str, means: Means, kinds: Sequence[JointErrors]) -> str:
    names = [kind.name for kind in kinds]
    rows = ((key, *(values[name] for name in names)) for key, values in means.items())
    return _csv((part, *names), rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
