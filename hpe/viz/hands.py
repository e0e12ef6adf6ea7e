"""Pictures of hands: skeletons on images, truth beside prediction, contact sheets.

Everything takes and returns RGB uint8 arrays. Small images are enlarged before drawing, so that
lines stay thin and smooth whatever the network's input size.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8

from hpe.geometry.skeleton import BONES, FINGERS

Rgb = tuple[int, int, int]
Image = UInt8[np.ndarray, "_height _width 3"]

PANEL_PX = 256

FINGER_COLORS: Mapping[str, Rgb] = MappingProxyType(
    {
        "thumb": (255, 92, 87),
        "index": (255, 184, 51),
        "middle": (92, 214, 92),
        "ring": (64, 190, 255),
        "little": (196, 120, 255),
    }
)
WRIST_COLOR: Rgb = (245, 245, 245)
OUTLINE: Rgb = (20, 20, 24)
TRUTH: Rgb = (235, 235, 235)
PAPER: Rgb = (255, 255, 255)
INK: Rgb = (40, 40, 46)

BONE_COLORS: tuple[Rgb, ...] = tuple(
    FINGER_COLORS[name] for name, joints in FINGERS.items() for _ in joints
)
_JOINT_COLORS: tuple[Rgb, ...] = (WRIST_COLOR, *BONE_COLORS)

_SUBPIXEL_BITS = 4
_CAPTION_PX = 22
_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_UNIT_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


def enlarged(image: Image, *, side_px: int = PANEL_PX) -> Image:
    """Return the image with its longer side at `side_px`, smoothly scaled."""
    height, width = image.shape[:2]
    factor = side_px / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    scaled: Image = cv2.resize(image, size, interpolation=how)
    return scaled


def draw_skeleton(
    image: Image,
    keypoints_px: Float[np.ndarray, "21 2"],
    *,
    visible: Bool[np.ndarray, " 21"] | None = None,
    side_px: int = PANEL_PX,
) -> Image:
    """Return an enlarged copy of the image with the hand's skeleton, one colour per finger.

    Args:
        image: The image that the keypoints belong to.
        keypoints_px: Keypoints in its pixels (centres at integer + 0.5).
        visible: Joints to draw, with the bones between them; by default all finite ones.
        side_px: Longer side of the result.
    """
    canvas, points, drawn = _prepared(image, keypoints_px, visible, side_px)
    thickness = max(1, round(side_px / 110))
    bones = list(zip(BONES, BONE_COLORS, strict=True))
    for (parent, child), _ in bones:
        if drawn[parent] and drawn[child]:
            _line(canvas, points[parent], points[child], OUTLINE, thickness + 2)
    for (parent, child), color in bones:
        if drawn[parent] and drawn[child]:
            _line(canvas, points[parent], points[child], color, thickness)
    radius = side_px / 90
    for point, color in zip(points[drawn], _colors_of(drawn), strict=True):
        _dot(canvas, point, OUTLINE, radius + 1)
        _dot(canvas, point, color, radius)
    return canvas


def draw_comparison(
    image: Image,
    true_px: Float[np.ndarray, "21 2"],
    predicted_px: Float[np.ndarray, "21 2"],
    *,
    visible: Bool[np.ndarray, " 21"] | None = None,
    side_px: int = PANEL_PX,
    caption: str = "",
) -> Image:
    """Return two panels: the true skeleton, and the predicted one over a white trace of the truth.

    Args:
        image: The image that both belong to.
        true_px: True keypoints in its pixels.
        predicted_px: Predicted keypoints in its pixels.
        visible: Joints whose truth is known.
        side_px: Longer side of each panel.
        caption: Text below the panels, such as the error; none if empty.
    """
    truth = draw_skeleton(image, true_px, visible=visible, side_px=side_px)
    traced, points, drawn = _prepared(image, true_px, visible, side_px)
    for parent, child in BONES:
        if drawn[parent] and drawn[child]:
            _line(traced, points[parent], points[child], TRUTH, max(1, side_px // 100))
    scaled_px = predicted_px * (side_px / max(image.shape[:2]))
    predicted = draw_skeleton(traced, scaled_px, side_px=side_px)
    gap = np.full((truth.shape[0], 2, 3), PAPER, dtype=np.uint8)
    return captioned(np.concatenate([truth, gap, predicted], axis=1), caption)


def captioned(image: Image, caption: str) -> Image:
    """Return the image with a line of text on paper below it, or itself if there is none.

    Text is shrunk to the image's width if it must be.
    """
    if not caption:
        return image
    width = image.shape[1]
    strip = np.full((_CAPTION_PX, width, 3), PAPER, dtype=np.uint8)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    (text_width, _), _ = cv2.getTextSize(caption, font, scale, 1)
    scale *= min(1.0, (width - 8) / max(text_width, 1))
    cv2.putText(strip, caption, (4, 15), font, scale, INK, 1, cv2.LINE_AA)
    return np.concatenate([image, strip], axis=0)


def contact_sheet(images: Sequence[Image], *, columns: int | None = None, gap_px: int = 6) -> Image:
    """Return the images on one sheet of paper, row by row, each centred in an equal cell.

    Args:
        images: At least one; sizes may differ.
        columns: Images per row; by default as many as make the sheet nearly square.
        gap_px: Paper between and around the images.

    Raises:
        ValueError: If there is no image or no column.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one image, got none.")
    cell_h = max(image.shape[0] for image in images)
    cell_w = max(image.shape[1] for image in images)
    if columns is None:
        columns = max(1, round(math.sqrt(len(images) * cell_h / cell_w)))
    if columns < 1:
        raise ValueError(f"a contact sheet needs at least one column, got {columns}.")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    step_h, step_w = cell_h + gap_px, cell_w + gap_px
    shape = rows * step_h + gap_px, columns * step_w + gap_px, 3
    sheet = np.full(shape, PAPER, dtype=np.uint8)
    for index, image in enumerate(images):
        height, width = image.shape[:2]
        top = gap_px + index // columns * step_h + (cell_h - height) // 2
        left = gap_px + index % columns * step_w + (cell_w - width) // 2
        sheet[top : top + height, left : left + width] = image
    return sheet


