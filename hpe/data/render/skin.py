"""Colour of every visible point of hand, nail and sleeve before light falls on it."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float32, Int64

from hpe.data.render.hand_model import FINGER_BONES, joints_of, load_hand_model
from hpe.data.render.identity import Identity
from hpe.data.render.texture import on_palm_lines, on_veins, skin_noise

_CREASE_STEP_M = 0.00025
_CREASE_FROM_M, _CREASE_TO_M = -0.02, 0.12

_PALMAR_CREASES_MM = ((0.0, 1.1, 1.0), (3.5, 0.9, 0.6))
_DORSAL_CREASES_MM = tuple((k * 2.1, 0.7, 0.55) for k in (-2, -1, 0, 1, 2))
"""Offset from a finger joint along the finger, half width, strength."""


@dataclass(frozen=True)
class Sleeve:
    """Cloth around the arm.

    Attributes:
        start_m: Where it ends, measured from the wrist towards the elbow.
        thickness_m: Height of the cloth over the skin.
        folds_per_m: Angular frequency of its folds along the arm.
        colors: Two linear RGB colours.
        pattern: Plain, stripes or patches of both colours.
        stripes_per_m: Angular frequency of the stripes.
    """

    start_m: float
    thickness_m: float
    folds_per_m: float
    colors: Float32[np.ndarray, "2 3"]
    pattern: int
    stripes_per_m: float


@dataclass(frozen=True)
class SkinPoints:
    """Visible points of hands, as the rasterizer saw them.

    Attributes:
        canonical_m: Position in the mean hand at rest, palm axes.
        dorsal: +1 back, -1 palm side.
        palm_skin: Share of palm skin.
        knuckle: Nearness to finger joints.
        tip: Nearness to fingertips.
        nail: Share of nail.
        axial_m: Position along the finger.
        arm_m: Position along the arm.
        finger: 0 thumb to 4 little finger, -1 elsewhere.
    """

    canonical_m: Float32[np.ndarray, "3 points"]
    dorsal: Float32[np.ndarray, " points"]
    palm_skin: Float32[np.ndarray, " points"]
    knuckle: Float32[np.ndarray, " points"]
    tip: Float32[np.ndarray, " points"]
    nail: Float32[np.ndarray, " points"]
    axial_m: Float32[np.ndarray, " points"]
    arm_m: Float32[np.ndarray, " points"]
    finger: Int64[np.ndarray, " points"]


@dataclass(frozen=True)
class Albedo:
    """Reflectance and gloss of points.

    Attributes:
        color: Linear RGB reflectance.
        bump: Deviation of the normal, as three noises.
        is_nail: Whether the point shines like a nail.
    """

    color: Float32[np.ndarray, "3 points"]
    bump: Float32[np.ndarray, "3 points"]
    is_nail: Bool[np.ndarray, " points"]


def skin_albedo(
    points: SkinPoints, identity: Identity, polish: Float32[np.ndarray, "3"] | None
) -> Albedo:
    """Return the colour of bare skin and nails.

    Args:
        points: Where.
        identity: Whose.
        polish: Colour of painted nails, or None.
    """
    noise = skin_noise(points.canonical_m, identity.offset_m)
    mixed, blotch = noise[0], noise[1]
    red = np.clip(0.55 * points.tip + 0.35 * points.knuckle, 0, 1) * np.float32(identity.redness)
    crease = _creases(points, mixed) * np.float32(0.5 * identity.creases)
    palm_side = np.clip(points.palm_skin * 1.5, 0, 1)
    lines = on_palm_lines(points.canonical_m) * palm_side * (points.finger < 0)
    shade = 1 - np.clip(crease + lines * np.float32(0.35 * identity.creases), 0, 0.7)
    shade *= 1 + np.float32(0.06 * identity.mottling) * mixed
    vein = on_veins(points.canonical_m) * np.clip(points.dorsal * 1.5, 0, 1) * (points.finger < 0)
    vein *= np.float32(identity.veins)
    nail = np.clip((points.nail - 0.35) / 0.3, 0, 1).astype(np.float32)
    shade *= 1 - np.float32(0.35) * np.clip(points.nail * 4, 0, 1) * (1 - nail)
    nail_color = polish if polish is not None else _nail_color(identity)
    color = np.empty((3, len(red)), np.float32)
    for channel in range(3):
        back, palm = identity.skin[channel], identity.palm[channel]
        base = back + (palm - back) * points.palm_skin
        base *= shade
        if channel == 0:
            base *= 1 - np.float32(0.04) * red - np.float32(0.09) * vein
        else:
            base *= 1 - np.float32(0.22) * red - np.float32(0.02) * vein
            base *= 1 - np.float32(0.035 * identity.mottling) * blotch
        color[channel] = base + (nail_color[channel] - base) * nail
    return Albedo(color=np.maximum(color, 0.004), bump=noise[1:], is_nail=nail > 0.5)


def cloth_albedo(
    sleeve: Sleeve, canonical_m: Float32[np.ndarray, "3 points"]
) -> Float32[np.ndarray, "3 points"]:
    """Return the colour of cloth at points of the sleeve."""
    noise = skin_noise(canonical_m, np.full(3, 1.0, np.float32))
    if sleeve.pattern == 0:
        second = np.zeros(noise.shape[1], bool)
    elif sleeve.pattern == 1:
        second = np.sin(canonical_m[1] * np.float32(sleeve.stripes_per_m)) > 0
    else:
        second = noise[1] > 0
    weave = 1 + np.float32(0.07) * noise[3] + np.float32(0.05) * noise[1]
    colors = np.where(second, sleeve.colors[1][:, None], sleeve.colors[0][:, None])
    return np.asarray(colors * weave, np.float32)


def draw_sleeve(rng: np.random.Generator) -> Sleeve:
    """Draw a sleeve."""
    return Sleeve(
        start_m=float(rng.uniform(0.005, 0.12)),
        thickness_m=float(rng.uniform(0.003, 0.007)),
        folds_per_m=float(rng.uniform(150.0, 400.0)),
        colors=(rng.random((2, 3)) ** 1.8 * 0.8 + 0.02).astype(np.float32),
        pattern=int(rng.integers(3)),
        stripes_per_m=float(rng.uniform(300.0, 1200.0)),
    )


def _nail_color(identity: Identity) -> Float32[np.ndarray, "3"]:
    """Return a bare nail's colour: the skin's, a little lighter and pinker."""
    color = identity.skin**0.75 * np.array([1.1, 0.97, 0.95]) * 0.9 + 0.07
    return np.asarray(color, np.float32)


def _creases(points: SkinPoints, noise: np.ndarray) -> np.ndarray:
    """Return how deep in a finger's crease each point lies, 0 to 1."""
    table = _crease_table()
    along = points.axial_m + np.float32(0.0003) * noise
    cell = ((along - _CREASE_FROM_M) * np.float32(1.0 / _CREASE_STEP_M)).astype(np.int32)
    np.clip(cell, 0, table.shape[2] - 1, out=cell)
    back = (points.dorsal > 0).astype(np.int64)
    flat = ((points.finger + 1) * 2 + back) * table.shape[2] + cell
    return np.asarray(table.ravel()[flat])


@cache
def _crease_table() -> Float32[np.ndarray, "6 2 cells"]:
    """Return crease depth by finger (the first is none), side (palm, back) and position."""
    model = load_hand_model()
    _, heads, tails = model.split(model.mean_m)
    joints = joints_of(model, heads, tails)
    position = np.arange(_CREASE_FROM_M, _CREASE_TO_M, _CREASE_STEP_M)
    table = np.zeros((1 + len(FINGER_BONES), 2, len(position)), np.float32)
    for finger in range(len(FINGER_BONES)):
        chain = joints[1 + 4 * finger : 5 + 4 * finger]
        bones_m = np.linalg.norm(np.diff(chain, axis=0), axis=1)
        for side, shape in enumerate((_PALMAR_CREASES_MM, _DORSAL_CREASES_MM)):
            for joint_m in np.cumsum(bones_m)[:2]:
                for offset, width, strength in shape:
                    distance = (position - joint_m - offset * 1e-3) / (width * 1e-3)
                    table[1 + finger, side] += strength * np.exp(-(distance**2))
    return table
