"""Small shaded, textured objects drawn from random numbers, to cover hands with."""

import math

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hpe.augment.occluders import Occluders

MIN_SIDE_PX = 40
MAX_SIDE_PX = 200
"""Of VOC's objects, stored at half their size, most are about so large."""

_SUPERSAMPLING = 2
_Plane = Float[np.ndarray, "height width"]


def drawn_occluders(*, seed: int, count: int = 64) -> Occluders:
    """Return objects of random outline, texture and light; the same for the same seed."""
    rng = np.random.default_rng(seed)
    return Occluders(tuple(draw_object(rng) for _ in range(count)))


def draw_object(rng: np.random.Generator) -> UInt8[np.ndarray, "height width 4"]:
    """Return one object, RGB and alpha, with smooth edges and an alpha of 0 around it."""
    height, width = np.exp(rng.uniform(math.log(MIN_SIDE_PX), math.log(MAX_SIDE_PX), 2))
    shape = (round(height) * _SUPERSAMPLING, round(width) * _SUPERSAMPLING)
    alpha = _outline(shape, rng)
    colour = _texture(shape, rng) * _light(alpha, rng)[:, :, None]
    layers = np.dstack([np.clip(colour, 0, 255), alpha]).round().astype(np.uint8)
    size = (shape[1] // _SUPERSAMPLING, shape[0] // _SUPERSAMPLING)
    drawn: np.ndarray = cv2.resize(layers, size, interpolation=cv2.INTER_AREA)
    return drawn


def _outline(shape: tuple[int, int], rng: np.random.Generator) -> _Plane:
    """Fill a closed curve: a superellipse whose radius waves, turned; some have a hole."""
    angles = np.linspace(0, 2 * math.pi, 180, endpoint=False)
    power = rng.uniform(0.25, 1.1)  # below 1 towards a box, 1 an ellipse
    cos, sin = np.cos(angles), np.sin(angles)
    x = np.sign(cos) * np.abs(cos) ** power
    y = np.sign(sin) * np.abs(sin) ** power
    waves = rng.integers(2, 7)
    radius = 1 + rng.uniform(0, 0.3) * np.sin(waves * angles + rng.uniform(0, 2 * math.pi))
    turn = rng.uniform(0, 2 * math.pi)
    curve = np.stack([x * radius, y * radius], axis=1) @ np.array(
        [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]
    )
    half = np.array([shape[1], shape[0]]) / 2
    curve = curve / np.abs(curve).max(axis=0) * (half - 2) + half
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(curve).astype(np.int32)], 255)
    if rng.random() < 0.2:
        hole = half + (curve - half) * rng.uniform(0.3, 0.6)
        cv2.fillPoly(mask, [np.rint(hole).astype(np.int32)], 0)
    return mask.astype(np.float32)


def _texture(
    shape: tuple[int, int], rng: np.random.Generator
) -> Float[np.ndarray, "height width 3"]:
    """Mix two colours by stripes, checks or clouds, with fine grain over them."""
    first, second = rng.uniform(20, 235, (2, 3))
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    angle = rng.uniform(0, math.pi)
    along = columns * math.cos(angle) + rows * math.sin(angle)
    across = rows * math.cos(angle) - columns * math.sin(angle)
    period_px = rng.uniform(8, 50) * _SUPERSAMPLING
    kind = rng.integers(4)
    if kind == 0:
        share = (np.sin(along * 2 * math.pi / period_px) > 0).astype(np.float32)
    elif kind == 1:
        share = ((along // period_px + across // period_px) % 2).astype(np.float32)
    elif kind == 2:
        share = _clouds(shape, cells=int(rng.integers(3, 9)), rng=rng)
    else:
        share = np.zeros(shape, np.float32)
    share = share * rng.uniform(0.3, 1.0)
    grain = rng.normal(0, rng.uniform(0, 12), (shape[0] // 2 + 1, shape[1] // 2 + 1))
    fine = cv2.resize(grain.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)
    texture: np.ndarray = first + share[:, :, None] * (second - first) + fine[:, :, None]
    return texture


def _clouds(shape: tuple[int, int], *, cells: int, rng: np.random.Generator) -> _Plane:
    coarse = rng.random((cells, cells), dtype=np.float32)
    clouds: np.ndarray = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return clouds.clip(0, 1)


def _light(alpha: _Plane, rng: np.random.Generator) -> _Plane:
    """Shade as a cushion: its height grows inwards from the outline, lit from one side."""
    inside = (np.pad(alpha, 1) > 127).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    height = np.sqrt(depth * max(float(depth.max()), 1.0))
    height = cv2.GaussianBlur(height, (0, 0), 3.0)
    down, right = np.gradient(height)
    angle, steepness = rng.uniform(0, 2 * math.pi), rng.uniform(0.4, 1.2)
    towards = math.cos(angle) * right + math.sin(angle) * down
    normal = np.sqrt(1 + right**2 + down**2)
    light: np.ndarray = 0.55 + 0.45 * (1 + steepness * towards) / normal
    return light
