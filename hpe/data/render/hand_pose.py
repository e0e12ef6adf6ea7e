"""Plausible finger poses: archetypes such as a fist or a pinch, with noise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hpe.data.render.hand_model import FINGER_BONES
from hpe.data.render.hand_surface import FingerAxes, finger_axes, palm_axes
from hpe.data.render.rotations import rotation_about

Curls = Float[np.ndarray, "4"]

FLEXED_DEG = np.array([75.0, 100.0, 60.0])
EXTENDED_DEG = np.array([-12.0, -3.0, -3.0])
"""Flexion of a finger's three joints, knuckle first, at curl 1 and curl 0: about the active range
of motion of a healthy hand, short of its ends."""

FLEXION_NOISE_DEG = np.array([5.0, 6.0, 4.0])
SPREAD_SHARE = np.array([1.3, 0.2, -0.8, -1.8])
"""How index to little finger share in spreading the hand; positive towards the thumb."""

WRIST_DEVIATION_RAD = np.radians([22.0, 9.0])
"""Standard deviation of the wrist's bend and of its sideways deviation; cut at twice that."""

THUMBS_DEG: Mapping[str, tuple[float, float, float, float]] = {
    "mid": (10.0, 10.0, 15.0, 0.0),
    "out": (-12.0, -4.0, -6.0, -12.0),
    "over": (30.0, 35.0, 35.0, 12.0),
    "oppose": (28.0, 22.0, 22.0, 20.0),
}
"""Thumb positions: flexion of its three joints, then adduction."""


@dataclass(frozen=True)
class Archetype:
    """A kind of pose to vary.

    Attributes:
        prob: How often it is drawn.
        curls: Draws how far index to little finger are curled, 0 straight to 1 fist.
        thumbs: Thumb positions it goes with.
        spread_deg: Mean spread of the fingers.
        apart_deg: Turn of index and middle finger away from each other.
    """

    prob: float
    curls: Callable[[np.random.Generator], Curls]
    thumbs: tuple[str, ...]
    spread_deg: float = 0.0
    apart_deg: float = 0.0


def _between(*ranges: tuple[float, float]) -> Callable[[np.random.Generator], Curls]:
    """Return a draw of each finger's curl from its own range."""
    low, high = np.transpose(ranges)

    def draw(rng: np.random.Generator) -> Curls:
        return np.asarray(rng.uniform(low, high))

    return draw


def _together(
    low: float, high: float, noise: float, step: float = 0.0
) -> Callable[[np.random.Generator], Curls]:
    """Return a draw of one curl for all fingers, with noise, rising by up to `step` per finger."""

    def draw(rng: np.random.Generator) -> Curls:
        base = rng.uniform(low, high) + np.arange(4) * rng.uniform(0.3, 1.0) * step
        return np.asarray(np.clip(base + rng.normal(size=4) * noise, -0.05, 1.0))

    return draw


def _counting(rng: np.random.Generator) -> Curls:
    """Draw which fingers are up."""
    up = rng.random(4) < 0.5
    return np.asarray(np.where(up, rng.uniform(0.0, 0.12, 4), rng.uniform(0.8, 1.0, 4)))


_UP, _DOWN, _ANY = (0.0, 0.12), (0.8, 1.0), (0.1, 0.7)

ARCHETYPES: Mapping[str, Archetype] = {
    "random": Archetype(0.22, _together(0.0, 0.8, noise=0.25), ("out", "mid", "oppose")),
    "open": Archetype(0.12, _together(0.0, 0.12, noise=0.03), ("out",), spread_deg=6.0),
    "fist": Archetype(0.10, _between(*[(0.85, 1.0)] * 4), ("over",)),
    "point": Archetype(0.09, _between(_UP, _DOWN, _DOWN, _DOWN), ("over", "out", "mid")),
    "pinch": Archetype(0.10, _between((0.4, 0.55), _ANY, _ANY, _ANY), ("oppose",)),
    "victory": Archetype(0.07, _between(_UP, _UP, _DOWN, _DOWN), ("over",), apart_deg=9.0),
    "thumb_up": Archetype(0.06, _between(*[(0.85, 1.0)] * 4), ("out",)),
    "relaxed": Archetype(0.12, _together(0.15, 0.45, noise=0.03, step=0.07), ("mid",)),
    "claw": Archetype(0.05, _together(0.0, 0.0, noise=0.0), ("mid",)),
    "count": Archetype(0.07, _counting, ("over", "out"), spread_deg=6.0),
}

