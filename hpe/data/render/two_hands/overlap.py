"""Two hands placed so that one stands before the other, touching it or close to it."""

import numpy as np

from hpe.data.render.hand_model import load_hand_model
from hpe.data.render.hand_pose import draw_pose
from hpe.data.render.identity import Identity
from hpe.data.render.placement import (
    PlacedHand,
    ball_radii_m,
    bring_together,
    clearance,
    draw_aim,
    place_hand,
)
from hpe.data.render.scene import Variety

OVERLAP_PROB = 0.85
"""Share of the scenes in which one hand is put before the other; in the rest they stand beside each
other, as in scenes of two hands of `hpe.data.render.scene`."""

_ARM_TOWARDS_CAMERA = -0.35
"""Arms that point nearer to the camera than this (cosine) would cover the hands; drawn anew."""
_OFFSET_M = 0.035
_SIDEWAYS = 0.35
_MAX_GAP_M = 0.02
_MAX_APART_M = 0.14
"""Hands whose centres are farther apart, because their arms would have crossed, are drawn anew."""
_INWARDS_DEG = (-20.0, 90.0)


def draw_two_hands(
    rng: np.random.Generator, identity: Identity, variety: Variety
) -> tuple[PlacedHand, PlacedHand]:
    """Draw a left and a right hand of one person, which do not pass through each other."""
    place = one_before_the_other if rng.random() < OVERLAP_PROB else bring_together
    while True:
        turn_rad = rng.uniform(0.0, 2.0 * np.pi)
        inwards_rad = np.radians(rng.uniform(*_INWARDS_DEG, 2))
        right = _draw_hand(rng, identity, variety, turn_rad - inwards_rad[0], is_right=True)
        left = _draw_hand(rng, identity, variety, turn_rad + inwards_rad[1], is_right=False)
        left, right = place(rng, left, right)
        apart_m = np.linalg.norm(left.joints_m.mean(axis=0) - right.joints_m.mean(axis=0))
        if apart_m < _MAX_APART_M:
            return left, right


def one_before_the_other(
    rng: np.random.Generator, first: PlacedHand, second: PlacedHand
) -> tuple[PlacedHand, PlacedHand]:
    """Move the second hand before or behind the first, to touch it or to leave a small gap.

    The hands' centres start a few centimetres apart in the image plane and part mostly along the
    optical axis until their balls are clear.
    """
    offset = rng.normal(size=3) * [_OFFSET_M, _OFFSET_M, 0.0]
    second = second.moved(first.joints_m.mean(axis=0) - second.joints_m.mean(axis=0) + offset)
    direction = np.append(rng.normal(size=2) * _SIDEWAYS, rng.choice([-1.0, 1.0]))
    direction /= np.linalg.norm(direction)
    way = clearance(first.balls_m, second.balls_m, ball_radii_m(), direction)
    return first, second.moved(direction * (way + rng.uniform(0.0, _MAX_GAP_M)))


def _draw_hand(
    rng: np.random.Generator,
    identity: Identity,
    variety: Variety,
    turn_rad: float,
    *,
    is_right: bool,
) -> PlacedHand:
    """Draw pose and orientation of one hand whose arm does not block the view."""
    model = load_hand_model()
    rest_m = model.shaped(identity.betas)
    while True:
        rotations, _ = draw_pose(rng, noise=variety.pose_noise)
        aim = draw_aim(rng, max_tilt_deg=variety.max_tilt_deg, sides=variety.sides)
        posed = model.posed(rest_m, rotations)
        hand = place_hand(posed, aim, turn_rad=turn_rad, is_right=is_right)
        if hand.elbow_m[2] > _ARM_TOWARDS_CAMERA * np.linalg.norm(hand.elbow_m):
            return hand
