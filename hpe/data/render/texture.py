"""Fixed random texture in three dimensions, and lines drawn on the flat of the hand."""

from functools import cache

import cv2
import numpy as np
from jaxtyping import Float32, Int8

VOXEL_M = 0.0009
_SIDE = 64
_SCALES_M = ((0.016, 1.0), (0.005, 0.55), (0.0016, 0.3))
"""Scales of the texture and their weights: blotches, mottling, pores."""


@cache
def _volume() -> Int8[np.ndarray, "voxels 4"]:
    """Return periodic noise, four independent channels per voxel, deviation about 32."""
    rng = np.random.default_rng(20240)
    frequency = np.fft.fftfreq(_SIDE, VOXEL_M)
    half = np.fft.rfftfreq(_SIDE, VOXEL_M)
    radius2 = frequency[:, None, None] ** 2 + frequency[None, :, None] ** 2 + half**2
    channels = []
    for scales in (_SCALES_M, _SCALES_M[:1], _SCALES_M[1:2], _SCALES_M[1:]):
        total = np.zeros((_SIDE, _SIDE, _SIDE))
        for scale_m, weight in scales:
            white = np.fft.rfftn(rng.normal(size=total.shape))
            white *= np.exp(-radius2 * (scale_m / 2.0) ** 2)
            layer = np.fft.irfftn(white)
            total += weight * layer / layer.std()
        channels.append(np.clip(np.round(total / total.std() * 32.0), -127, 127))
    return np.stack([c.ravel() for c in channels], axis=1).astype(np.int8)


def skin_noise(
    position_m: Float32[np.ndarray, "3 points"], offset_m: Float32[np.ndarray, "3"]
) -> Float32[np.ndarray, "4 points"]:
    """Look the texture up at points: mixed scales, blotches, mottling, fine; deviation one each."""
    index = np.zeros(position_m.shape[1], np.int32)
    for axis in range(3):
        cell = ((position_m[axis] + offset_m[axis]) * np.float32(1.0 / VOXEL_M)).astype(np.int32)
        index *= _SIDE
        index += cell & (_SIDE - 1)
    return np.ascontiguousarray(_volume()[index].T).astype(np.float32) * np.float32(1.0 / 32.0)


PLANE_STEP_M = 0.0005
_PLANE_LEFT_M, _PLANE_TOP_M = -0.09, -0.21
_PLANE_SHAPE = (440, 360)

_PALM_LINES_MM = (
    ((38, -84), (22, -78), (4, -80), (-12, -92), (-16, -101)),
    ((-33, -78), (-14, -72), (10, -64), (30, -56)),
    ((-33, -78), (-20, -66), (-11, -48), (-9, -28), (-13, -14)),
    ((-18, -4), (0, -1), (18, -3)),
    ((-16, 4), (0, 6), (15, 4)),
)
"""Heart, head and life line, and two lines at the wrist, in palm axes, millimetres."""

_VEINS_MM = (
    ((-2, 40), (-8, 0), (-14, -40), (-18, -80)),
    ((-11, -24), (0, -52), (2, -88)),
    ((12, 30), (14, -20), (20, -60), (24, -84)),
    ((14, -20), (28, -52), (34, -76)),
)
"""Veins on the back of the hand, in palm axes, millimetres."""


@cache
def _plane_lines(lines_mm: tuple[tuple[tuple[int, int], ...], ...], width_mm: float) -> np.ndarray:
    """Draw smooth lines into a picture of the palm plane; 1 on a line, 0 elsewhere."""
    picture = np.zeros(_PLANE_SHAPE, np.float32)
    for line in lines_mm:
        points = _smooth_curve(np.array(line, np.float64) * 1e-3)
        cells = (points - [_PLANE_LEFT_M, _PLANE_TOP_M]) / PLANE_STEP_M
        cv2.polylines(picture, [np.round(cells * 16).astype(np.int32)], False, 1.0, 2, shift=4)
    sigma = width_mm * 1e-3 / PLANE_STEP_M / 2.0
    picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    return np.asarray(picture / picture.max())


def on_palm_lines(position_m: Float32[np.ndarray, "3 points"]) -> Float32[np.ndarray, " points"]:
    """Return how much each point in palm axes lies on a line of the palm."""
    return _look_up(_plane_lines(_PALM_LINES_MM, 1.4), position_m)


def on_veins(position_m: Float32[np.ndarray, "3 points"]) -> Float32[np.ndarray, " points"]:
    """Return how much each point in palm axes lies on a vein of the back of the hand."""
    return _look_up(_plane_lines(_VEINS_MM, 3.5), position_m)


def _look_up(picture: np.ndarray, position_m: np.ndarray) -> np.ndarray:
    """Read a picture of the palm plane below each point; zero outside."""
    height, width = picture.shape
    column = ((position_m[0] - _PLANE_LEFT_M) * np.float32(1.0 / PLANE_STEP_M)).astype(np.int32)
    row = ((position_m[1] - _PLANE_TOP_M) * np.float32(1.0 / PLANE_STEP_M)).astype(np.int32)
    np.clip(column, 0, width - 1, out=column)
    np.clip(row, 0, height - 1, out=row)
    return np.asarray(picture.ravel()[row * width + column])


def _smooth_curve(points: np.ndarray) -> np.ndarray:
    """Return a dense Catmull-Rom curve through the points."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0.0, 1.0, 12, endpoint=False)[:, None]
    pieces = [
        b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    return np.concatenate([*pieces, points[-1:]])
