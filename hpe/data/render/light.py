"""Light on skin: a panorama's ambient light, lamps with shadows, gloss, and darker cavities."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int64

from hpe.data.render.background import Outlook, ambient_light, main_light_direction
from hpe.data.render.raster import rasterize

_SHADOW_PX = 128
_SHADOW_BIAS_M = 0.003
_SHADOW_FLOOR = 0.15
_WHITE_BALANCE = 0.6
"""How far the camera takes the colour out of ambient light, 0 to 1."""
_CAVITY_DEPTH_M = 0.012
_WRAP = np.array([0.32, 0.22, 0.18], np.float32)
"""How far light wraps around the terminator per colour, which stands for scattering in skin."""


@dataclass(frozen=True)
class Lamp:
    """A far light.

    Attributes:
        direction: Unit vector towards it, camera axes.
        color: Linear RGB strength.
    """

    direction: Float32[np.ndarray, "3"]
    color: Float32[np.ndarray, "3"]


@dataclass(frozen=True)
class Lighting:
    """All light of a scene; the first lamp casts shadows.

    Attributes:
        outlook: The panorama around, as ambient light.
        ambient: Factor on the panorama's light.
        lamps: Far lights.
    """

    outlook: Outlook
    ambient: float
    lamps: tuple[Lamp, ...]


@dataclass(frozen=True)
class LitPoints:
    """Visible points as light sees them.

    Attributes:
        pixel: Flat index in the square image.
        position_m: In camera axes.
        normal: Unit normals.
        color: Linear RGB reflectance.
        gloss: Strength of the highlight.
        is_nail: Whether the highlight is small and sharp.
    """

    pixel: Int64[np.ndarray, " points"]
    position_m: Float32[np.ndarray, "3 points"]
    normal: Float32[np.ndarray, "3 points"]
    color: Float32[np.ndarray, "3 points"]
    gloss: Float32[np.ndarray, " points"]
    is_nail: np.ndarray


def draw_lighting(
    rng: np.random.Generator,
    outlook: Outlook,
    *,
    ambient: tuple[float, float],
    lamp: tuple[float, float],
) -> Lighting:
    """Draw one or two lamps, the first from about where the panorama is brightest."""
    lamps = []
    for index in range(int(rng.integers(1, 3))):
        direction = rng.normal(size=3)
        direction[2] = -abs(direction[2]) * rng.uniform(0.3, 1.2)
        direction[1] -= 0.5
        if index == 0:
            direction += main_light_direction(outlook) * rng.uniform(0.0, 1.5)
            direction[2] = min(direction[2], -0.1)
        warmth = rng.uniform(-1.0, 1.0)
        tint = np.array([1.0 + 0.18 * warmth, 1.0, 1.0 - 0.22 * warmth])
        strength = rng.uniform(*lamp) * (1.0 if index == 0 else 0.4)
        lamps.append(
            Lamp(
                direction=(direction / np.linalg.norm(direction)).astype(np.float32),
                color=(tint * strength).astype(np.float32),
            )
        )
    return Lighting(outlook=outlook, ambient=float(rng.uniform(*ambient)), lamps=tuple(lamps))


def shade(
    points: LitPoints,
    lighting: Lighting,
    *,
    vertices_m: Float32[np.ndarray, "vertices 3"],
    faces: np.ndarray,
    size: int,
) -> Float32[np.ndarray, "3 points"]:
    """Return the light each point sends to the camera, linear RGB."""
    x, y, z = points.position_m
    towards_camera = -points.position_m / np.sqrt(x * x + y * y + z * z)
    facing = np.clip(_dot(points.normal, towards_camera), 0, 1)
    ambient = ambient_light(lighting.outlook, points.normal)
    grey = (ambient[0] + ambient[1] + ambient[2]) * np.float32(_WHITE_BALANCE / 3)
    ambient *= np.float32(1 - _WHITE_BALANCE)
    ambient += grey
    np.minimum(ambient, 2.3, out=ambient)
    ambient *= np.float32(lighting.ambient) * (0.55 + 0.45 * facing) * _openness(points, size)
    light: np.ndarray = points.color * ambient
    for index, lamp in enumerate(lighting.lamps):
        slope = _dot(points.normal, lamp.direction[:, None])
        seen = np.ones(1, np.float32)
        if index == 0:
            seen = _lit_share(points, lamp.direction, vertices_m, faces, size)
        half = towards_camera + lamp.direction[:, None]
        shine = np.clip(_dot(points.normal, half) / np.sqrt(_dot(half, half)), 0, 1)
        gloss = points.gloss * _highlight(shine, points.is_nail) * (slope > 0)
        seen = seen * np.float32(0.75)
        for channel in range(3):
            wrap = _WRAP[channel]
            diffuse = np.maximum((slope + wrap) / (1 + wrap), 0)
            light[channel] += (points.color[channel] * diffuse + gloss) * (
                lamp.color[channel] * seen
            )
    return light


def _highlight(shine: np.ndarray, is_nail: np.ndarray) -> np.ndarray:
    """Return shine to the power of 16, or of 64 on nails."""
    for _ in range(4):
        shine = shine * shine
    nails = np.flatnonzero(is_nail)
    shine[nails] = shine[nails] ** 4
    return shine


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the dot products of columns."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def _openness(points: LitPoints, size: int) -> np.ndarray:
    """Return how open each point is to its surroundings: less where neighbours stand nearer."""
    depth, covered = np.zeros((2, size * size), np.float32)
    depth[points.pixel] = points.position_m[2]
    covered[points.pixel] = 1
    width = max(3, int(size * 0.05) | 1)
    near = cv2.blur(depth.reshape(size, size), (width, width)).ravel()[points.pixel]
    share = cv2.blur(covered.reshape(size, size), (width, width)).ravel()[points.pixel]
    behind = points.position_m[2] - near / share
    cavity = np.clip(behind * np.float32(1 / _CAVITY_DEPTH_M), 0, 1)
    return np.asarray(1 - np.float32(0.5) * cavity)


def _lit_share(
    points: LitPoints,
    direction: Float[np.ndarray, "3"],
    vertices_m: np.ndarray,
    faces: np.ndarray,
    size: int,
) -> np.ndarray:
    """Return how much of a lamp each point sees: a shadow map, softened over the image."""
    right, down = _across(direction)
    centre = points.position_m.mean(axis=1)[:, None]
    position, offset = points.position_m - centre, vertices_m.T - centre
    across, along = _dot(position, right), _dot(position, down)
    reach = max(float(np.abs(across).max()), float(np.abs(along).max())) * 1.02
    middle, scale = np.float32(_SHADOW_PX / 2), np.float32(_SHADOW_PX / 2 / reach)
    flat = np.stack([_dot(offset, right), _dot(offset, down)], axis=1) * scale + middle
    height = _dot(offset, direction)
    lift = 1 - height.min()
    seen = rasterize(flat, height + lift, faces, _SHADOW_PX)
    tallest = np.full(_SHADOW_PX * _SHADOW_PX, -np.inf, np.float32)
    tallest[seen.pixel] = 1 / seen.depth - lift
    column, row = (
        (across * scale + middle).astype(np.int32),
        (along * scale + middle).astype(np.int32),
    )
    margin = np.float32(_SHADOW_BIAS_M + 2 * reach / _SHADOW_PX)
    hidden = tallest[row * _SHADOW_PX + column] > _dot(position, direction) + margin
    lit, covered = np.zeros((2, size * size), np.float32)
    lit[points.pixel] = ~hidden
    covered[points.pixel] = 1
    width = max(3, int(size * 0.02) | 1)
    lit = cv2.blur(lit.reshape(size, size), (width, width)).ravel()[points.pixel]
    covered = cv2.blur(covered.reshape(size, size), (width, width)).ravel()[points.pixel]
    return np.asarray(_SHADOW_FLOOR + (1 - _SHADOW_FLOOR) * lit / covered)


def _across(direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two axes at right angles to a direction, such that lit faces keep their sense."""
    helper = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    right = np.cross(helper, -direction)
    right = right / np.linalg.norm(right)
    down = np.cross(-direction, right)
    return right.astype(np.float32), down.astype(np.float32)
