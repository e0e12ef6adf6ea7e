"""Pictures of samples: what compositions make of them, and what networks predict."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpe.data.opened import OpenedData
from hpe.phases.phase import PhaseSpec
from hpe.viz.sheet import Sheet
from sweep.naming import trial_name
from sweep.report.history import Stages
from sweep.report.style import Chart
from sweep.trials import StageEntry, Trial
from trainables.manifest import CorruptStage


def augmented_stage(trial: Trial, phases: Mapping[str, PhaseSpec]) -> StageEntry | None:
    """Return the trial's first stage that augments what it trains on."""
    shown = (stage for stage in trial.stages if phases[stage.phase].show_views is not None)
    return next(shown, None)


def augments_alike(first: Trial, second: Trial, phases: Mapping[str, PhaseSpec]) -> bool:
    """Say whether two trials augment in the same step, and so the same samples."""
    ours, theirs = augmented_stage(first, phases), augmented_stage(second, phases)
    return (
        ours is not None
        and theirs is not None
        and (ours.label, ours.phase) == (theirs.label, theirs.phase)
    )


def compositions(
    best: Trial, worst: Trial | None, *, data: OpenedData[Any], phases: Mapping[str, PhaseSpec]
) -> Chart | None:
    """Draw views of a few samples as the best trial's first phase with augmentations sees them.

    Beside them the same samples as the worst trial sees them, if it sees them otherwise.
    """
    chart = _composition(best, "composition", "The best composition", data, phases)
    if chart is None or worst is None:
        return chart
    other = _composition(worst, "composition_worst", "The worst composition", data, phases)
    return chart if other is None or other.png == chart.png else replace(chart, beside=other)


def predictions(
    best: Trial, control: Trial | None, *, store: Stages, phases: Mapping[str, PhaseSpec]
) -> Chart | None:
    """Draw truth and prediction of the best trial's last phase, and beside it of the control's.

    Raises:
        FileNotFoundError: If the best trial's phase is not committed, or was cleaned from the store
            since.
        CorruptStage: If it is damaged.
    """
    chart = _predictions(best, "predictions", "What the best trial predicts", store, phases)
    if chart is None or control is None or control.stages[-1].phase != best.stages[-1].phase:
        return chart
    title = f"What {trial_name(control)} predicts"
    try:
        other = _predictions(control, "predictions_control", title, store, phases)
    except (FileNotFoundError, CorruptStage):
        return chart
    return replace(chart, beside=other)


def _composition(
    trial: Trial,
    name: str,
    title: str,
    data: OpenedData[Any],
    phases: Mapping[str, PhaseSpec],
) -> Chart | None:
    stage = augmented_stage(trial, phases)
    show = None if stage is None else phases[stage.phase].show_views
    if stage is None or show is None:
        return None
    return _chart(
        show(phases[stage.phase].config.model_validate(stage.config), data),
        name=name,
        title=f"{title} on sample images",
        about=f"{stage.label} of {trial_name(trial)}",
    )


def _predictions(
    trial: Trial, name: str, title: str, store: Stages, phases: Mapping[str, PhaseSpec]
) -> Chart | None:
    if not trial.stages:
        return None
    last = trial.stages[-1]
    draw = phases[last.phase].draw
    found = store.artifacts(last.key).tensors.get("predictions")
    if draw is None or found is None:
        return None
    return _chart(draw(found), name=name, title=title, about=f"{last.label} of {trial_name(trial)}")


def _chart(sheet: Sheet, *, name: str, title: str, about: str) -> Chart:
    return Chart(
        name=name,
        title=title,
        caption=f"{about}. {sheet.caption}",
        png=sheet.as_png(),
        columns=tuple(sheet.columns),
        rows=tuple(tuple(row) for row in sheet.rows),
        live="" if sheet.turning is None else sheet.turning.as_fragment(),
    )
