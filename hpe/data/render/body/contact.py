"""Whether parts of a body touch that should not: limbs as rows of balls, the trunk as a grid."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from hpe.data.render.body.model import PosedBody
from hpe.geometry.body_skeleton import BODY_JOINTS, SPINE, THORAX

Balls = Float[np.ndarray, "_balls 4"]
"""Centres and radii, metres."""

_RADII_M: Mapping[str, tuple[float, float]] = {
    "upper_arm": (0.042, 0.034),
    "forearm": (0.038, 0.028),
    "hand": (0.030, 0.022),
    "thigh": (0.080, 0.058),
    "shin": (0.058, 0.042),
    "foot": (0.042, 0.042),
}
_TRUNK_RADIUS_M = 0.1
_HEAD_RADIUS_M = 0.115
_BALLS_PER_LIMB = 6
_SPINE_TO_THORAX_M = 0.274
"""Of the mean body, whose parts the radii fit."""
_ROOTED_BALLS = 4
"""Balls of an upper arm or thigh, from the trunk, that are not tested against it."""

_OTHERS: Mapping[str, tuple[str, ...]] = {
    "hand": ("trunk", "head", "upper_arm", "forearm", "hand", "thigh", "shin", "foot"),
    "forearm": ("trunk", "head", "forearm", "thigh", "shin", "foot"),
    "upper_arm": ("trunk", "head", "thigh"),
    "thigh": ("thigh", "trunk"),
    "shin": ("thigh", "shin", "foot", "trunk"),
    "foot": ("thigh", "foot", "trunk"),
}
"""What each kind of limb must stay clear of; limbs that share a joint are left out."""


def touches_itself(body: PosedBody) -> bool:
    """Return whether any two parts that should be apart overlap; radii go with the trunk's size."""
    parts = _parts(body)
    size = float(np.linalg.norm(body.joints_m[THORAX] - body.joints_m[SPINE])) / _SPINE_TO_THORAX_M
    for balls in parts.values():
        balls[:, 3] *= size
    for (kind, side), balls in parts.items():
        for other_kind in _OTHERS.get(kind, ()):
            for other_side in ("L", "R", ""):
                other = parts.get((other_kind, other_side))
                neighbours = side == other_side and {kind, other_kind} in _NEIGHBOURS
                if other is None or neighbours or (kind, side) == (other_kind, other_side):
                    continue
                outer = (
                    balls[_ROOTED_BALLS:] if other_kind == "trunk" and kind in _ROOTED else balls
                )
                if _overlap(outer, other):
                    return True
    return False


_NEIGHBOURS = (
    {"upper_arm", "forearm"},
    {"forearm", "hand"},
    {"hand", "upper_arm"},
    {"thigh", "shin"},
    {"shin", "foot"},
)
_ROOTED = ("upper_arm", "thigh")


def _parts(body: PosedBody) -> dict[tuple[str, str], Balls]:
    """Return the balls of each part of each side; head and trunk have no side."""
    joint = dict(zip(BODY_JOINTS, body.joints_m, strict=True))
    parts = {("head", ""): _row(joint["neck"], joint["head"], _HEAD_RADIUS_M, _HEAD_RADIUS_M)}
    for index, (side, word) in enumerate((("L", "left"), ("R", "right"))):
        arm = [joint[f"{word}_{name}"] for name in ("shoulder", "elbow", "wrist")]
        leg = [joint[f"{word}_{name}"] for name in ("hip", "knee", "foot")]
        chains = {
            ("upper_arm", "forearm", "hand"): [*arm, body.fingertips_m[index]],
            ("thigh", "shin", "foot"): [*leg, body.toes_m[index]],
        }
        for kinds, points in chains.items():
            for kind, start, end in zip(kinds, points, points[1:], strict=False):
                parts[kind, side] = _row(start, end, *_RADII_M[kind])
    parts["trunk", ""] = _trunk(joint)
    return parts


def _trunk(joint: Mapping[str, np.ndarray]) -> Balls:
    """Return balls between the hips and the shoulders, and inside of them."""
    low, high = (
        np.linspace(0.75 * left + 0.25 * right, 0.25 * left + 0.75 * right, 3)
        for left, right in (
            (joint["left_hip"], joint["right_hip"]),
            (joint["left_shoulder"], joint["right_shoulder"]),
        )
    )
    share = np.linspace(0.1, 0.9, 6)[:, None, None]
    return _with_radius((low + share * (high - low)).reshape(-1, 3), _TRUNK_RADIUS_M)


def _row(start: np.ndarray, end: np.ndarray, first_m: float, last_m: float) -> Balls:
    """Return balls along a limb, without one at either end."""
    share = (np.arange(_BALLS_PER_LIMB)[:, None] + 0.5) / _BALLS_PER_LIMB
    return np.concatenate([start + share * (end - start), first_m + share * (last_m - first_m)], 1)


def _with_radius(centres: np.ndarray, radius_m: float) -> Balls:
    return np.concatenate([centres, np.full((len(centres), 1), radius_m)], axis=1)


def _overlap(first: Balls, second: Balls) -> bool:
    between = np.linalg.norm(first[:, None, :3] - second[None, :, :3], axis=2)
    return bool((between < first[:, None, 3] + second[None, :, 3]).any())
