"""Pictures of hands: views by the best composition, predictions by the best trial."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.data.hands import HandData, HandSample
from hpe.metrics.pose import joint_errors_mm, root_relative
from hpe.phases.phase import PhaseSpec
from hpe.phases.views import training_composition
from hpe.viz.hands import contact_sheet, draw_comparison, draw_skeleton, enlarged
from sweep.ledger import StageEntry, Trial
from sweep.naming import trial_name
from sweep.report.history import Stages
from sweep.report.style import Chart

NUM_HANDS = 4
NUM_VIEWS = 5
NUM_PREDICTIONS = 8
VIEW_PX = 128
SEED = 20

SPLIT_OF = {"pretrain": "unlabelled"}
"""Where a phase takes its samples from; the others use the labelled training split."""


def composition_sheet(
    trial: Trial, *, data: HandData, phases: Mapping[str, PhaseSpec]
) -> Chart | None:
    """Draw views of a few hands as the trial's first phase with augmentations sees them."""
    stage = next((s for s in trial.stages if "augment" in s.config), None)
    if stage is None:
        return None
    config: Any = phases[stage.phase].config.model_validate(stage.config)
    composition = training_composition(config.augment, image_px=config.image_px, seed=SEED)
    reference = build_composition(CompositionConfig(), image_px=VIEW_PX)
    samples = _samples(data, stage)
    panels, rows = [], []
    for index, sample in samples.items():
        whole = reference(sample, np.random.default_rng(0))
        panels.append(draw_skeleton(whole.image, whole.keypoints_px, side_px=VIEW_PX))
        for number in range(NUM_VIEWS):
            view = composition(sample, np.random.default_rng([SEED, index, number]))
            panels.append(enlarged(view.image, side_px=VIEW_PX))
            shift = view.shift.tolist()
            rows.append((index, number, view.angle_deg, view.zoom, *shift))
    return Chart(
        name="composition",
        title="The best composition on sample hands",
        caption=f"{stage.label} of {trial_name(trial)}: the hand as it is, then {NUM_VIEWS} views "
        f"as the network sees them, at {config.image_px} px.",
        png=_png(contact_sheet(panels, columns=NUM_VIEWS + 1)),
        columns=("sample", "view", "angle_deg", "zoom", "shift_x", "shift_y"),
        rows=tuple(rows),
    )


def prediction_sheet(trial: Trial, *, store: Stages) -> Chart | None:
    """Draw truth and prediction of the trial's last phase, if it is one that leaves predictions.

    Raises:
        FileNotFoundError: If the phase is not committed, or was cleaned from the store since.
    """
    if not trial.stages:
        return None
    found = store.artifacts(trial.stages[-1].key).tensors.get("predictions")
    if found is None:
        return None
    arrays = {name: tensor.numpy() for name, tensor in found.items()}
    errors_mm = _root_relative_mm(found)
    panels, rows = [], []
    for i, error_mm in enumerate(errors_mm[:NUM_PREDICTIONS]):
        panels.append(
            draw_comparison(
                arrays["images"][i],
                arrays["keypoints_px"][i].astype(np.float64),
                arrays["predicted_px"][i].astype(np.float64),
                side_px=VIEW_PX * 3 // 2,
                caption=f"{error_mm:.1f} mm",
            )
        )
        distance = np.linalg.norm(arrays["keypoints_px"][i] - arrays["predicted_px"][i], axis=1)
        rows.append((i, round(error_mm, 3), round(float(distance.mean()), 3)))
    return Chart(
        name="predictions",
        title="What the best trial predicts",
        caption=f"Validation hands, {trial_name(trial)}: the truth on the left; on the right the "
        "prediction over a white trace of the truth. Below, the mean error of joints relative to "
        "the wrist. The samples are not chosen by their error.",
        png=_png(contact_sheet(panels, columns=2)),
        columns=("sample", "root_epe_mm", "epe_2d_px"),
        rows=tuple(rows),
    )


def _samples(data: HandData, stage: StageEntry) -> dict[int, HandSample]:
    split = data.splits[SPLIT_OF.get(stage.phase, "train")]
    step = max(1, len(split) // NUM_HANDS)
    return {i: split[i] for i in range(0, min(len(split), step * NUM_HANDS), step)}


def _root_relative_mm(predictions: Mapping[str, Tensor]) -> list[float]:
    predicted, true = predictions["predicted_m"].double(), predictions["joints_m"].double()
    errors = joint_errors_mm(root_relative(predicted), root_relative(true)).mean(dim=1)
    return [float(error) for error in errors]


def _png(image: np.ndarray) -> bytes:
    encoded, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert encoded
    return data.tobytes()
