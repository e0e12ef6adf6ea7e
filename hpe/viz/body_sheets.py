"""Contact sheets of bodies: what augmentation makes of them, and what a network says of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from hpe.augment.body_views import BodyViewConfig, build_body_view
from hpe.data.bodies import BodyData
from hpe.geometry.body_skeleton import BODY_BONES
from hpe.viz.hands import captioned, contact_sheet, enlarged
from hpe.viz.sheet import Sheet
from hpe.viz.stick_figures import (
    TRUTH,
    Facing,
    bone_color,
    draw_stick_figure,
    turning_bodies,
)
from hpe.viz.turning import Turning

Image = UInt8[np.ndarray, "_height _width 3"]

FACINGS: tuple[Facing, ...] = ("front", "side")

NUM_BODIES = 4
NUM_VIEWS = 5
NUM_PREDICTIONS = 8
VIEW_PX = 224
SEED = 20
_SHIFT = 4  # bits of sub-pixel precision that OpenCV draws with


def draw_body(
    image: Image,
    keypoints_px: Float[np.ndarray, "17 2"],
    *,
    visible: Bool[np.ndarray, " 17"] | None = None,
    under_px: Float[np.ndarray, "17 2"] | None = None,
    height_px: int = VIEW_PX,
) -> Image:
    """Return the image with a body's skeleton on it; right limbs are red, left ones blue.

    Args:
        image: The image that the keypoints belong to.
        keypoints_px: Keypoints in its pixels (centres at integer + 0.5).
        visible: Which of the joints are known, of `under_px` where that is given; all by default.
        under_px: Drawn below it in grey, such as the truth.
        height_px: Longer side of the result.
    """
    canvas = enlarged(image, side_px=height_px).copy()
    factor = height_px / max(image.shape[:2])
    known = np.ones(len(keypoints_px), dtype=bool) if visible is None else visible
    everything = np.ones_like(known)
    drawn = [(keypoints_px, known if under_px is None else everything, False)]
    if under_px is not None:
        drawn.insert(0, (under_px, known, True))
    for points_px, shown, is_under in drawn:
        far = 4.0 * height_px  # beyond it OpenCV's fixed-point coordinates might overflow
        points = np.clip(points_px * factor - 0.5, -far, far)
        for parent, child in BODY_BONES:
            if shown[parent] and shown[child]:
                start, end = np.rint(points[[parent, child]] * 2**_SHIFT).astype(int).tolist()
                color = TRUTH if is_under else bone_color(child)
                cv2.line(canvas, start, end, color, 2, cv2.LINE_AA, _SHIFT)
    return canvas


def draw_predicted_bodies(predictions: Mapping[str, Tensor]) -> Sheet:
    """Draw predictions over the truth: on their images, from the front and from the side.

    Args:
        predictions: What `hpe.phases.body_evaluation.BodyFigures.predictions` returns.
    """
    bodies = [
        {name: tensor[i].numpy() for name, tensor in predictions.items()}
        for i in range(min(NUM_PREDICTIONS, len(predictions["images"])))
    ]
    numbers = [
        (
            number,
            _distance(body, "joints_mm", "predicted_mm") if body["has_depth"] else "",
            _distance(body, "keypoints_px", "predicted_px"),
        )
        for number, body in enumerate(bodies)
    ]
    return Sheet(
        image=contact_sheet([_compared(body) for body in bodies], columns=2),
        caption="Validation bodies: the prediction over the truth in grey, on the picture, from "
        "the front and from the side, pelvis on pelvis; right limbs are red. Below, the mean error "
        "of joints relative to the pelvis; of pictures without depth the keypoints alone. They are "
        "not chosen by their error.",
        columns=("sample", "mpjpe_mm", "epe_2d_px"),
        rows=numbers,
        turning=_turning([body for body in bodies if body["has_depth"]]),
    )


def body_views(config: Any, data: BodyData) -> Sheet:
    """Draw views of a few training bodies as the network sees them.

    Args:
        config: Settings with `augment`, `width_px` and `height_px`.
        data: The data set.
    """
    size = {"width_px": config.width_px, "height_px": config.height_px}
    reference = build_body_view(BodyViewConfig(), **size, seed=SEED)
    augmented = build_body_view(config.augment, **size, seed=SEED)
    split = data.splits["train"]
    step = max(1, len(split) // NUM_BODIES)
    panels, numbers = [], []
    for index in range(0, min(len(split), step * NUM_BODIES), step):
        sample = split[index]
        whole = reference(sample, np.random.default_rng(0))
        panels.append(draw_body(whole.image, whole.keypoints_px, visible=whole.visible))
        for number in range(NUM_VIEWS):
            view = augmented(sample, np.random.default_rng([SEED, index, number]))
            panels.append(draw_body(view.image, view.keypoints_px, visible=view.visible))
            numbers.append((index, number, view.scale, int(view.flipped)))
    return Sheet(
        image=contact_sheet(panels, columns=NUM_VIEWS + 1),
        caption=f"The body as it is, then {NUM_VIEWS} views as the network sees them, at "
        f"{config.width_px} x {config.height_px} px, with what it is to say.",
        columns=("sample", "view", "scale", "is_flipped"),
        rows=numbers,
    )


def _compared(body: Mapping[str, np.ndarray]) -> Image:
    """Return a body on its picture and, where depths are known, from the front and the side."""
    overlay = draw_body(
        body["images"],
        body["predicted_px"],
        visible=body["visible"],
        under_px=body["keypoints_px"],
    )
    if not body["has_depth"]:
        return captioned(overlay, "keypoints alone")
    figures = [
        enlarged(
            draw_stick_figure(body["predicted_mm"], facing=facing, under_mm=body["joints_mm"]),
            side_px=VIEW_PX,
        )
        for facing in FACINGS
    ]
    error_mm = _distance(body, "joints_mm", "predicted_mm")
    return captioned(np.concatenate([overlay, *figures], axis=1), f"{error_mm:.0f} mm")


def _turning(bodies: Sequence[Mapping[str, np.ndarray]]) -> Turning | None:
    """Return the bodies to turn, if there are any."""
    if not bodies:
        return None
    predicted_mm, true_mm = (
        np.stack([body[name] for body in bodies]).astype(np.float64)
        for name in ("predicted_mm", "joints_mm")
    )
    errors_mm = [_distance(body, "joints_mm", "predicted_mm") for body in bodies]
    return turning_bodies(predicted_mm, true_mm, errors_mm)


def _distance(body: Mapping[str, np.ndarray], first: str, second: str) -> float:
    """Return the mean distance of the joints."""
    return round(float(np.linalg.norm(body[first] - body[second], axis=1).mean()), 3)
