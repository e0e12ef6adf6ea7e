"""Bodies as stick figures, without a picture behind them."""

from collections.abc import Mapping, Sequence
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from hpe.geometry.body_skeleton import BODY_BONES, BODY_JOINTS, PELVIS
from hpe.viz.hands import captioned, contact_sheet
from hpe.viz.sheet import Sheet
from hpe.viz.turning import Turning

Facing = Literal["front", "side"]

PANEL_PX = 176
PANEL_MM = 2200.0
"""What a panel shows, in millimetres; a tall person with raised arms."""

PAPER = (250, 250, 247)
RIGHT, LEFT, MIDDLE, TRUTH = (205, 70, 55), (45, 105, 190), (60, 60, 60), (190, 190, 190)
_SHIFT = 4  # bits of sub-pixel precision that OpenCV draws with


def draw_stick_figure(
    joints_mm: Float[np.ndarray, "17 3"],
    *,
    facing: Facing = "front",
    under_mm: Float[np.ndarray, "17 3"] | None = None,
    caption: str = "",
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a panel with a body in parallel projection, its pelvis in the middle.

    Right limbs are red, left ones blue.

    Args:
        joints_mm: Camera coordinates, y down.
        facing: `front`: along the optical axis; `side`: along x, the front of the picture to the
            left.
        under_mm: Drawn below it in grey, such as the truth.
        caption: Text below the panel.
    """
    canvas = np.full((PANEL_PX, PANEL_PX, 3), PAPER, dtype=np.uint8)
    bodies = [joints_mm] if under_mm is None else [under_mm, joints_mm]
    for body in bodies:
        points = _points_px(body - body[PELVIS], facing)
        for parent, child in BODY_BONES:
            color = TRUTH if under_mm is not None and body is under_mm else bone_color(child)
            ends = [tuple(np.rint(points[j] * 2**_SHIFT).astype(int)) for j in (parent, child)]
            cv2.line(canvas, ends[0], ends[1], color, 3, cv2.LINE_AA, _SHIFT)
    return captioned(canvas, caption)


def draw_families(predictions: Mapping[str, Tensor]) -> Sheet:
    """Draw fathers, mothers and children side by side.

    Args:
        predictions: What `hpe.phases.evolve` leaves to look at.
    """
    rows = {name: tensor.numpy().astype(np.float64) for name, tensor in predictions.items()}
    panels: list[UInt8[np.ndarray, "height width 3"]] = []
    numbers: list[Sequence[float | int | str]] = []
    for number, (father, mother, child) in enumerate(
        zip(rows["father_mm"], rows["mother_mm"], rows["child_mm"], strict=True)
    ):
        for name, body in (("father", father), ("mother", mother), ("child", child)):
            panels += [
                draw_stick_figure(body, facing="front", caption=name),
                draw_stick_figure(body, facing="side"),
            ]
        numbers.append((number, *(_distance_mm(child, parent) for parent in (father, mother))))
    return Sheet(
        image=contact_sheet(panels, columns=6),
        caption="Parents and their children, each from the front and from the side; right limbs "
        "are red. A child has the father's torso. They are not chosen by how they look.",
        columns=("family", "from_father_mm", "from_mother_mm"),
        rows=numbers,
    )


def draw_lifted(predictions: Mapping[str, Tensor]) -> Sheet:
    """Draw lifted bodies over the truth.

    Args:
        predictions: What `hpe.phases.lift` leaves to look at.
    """
    true_mm = predictions["joints_mm"].numpy().astype(np.float64)
    predicted_mm = predictions["predicted_mm"].numpy().astype(np.float64)
    errors_mm = [_distance_mm(*pair) for pair in zip(predicted_mm, true_mm, strict=True)]
    panels: list[UInt8[np.ndarray, "height width 3"]] = []
    for truth, predicted, error_mm in zip(true_mm, predicted_mm, errors_mm, strict=True):
        panels += [
            draw_stick_figure(predicted, under_mm=truth, caption=f"{error_mm:.1f} mm"),
            draw_stick_figure(predicted, facing="side", under_mm=truth),
        ]
    return Sheet(
        image=contact_sheet(panels, columns=8),
        caption="Validation bodies from the front and from the side: the prediction over the truth "
        "in grey, pelvis on pelvis; right limbs are red. Below, the mean error of joints relative "
        "to the pelvis. They are not chosen by their error.",
        columns=("sample", "mpjpe_mm"),
        rows=list(enumerate(errors_mm)),
        turning=turning_bodies(predicted_mm, true_mm, errors_mm),
    )


def turning_bodies(
    predicted_mm: Float[np.ndarray, "bodies 17 3"],
    true_mm: Float[np.ndarray, "bodies 17 3"],
    errors_mm: Sequence[float],
) -> Turning:
    """Return bodies to turn, pelvis on pelvis, with their errors below them."""
    return Turning(
        predicted=predicted_mm,
        true=true_mm,
        root=PELVIS,
        bones=BODY_BONES,
        colors=[bone_color(child) for _, child in BODY_BONES],
        captions=[f"{error_mm:.0f} mm" for error_mm in errors_mm],
    )


def _points_px(joints_mm: Float[np.ndarray, "17 3"], facing: Facing) -> Float[np.ndarray, "17 2"]:
    seen = joints_mm[:, :2] if facing == "front" else joints_mm[:, [2, 1]]
    points: Float[np.ndarray, "17 2"] = PANEL_PX * (seen / PANEL_MM + 0.5)
    return points


def bone_color(child: int) -> tuple[int, int, int]:
    """Return the colour of the bone that ends in a joint: by side."""
    name = BODY_JOINTS[child]
    if name.startswith("right"):
        return RIGHT
    return LEFT if name.startswith("left") else MIDDLE


def _distance_mm(
    first_mm: Float[np.ndarray, "17 3"], second_mm: Float[np.ndarray, "17 3"]
) -> float:
    """Return the mean distance of joints, pelvis on pelvis."""
    apart = (first_mm - first_mm[PELVIS]) - (second_mm - second_mm[PELVIS])
    return round(float(np.linalg.norm(apart, axis=1).mean()), 3)
