"""Plausible whole-body poses: actions with noise, inside the range of motion of healthy joints."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hpe.data.render.body.model import BodyModel, Rotations
from hpe.data.render.rotations import rotation_about

Range = tuple[int, int]

SIDES = {"L": 1.0, "R": -1.0}
"""Each side, and the sense of x on it."""

_LEFTWARDS, _BACKWARDS, _UP = np.eye(3)
_SPINE = ("spine04", "spine03", "spine02", "spine01")


@dataclass(frozen=True)
class ArmPose:
    """Ranges of one arm's angles, in degrees.

    Attributes:
        raised: Upper arm away from hanging down; 180 is straight up.
        forward: Where it is raised to: 0 sideways, 90 forwards, negative backwards.
        elbow: Flexion; 0 is straight.
    """

    raised: Range = (12, 30)
    forward: Range = (-10, 40)
    elbow: Range = (5, 35)


@dataclass(frozen=True)
class LegPose:
    """Ranges of one leg's angles, in degrees.

    Attributes:
        hip: Flexion; the thigh forwards.
        knee: Flexion.
        out: Abduction of the thigh.
    """

    hip: Range = (-4, 8)
    knee: Range = (0, 10)
    out: Range = (0, 8)


_HANGING, _STANDING = ArmPose(), LegPose()
_SWUNG_BACK, _SWUNG_FORWARD = ArmPose((15, 35), (-85, -60), (5, 30)), ArmPose((15, 40), (65, 90))
_ANY_ARM = ArmPose((10, 150), (-20, 100), (0, 115))
_FOLDED_UP = ArmPose((20, 60), (50, 95), (70, 125))


@dataclass(frozen=True)
class Action:
    """A kind of pose to vary.

    Attributes:
        prob: How often it is drawn.
        arms: Ranges of the arm and leg of one side, then of the other.
        legs: As `arms`.
        bend: Flexion of the trunk, in degrees.
        twist: Turn of the trunk to the first side.
    """

    prob: float
    arms: tuple[ArmPose, ArmPose] = (_HANGING, _HANGING)
    legs: tuple[LegPose, LegPose] = (_STANDING, _STANDING)
    bend: Range = (-6, 12)
    twist: Range = (-15, 15)


_SEATED = LegPose((78, 98), (70, 105), (3, 16))

ACTIONS: Mapping[str, Action] = {
    "standing": Action(0.12),
    "talking": Action(0.13, arms=(_FOLDED_UP, ArmPose((8, 45), (-10, 80), (10, 110)))),
    "walking": Action(
        0.16,
        arms=(_SWUNG_BACK, _SWUNG_FORWARD),
        legs=(LegPose((14, 36), (0, 22), (0, 4)), LegPose((-26, -4), (5, 50), (0, 4))),
        twist=(-14, 2),
    ),
    "waving": Action(0.10, arms=(ArmPose((95, 165), (-10, 45), (10, 100)), _HANGING)),
    "reaching": Action(
        0.12,
        arms=(ArmPose((60, 155), (30, 100), (0, 40)), ArmPose((10, 120), (0, 95), (0, 80))),
        legs=(LegPose((0, 35), (0, 40)), _STANDING),
        bend=(-5, 40),
    ),
    "sitting": Action(
        0.12,
        arms=(ArmPose((15, 60), (20, 95), (20, 95)), ArmPose((10, 60), (10, 95), (20, 100))),
        legs=(_SEATED, _SEATED),
        bend=(-10, 25),
    ),
    "crouching": Action(
        0.08,
        arms=(_ANY_ARM, ArmPose((20, 80), (40, 100), (10, 90))),
        legs=(LegPose((70, 105), (85, 125), (8, 25)), LegPose((60, 100), (85, 125), (8, 25))),
        bend=(5, 35),
    ),
    "lunging": Action(
        0.08,
        arms=(_ANY_ARM, _ANY_ARM),
        legs=(LegPose((45, 80), (50, 90), (0, 10)), LegPose((-25, -5), (5, 40), (0, 10))),
    ),
    "exercising": Action(
        0.09,
        arms=(_ANY_ARM, _ANY_ARM),
        legs=(LegPose((-15, 75), (0, 80), (0, 35)), LegPose((-10, 20), (0, 25), (0, 20))),
        bend=(-15, 45),
        twist=(-35, 35),
    ),
}
"""Actions by name. Probabilities sum to one."""


@dataclass(frozen=True)
class DrawnPose:
    """A pose and what it is called."""

    action: str
    rotations: Rotations


def draw_body_pose(rng: np.random.Generator, model: BodyModel) -> DrawnPose:
    """Draw an action, which side begins, and every angle within the action's ranges."""
    names = list(ACTIONS)
    name = names[int(rng.choice(len(names), p=[ACTIONS[n].prob for n in names]))]
    action = ACTIONS[name]
    first = "LR" if rng.random() < 0.5 else "RL"
    rotations = _trunk(rng, action, SIDES[first[0]])
    for side, arm, leg in zip(first, action.arms, action.legs, strict=True):
        rotations |= _arm(rng, arm, side, model) | _leg(rng, leg, side)
        rotations |= _fingers(rng, side, model)
    return DrawnPose(name, rotations)


