"""Contact sheets of hands: what augmentation makes of them, and what a network says of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.augment.crop import Frame
from hpe.data.hands import HandData, HandSplit
from hpe.geometry.skeleton import BONES, WRIST
from hpe.metrics.pose import joint_errors_mm, root_relative
from hpe.phases.views import training_composition
from hpe.viz.hands import BONE_COLORS, contact_sheet, draw_comparison, draw_skeleton, enlarged
from hpe.viz.sheet import Sheet
from hpe.viz.turning import Turning

NUM_HANDS = 4
NUM_VIEWS = 5
NUM_PREDICTIONS = 8
VIEW_PX = 128
SEED = 20


def unlabelled_views(config: Any, data: HandData) -> Sheet:
    """Draw views of a few unlabelled hands as pretraining sees them."""
    return _views(config, data.splits["unlabelled"])


def labelled_views(config: Any, data: HandData) -> Sheet:
    """Draw views of a few labelled hands as finetuning sees them."""
    return _views(config, data.splits["train"])


def framed_views(config: Any, data: HandData) -> Sheet:
    """Draw views of a few labelled hands in the frame that encoder-decoder training gives them."""
    return _views(config, data.splits["train"], frame=config.target.frame)


def draw_hands(predictions: Mapping[str, Tensor]) -> Sheet:
    """Draw truth beside prediction.

    Args:
        predictions: What `hpe.phases.evaluation.FigureSet.predictions` returns.
    """
    arrays = {name: tensor.numpy() for name, tensor in predictions.items()}
    panels, rows = [], []
    for i, error_mm in enumerate(_root_relative_mm(predictions)[:NUM_PREDICTIONS]):
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
    errors_mm = [error_mm for _, error_mm, _ in rows]
    return Sheet(
        image=contact_sheet(panels, columns=2),
        caption="Validation hands: the truth on the left; on the right the prediction over a white "
        "trace of the truth. Below, the mean error of joints relative to the wrist. The samples "
        "are not chosen by their error.",
        columns=("sample", "root_epe_mm", "epe_2d_px"),
        rows=rows,
        turning=turning_hands(arrays["predicted_m"], arrays["joints_m"], errors_mm),
    )


def turning_hands(
    predicted_m: Float[np.ndarray, "hands 21 3"],
    true_m: Float[np.ndarray, "hands 21 3"],
    errors_mm: Sequence[float],
) -> Turning:
    """Return hands to turn, wrist on wrist; as many as there are errors to write below them."""
    count = len(errors_mm)
    return Turning(
        predicted=predicted_m[:count].astype(np.float64),
        true=true_m[:count].astype(np.float64),
        root=WRIST,
        bones=BONES,
        colors=BONE_COLORS,
        captions=[f"{error_mm:.1f} mm" for error_mm in errors_mm],
    )


def _views(config: Any, split: HandSplit, *, frame: Frame = "hand") -> Sheet:
    composition = training_composition(
        config.augment, image_px=config.image_px, seed=SEED, frame=frame
    )
    reference = build_composition(CompositionConfig(), image_px=VIEW_PX, frame=frame)
    step = max(1, len(split) // NUM_HANDS)
    panels, rows = [], []
    for index in range(0, min(len(split), step * NUM_HANDS), step):
        sample = split[index]
        whole = reference(sample, np.random.default_rng(0))
        panels.append(draw_skeleton(whole.image, whole.keypoints_px, side_px=VIEW_PX))
        for number in range(NUM_VIEWS):
            view = composition(sample, np.random.default_rng([SEED, index, number]))
            panels.append(enlarged(view.image, side_px=VIEW_PX))
            rows.append((index, number, view.angle_deg, view.zoom, *view.shift.tolist()))
    return Sheet(
        image=contact_sheet(panels, columns=NUM_VIEWS + 1),
        caption=f"The hand as it is, then {NUM_VIEWS} views as the network sees them, at "
        f"{config.image_px} px.",
        columns=("sample", "view", "angle_deg", "zoom", "shift_x", "shift_y"),
        rows=rows,
    )


def _root_relative_mm(predictions: Mapping[str, Tensor]) -> list[float]:
    predicted, true = predictions["predicted_m"].double(), predictions["joints_m"].double()
    errors = joint_errors_mm(root_relative(predicted), root_relative(true)).mean(dim=1)
    return [float(error) for error in errors]
