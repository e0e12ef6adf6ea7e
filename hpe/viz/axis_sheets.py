"""Contact sheets of hands whose joints are distributions along axes: overlays and 1D heatmaps."""

from collections.abc import Mapping

import cv2
import numpy as np
from jaxtyping import Float
from torch import Tensor

from hpe.metrics.alignment import align_similarity
from hpe.metrics.pose import joint_errors_mm, root_relative
from hpe.viz.hand_sheets import turning_hands
from hpe.viz.hands import PAPER, Image, captioned, contact_sheet, draw_comparison
from hpe.viz.sheet import Sheet

NUM_HANDS = 6
PANEL_PX = 168
AXIS_PX = 110  # three of them are about as wide as an overlay
ROW_PX = 8  # of a joint
AXES = ("x", "y", "z")
MARK = (255, 92, 87)


def draw_axes(predictions: Mapping[str, Tensor]) -> Sheet:
    """Draw truth beside prediction, and the distributions behind it where there are some.

    Args:
        predictions: What `hpe.phases.axis_figures.AxisFigures.predictions` returns.
    """
    arrays = {name: tensor.numpy() for name, tensor in predictions.items()}
    predicted_m, true_m = predictions["predicted_m"].double(), predictions["joints_m"].double()
    aligned = joint_errors_mm(align_similarity(predicted_m, true_m), true_m).mean(dim=1)
    relative = joint_errors_mm(root_relative(predicted_m), root_relative(true_m)).mean(dim=1)
    panels, rows = [], []
    for i in range(min(NUM_HANDS, len(true_m))):
        overlay = draw_comparison(
            arrays["images"][i],
            arrays["keypoints_px"][i].astype(np.float64),
            arrays["predicted_px"][i].astype(np.float64),
            side_px=PANEL_PX,
            caption=f"{aligned[i]:.1f} mm aligned",
        )
        panels.append(overlay)
        if arrays["mass"].shape[-1] > 0:
            panels.append(draw_distributions(arrays["mass"][i], arrays["true_shares"][i]))
        rows.append((i, round(float(aligned[i]), 3), round(float(relative[i]), 3)))
    return Sheet(
        image=contact_sheet(panels, columns=2),
        caption="Validation hands: the truth, then the prediction over a white trace of the truth, "
        "and below the mean error after alignment. Beside them what the network says along x, y "
        "and z, one row per joint from the wrist to the little finger's tip: the darker the "
        "likelier, the whole width being the box it can speak of; red where the joint is. The "
        "samples are not chosen by their error.",
        columns=("sample", "pa_mpjpe_mm", "root_epe_mm"),
        rows=rows,
        turning=turning_hands(
            arrays["predicted_m"], arrays["joints_m"], [error_mm for _, _, error_mm in rows]
        ),
    )


def draw_distributions(
    mass: Float[np.ndarray, "21 3 bins"], true_shares: Float[np.ndarray, "21 3"]
) -> Image:
    """Return three panels, one per axis, with a row of shades per joint and a mark at its truth.

    Args:
        mass: Distributions over bins; each row is as dark as it is likely relative to its peak.
        true_shares: Where joints are, in shares of the axes; marks outside of the box are left out.
    """
    panels = []
    for axis, name in enumerate(AXES):
        likely = mass[:, axis].astype(np.float32)
        shade = np.rint(255 * (1 - likely / likely.max(axis=-1, keepdims=True))).astype(np.uint8)
        size = AXIS_PX, ROW_PX * len(shade)
        grey = cv2.resize(shade, size, interpolation=cv2.INTER_NEAREST)
        panel = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        for row, share in enumerate(true_shares[:, axis]):
            if 0 <= share < 1:
                left = min(int(share * AXIS_PX), AXIS_PX - 2)
                panel[row * ROW_PX : (row + 1) * ROW_PX, left : left + 2] = MARK
        panels += [captioned(panel, name), np.full((len(panel) + 22, 4, 3), PAPER, np.uint8)]
    drawn: Image = np.concatenate(panels[:-1], axis=1)
    return drawn