CLAW_DEG = ((-15.0, 50.0, 30.0), (10.0, 80.0, 50.0))
"""Lowest and highest flexion of a claw: straight knuckles, bent fingers."""


def draw_pose(
    rng: np.random.Generator, *, noise: float = 1.0
) -> tuple[dict[str, Float[np.ndarray, "3 3"]], str]:
    """Draw a hand's pose.

    Args:
        rng: Source of randomness.
        noise: Factor on the deviation from the archetypes and on the wrist's range.

    Returns:
        Rotation per bone in rest axes, for `HandModel.posed`, and the archetype's name.
    """
    names = list(ARCHETYPES)
    name = names[rng.choice(len(names), p=[ARCHETYPES[name].prob for name in names])]
    archetype = ARCHETYPES[name]
    curls = archetype.curls(rng)
    flexion = curls[:, None] * FLEXED_DEG + (1.0 - curls[:, None]) * EXTENDED_DEG
    if name == "claw":
        flexion = rng.uniform(*CLAW_DEG, size=(4, 3))
    flexion += rng.normal(size=(4, 3)) * FLEXION_NOISE_DEG * noise
    spread = archetype.spread_deg + rng.normal() * 4.0 * noise
    sideways = SPREAD_SHARE * spread * (1.0 - 0.8 * np.clip(curls, 0.0, 1.0))
    sideways += np.array([1.0, -1.0, 0.0, 0.0]) * archetype.apart_deg + rng.normal(size=4) * 2.0
    rotations: dict[str, Float[np.ndarray, "3 3"]] = {}
    axes = finger_axes()
    for finger in range(1, 5):
        rotations |= _finger(
            FINGER_BONES[finger], axes[finger], flexion[finger - 1], float(sideways[finger - 1])
        )
    thumb = archetype.thumbs[rng.integers(len(archetype.thumbs))]
    rotations |= _thumb(rng, axes[0], thumb, noise)
    return rotations | _wrist(rng, noise), name


def _finger(
    bones: tuple[str, ...], axes: FingerAxes, flexion_deg: np.ndarray, sideways_deg: float
) -> dict[str, Float[np.ndarray, "3 3"]]:
    """Return a finger's rotations: it spreads at the knuckle and bends at all three joints."""
    turns = [rotation_about(axes.flexion, angle) for angle in np.radians(flexion_deg)]
    turns[0] = turns[0] @ rotation_about(axes.dorsal, np.radians(sideways_deg))
    return dict(zip(bones, turns, strict=True))


def _thumb(
    rng: np.random.Generator, axes: FingerAxes, position: str, noise: float
) -> dict[str, Float[np.ndarray, "3 3"]]:
    """Return the thumb's rotations about a named position."""
    *flexion, adduction = np.array(THUMBS_DEG[position]) + rng.normal(size=4) * noise * np.array(
        [6.0, 6.0, 8.0, 5.0]
    )
    turns = _finger(FINGER_BONES[0], axes, np.array(flexion), -adduction)
    roll = rotation_about(axes.along, np.radians(rng.normal() * 6.0))
    turns[FINGER_BONES[0][0]] = turns[FINGER_BONES[0][0]] @ roll
    return turns


def _wrist(rng: np.random.Generator, noise: float) -> dict[str, Float[np.ndarray, "3 3"]]:
    """Return rotations of wrist and forearm."""
    across, to_wrist, inward = palm_axes()
    bend, deviation = np.clip(rng.normal(size=2) * noise, -2.0, 2.0) * WRIST_DEVIATION_RAD
    twist = np.radians(rng.uniform(-35.0, 35.0))
    turn = rotation_about(across, bend) @ rotation_about(-inward, deviation)
    return {"wrist.R": turn, "lowerarm02.R": rotation_about(to_wrist, twist)}