def _trunk(rng: np.random.Generator, action: Action, sense: float) -> dict[str, np.ndarray]:
    """Share bend, twist and lean out over the spine, and turn neck and head a little."""
    bend, twist = rng.uniform(*action.bend), sense * rng.uniform(*action.twist)
    lean = 6 * _clipped_normal(rng)
    step = _turn(_UP, twist / 4) @ _turn(_LEFTWARDS, bend / 4) @ _turn(_BACKWARDS, lean / 4)
    look = [
        _turn(_UP, 12 * _clipped_normal(rng)) @ _turn(_LEFTWARDS, 7 * _clipped_normal(rng))
        for _ in range(2)
    ]
    return dict.fromkeys(_SPINE, step) | {"neck02": look[0], "head": look[1]}


def _leg(rng: np.random.Generator, ranges: LegPose, side: str) -> dict[str, np.ndarray]:
    """Turn thigh, knee and ankle; the thigh also about its length."""
    hip, knee, out = (rng.uniform(*r) for r in (ranges.hip, ranges.knee, ranges.out))
    sense = SIDES[side]
    along = sense * (8 * _clipped_normal(rng) + 4)
    thigh = _turn(_BACKWARDS, -sense * (out - 5)) @ _turn(_LEFTWARDS, -hip) @ _turn(_UP, along)
    ankle = 7 * _clipped_normal(rng) - 0.12 * max(knee - 40, 0)
    return {
        f"upperleg01.{side}": thigh,
        f"lowerleg01.{side}": _turn(_LEFTWARDS, knee),
        f"foot.{side}": _turn(_LEFTWARDS, ankle),
    }


def _arm(
    rng: np.random.Generator, ranges: ArmPose, side: str, model: BodyModel
) -> dict[str, np.ndarray]:
    """Aim the upper arm, turn it about its length, bend elbow and wrist, turn the forearm."""
    raised, forward = (np.radians(rng.uniform(*r)) for r in (ranges.raised, ranges.forward))
    sense = SIDES[side]
    level = np.array([sense * np.cos(forward), -np.sin(forward), 0.0])
    target = np.sin(raised) * level - np.cos(raised) * _UP
    _, heads, _ = model.split(model.mean_m.astype(np.float64))
    shoulder, elbow, wrist = (
        heads[model.bones.index(f"{bone}.{side}")] for bone in ("upperarm01", "lowerarm01", "wrist")
    )
    upper, lower = _unit(elbow - shoulder), _unit(wrist - elbow)
    hinge = np.cross(upper, lower)
    at_rest_deg = float(np.degrees(np.arccos(upper @ lower)))
    flexion_deg = rng.uniform(*ranges.elbow) - at_rest_deg
    aimed = _shortest_turn(upper, target) @ _turn(upper, 14 * _clipped_normal(rng))
    lifted = max(float(np.degrees(raised)) - 90, 0) * 0.25  # the shoulder blade follows the arm
    return {
        f"clavicle.{side}": _turn(_BACKWARDS, -sense * lifted),
        f"upperarm01.{side}": _turn(_BACKWARDS, sense * lifted) @ aimed,
        f"lowerarm01.{side}": _turn(hinge, flexion_deg),
        f"lowerarm02.{side}": _turn(lower, 25 * _clipped_normal(rng)),
        f"wrist.{side}": _turn(hinge, 12 * _clipped_normal(rng)),
    }


def _fingers(rng: np.random.Generator, side: str, model: BodyModel) -> dict[str, np.ndarray]:
    """Curl the four fingers about the line of the knuckles."""
    _, heads, _ = model.split(model.mean_m.astype(np.float64))
    index, little = (heads[model.bones.index(f"finger{k}-1.{side}")] for k in (2, 5))
    knuckles = SIDES[side] * (index - little)
    base = rng.uniform(5, 45)
    return {
        f"finger{finger}-{part}.{side}": _turn(knuckles, base + rng.uniform(-5, 10))
        for finger in (2, 3, 4, 5)
        for part in (1, 2, 3)
    }


def _turn(axis: Float[np.ndarray, "3"], angle_deg: float) -> Float[np.ndarray, "3 3"]:
    return rotation_about(axis, float(np.radians(angle_deg)))


def _shortest_turn(
    start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3 3"]:
    """Return the rotation by the least angle that takes one unit vector to another."""
    axis = np.cross(start, end)
    return rotation_about(axis, float(np.arctan2(np.linalg.norm(axis), start @ end)))


def _unit(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    return np.asarray(vector / np.linalg.norm(vector))


def _clipped_normal(rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(), -2, 2))
