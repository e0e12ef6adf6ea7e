"""Where hands stand: aimed at the camera, and two of them side by side without passing through."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32

from hpe.data.render.hand_model import FINGER_BONES, PosedHand, joints_of, load_hand_model
from hpe.data.render.hand_surface import palm_axes
from hpe.data.render.rotations import rotation_about, tilt_from_frontal, turn_in_plane

Sides = Literal["back", "palm", "both"]

_MIRROR = np.array([-1.0, 1.0, 1.0])
_BALLS_PER_BONE = 3
_BALL_SHRINK = 0.97
_MAX_GAP_M = 0.03
_GAP_PROB = 0.4


@dataclass(frozen=True)
class PlacedHand:
    """A hand in camera orientation; positions share one origin per scene.

    Attributes:
        vertices_m: Skin.
        joints_m: FreiHAND's 21 joints.
        balls_m: Centres of balls that fill the hand, for keeping hands apart.
        elbow_m: The elbow.
        is_right: Whether it is a right hand; a left one is a mirrored right one.
    """

    vertices_m: Float32[np.ndarray, "vertices 3"]
    joints_m: Float[np.ndarray, "21 3"]
    balls_m: Float[np.ndarray, "balls 3"]
    elbow_m: Float[np.ndarray, "3"]
    is_right: bool

    def moved(self, shift_m: Float[np.ndarray, "3"]) -> "PlacedHand":
        """Return the hand shifted."""
        return PlacedHand(
            vertices_m=self.vertices_m + shift_m.astype(np.float32),
            joints_m=self.joints_m + shift_m,
            balls_m=self.balls_m + shift_m,
            elbow_m=self.elbow_m + shift_m,
            is_right=self.is_right,
        )


def draw_aim(
    rng: np.random.Generator, *, max_tilt_deg: float, sides: Sides
) -> Float[np.ndarray, "3 3"]:
    """Draw how the palm is seen, fingers up before the tilt: from palm axes to camera axes."""
    aim = tilt_from_frontal(rng, max_tilt_deg)
    shows_palm = rng.random() < 0.5
    if sides == "palm" or (sides == "both" and shows_palm):
        aim = aim @ rotation_about(np.array([0.0, 1.0, 0.0]), np.pi)
    return aim


def place_hand(
    hand: PosedHand, aim: Float[np.ndarray, "3 3"], *, turn_rad: float, is_right: bool
) -> PlacedHand:
    """Orient a posed hand by its palm and turn it in the image plane; mirror it if it is a left."""
    sense = np.ones(3) if is_right else _MIRROR
    rotation = aim @ palm_axes() @ hand.palm.T
    rotation = turn_in_plane(turn_rad) @ np.diag(sense) @ rotation
    R = rotation.astype(np.float32)
    x, y, z = np.ascontiguousarray(hand.vertices_m.T)
    return PlacedHand(
        vertices_m=np.stack([R[i, 0] * x + R[i, 1] * y + R[i, 2] * z for i in range(3)], axis=1),
        joints_m=hand.joints_m @ rotation.T,
        balls_m=_balls(hand.joints_m, hand.heads_m, hand.tails_m) @ rotation.T,
        elbow_m=rotation @ hand.heads_m[load_hand_model().bone("lowerarm01.R")],
        is_right=is_right,
    )


def bring_together(
    rng: np.random.Generator, first: PlacedHand, second: PlacedHand
) -> tuple[PlacedHand, PlacedHand]:
    """Move the second hand near the first, to touch it or to leave a small gap.

    The hands' centres start close and part along a random direction until their balls are clear.
    """
    start = rng.normal(size=3) * [0.03, 0.03, 0.01]
    second = second.moved(first.joints_m.mean(axis=0) - second.joints_m.mean(axis=0) + start)
    direction = rng.normal(size=3) * [1.0, 1.0, 0.8]
    direction /= np.linalg.norm(direction)
    reach = ball_radii_m()
    distance = clearance(first.balls_m, second.balls_m, reach, direction)
    gap = rng.uniform(0.0, _MAX_GAP_M) * (rng.random() < _GAP_PROB)
    return first, second.moved(direction * (distance + gap))


def clearance(
    fixed_m: Float[np.ndarray, "balls 3"],
    moving_m: Float[np.ndarray, "balls 3"],
    radii_m: Float[np.ndarray, " balls"],
    direction: Float[np.ndarray, "3"],
) -> float:
    """Return the shortest way along a unit direction after which no two balls overlap.

    Each pair overlaps while the way lies in an interval (a quadratic inequality); the answer is
    the first value from zero up outside all intervals.
    """
    between = moving_m[None] - fixed_m[:, None]
    reach = radii_m[None] + radii_m[:, None]
    along = between @ direction
    root2 = along**2 - np.sum(between**2, axis=2) + reach**2
    meets = root2 > 0
    root = np.sqrt(root2[meets])
    begin, end = -along[meets] - root, -along[meets] + root
    way = 0.0
    for i in np.argsort(begin):
        if begin[i] > way:
            break
        way = max(way, float(end[i]))
    return way


@cache
def ball_radii_m() -> Float[np.ndarray, " balls"]:
    """Return the radii of the balls of the mean hand: the distance to its skin."""
    model = load_hand_model()
    vertices, heads, tails = model.split(model.mean_m.astype(np.float64))
    centres = _balls(joints_of(model, heads, tails), heads, tails)
    distance = np.linalg.norm(vertices[None] - centres[:, None], axis=2).min(axis=1)
    return np.asarray(np.maximum(distance * _BALL_SHRINK, 0.005))


def _balls(
    joints_m: np.ndarray, heads_m: np.ndarray, tails_m: np.ndarray
) -> Float[np.ndarray, "balls 3"]:
    """Return points along the finger bones, across the palm and down the forearm."""
    starts, ends = [], []
    for finger in range(len(FINGER_BONES)):
        chain = joints_m[1 + 4 * finger : 5 + 4 * finger]
        starts += [joints_m[0], *chain[:-1]]
        ends += list(chain)
    model = load_hand_model()
    for name in ("lowerarm01.R", "lowerarm02.R"):
        starts.append(heads_m[model.bone(name)])
        ends.append(tails_m[model.bone(name)])
    share = ((np.arange(_BALLS_PER_BONE) + 0.5) / _BALLS_PER_BONE)[:, None, None]
    along = np.stack(starts) * (1 - share) + np.stack(ends) * share
    return np.concatenate([along.reshape(-1, 3), joints_m[[4, 8, 12, 16, 20]]])