def _prepared(
    image: Image,
    keypoints_px: Float[np.ndarray, "21 2"],
    visible: Bool[np.ndarray, " 21"] | None,
    side_px: int,
) -> tuple[Image, Float[np.ndarray, "21 2"], Bool[np.ndarray, " 21"]]:
    """Return an enlarged copy, the keypoints on it, and which of them can be drawn."""
    canvas = enlarged(image, side_px=side_px)
    factor = side_px / max(image.shape[:2])
    drawn = np.isfinite(keypoints_px).all(axis=1)
    if visible is not None:
        drawn &= visible
    far = 4.0 * side_px  # beyond it OpenCV's fixed-point coordinates might overflow
    points = np.clip(np.nan_to_num(keypoints_px) * factor, -far, far)
    return canvas.copy(), points, drawn


def _colors_of(drawn: Bool[np.ndarray, " 21"]) -> list[Rgb]:
    return [color for color, is_drawn in zip(_JOINT_COLORS, drawn, strict=True) if is_drawn]


def _fixed_point(points: Float[np.ndarray, "*points 2"]) -> Int32[np.ndarray, "*points 2"]:
    """Return OpenCV's fixed-point coordinates, which put pixel centres at integers."""
    scaled = (points - 0.5) * 2**_SUBPIXEL_BITS
    fixed: Int32[np.ndarray, "*points 2"] = np.round(scaled).astype(np.int32)
    return fixed


def _line(
    canvas: Image,
    start: Float[np.ndarray, " 2"],
    end: Float[np.ndarray, " 2"],
    color: Rgb,
    thickness: int,
) -> None:
    first, last = _fixed_point(np.stack([start, end])).tolist()
    cv2.line(canvas, first, last, color, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _dot(canvas: Image, center: Float[np.ndarray, " 2"], color: Rgb, radius: float) -> None:
    """Fill a disc; OpenCV's own circles of a few pixels come out as diamonds."""
    rim = _fixed_point(center + radius * _UNIT_CIRCLE)
    cv2.fillConvexPoly(canvas, rim, color, cv2.LINE_AA, _SUBPIXEL_BITS)
