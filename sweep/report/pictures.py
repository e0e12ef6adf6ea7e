"""Pictures of samples: views by the best composition, predictions by the best trial."""

from collections.abc import Mapping
from typing import Any

from hpe.data.opened import OpenedData
from hpe.phases.phase import PhaseSpec
from hpe.viz.sheet import Sheet
from sweep.naming import trial_name
from sweep.report.history import Stages
from sweep.report.style import Chart
from sweep.trials import StageEntry, Trial


def augmented_stage(trial: Trial, phases: Mapping[str, PhaseSpec]) -> StageEntry | None:
    """Return the trial's first stage that augments what it trains on."""
    shown = (stage for stage in trial.stages if phases[stage.phase].show_views is not None)
    return next(shown, None)


def composition_sheet(
    trial: Trial, *, data: OpenedData[Any], phases: Mapping[str, PhaseSpec]
) -> Chart | None:
    """Draw views of a few samples as the trial's first phase with augmentations sees them."""
    stage = augmented_stage(trial, phases)
    show = None if stage is None else phases[stage.phase].show_views
    if stage is None or show is None:
        return None
    return _chart(
        show(phases[stage.phase].config.model_validate(stage.config), data),
        name="composition",
        title="The best composition on sample images",
        about=f"{stage.label} of {trial_name(trial)}",
    )


def prediction_sheet(
    trial: Trial, *, store: Stages, phases: Mapping[str, PhaseSpec]
) -> Chart | None:
    """Draw truth and prediction of the trial's last phase, if it is one that leaves predictions.

    Raises:
        FileNotFoundError: If the phase is not committed, or was cleaned from the store since.
    """
    if not trial.stages:
        return None
    last = trial.stages[-1]
    draw = phases[last.phase].draw
    found = store.artifacts(last.key).tensors.get("predictions")
    if draw is None or found is None:
        return None
    return _chart(
        draw(found),
        name="predictions",
        title="What the best trial predicts",
        about=f"{last.label} of {trial_name(trial)}",
    )


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
