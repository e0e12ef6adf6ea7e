"""Poses as limb directions in frames of the body itself, and back.

Limbs at the torso are told in a frame of the torso: across (towards the person's right), down the
spine, and to the front; arms and head in that of the shoulders, legs in that of the hips. A forearm
or shin is told in a frame that its parent limb carries: the torso's, turned by the smallest turn
that takes the parent from a place in the middle of where it may be to where it is. So there is one
direction per limb in which that frame is undefined, and it is one that no body reaches, such as an
upper arm that points up, inwards and back. A frame from cross products with a fixed axis (Akhter
and Black, 2015) is undefined in two.

Units are millimetres; any right-handed frame will do for the joints, such as the camera's.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from hpe.evolution.limbs import ENDS, LOWER, NECK, NUM_LIMBS, SECOND, STARTS, TORSO
from hpe.geometry.body_skeleton import BODY_JOINTS, NUM_BODY_JOINTS, SPINE, THORAX

SMALLEST_MM = 1e-6

# Across, down, front; the middle of where a limb may be, not normalised.
_MIDDLES = np.array(
    [
        (0.0, -1.0, 0.0),
        *[(-1.0, 1.0, 1.0)] * 2,
        *[(1.0, 1.0, 1.0)] * 2,
        *[(-0.3, 1.0, 0.6)] * 2,
        *[(0.3, 1.0, 0.6)] * 2,
    ]
)
MIDDLES: Float[np.ndarray, "9 3"] = _MIDDLES / np.linalg.norm(_MIDDLES, axis=1, keepdims=True)
"""The direction of a limb, or of a limb's parent, from which frames are turned."""

_ACROSS = {
    "upper": (BODY_JOINTS.index("left_shoulder"), BODY_JOINTS.index("right_shoulder")),
    "lower": (BODY_JOINTS.index("left_hip"), BODY_JOINTS.index("right_hip")),
}


@dataclass(frozen=True)
class LocalPoses:
    """Poses by limbs.

    Attributes:
        torso_mm: The joints `hpe.evolution.limbs.TORSO` where they are.
        directions: Unit vectors along the limbs, in their frames.
        lengths_mm: The limbs' lengths.
        neck: The neck in the head's frame, from the thorax, in lengths of the head.
    """

    torso_mm: Float[np.ndarray, "poses 7 3"]
    directions: Float[np.ndarray, "poses 9 3"]
    lengths_mm: Float[np.ndarray, "poses 9"]
    neck: Float[np.ndarray, "poses 3"]

    def __len__(self) -> int:
        """Return the number of poses."""
        return len(self.torso_mm)

    def __getitem__(self, rows: Int[np.ndarray, " rows"]) -> "LocalPoses":
        """Return some of the poses."""
        return LocalPoses(
            self.torso_mm[rows], self.directions[rows], self.lengths_mm[rows], self.neck[rows]
        )


def to_local(joints_mm: Float[np.ndarray, "poses 17 3"]) -> LocalPoses:
    """Tell poses by limbs.

    Raises:
        ValueError: If a limb has no length, or a torso spans no frame.
    """
    bones_mm = joints_mm[:, ENDS, :] - joints_mm[:, STARTS, :]
    lengths_mm = np.linalg.norm(bones_mm, axis=-1)
    if not np.all(lengths_mm > SMALLEST_MM):
        raise ValueError(
            f"every limb must have a length, got {float(np.min(lengths_mm)):g} mm in pose "
            f"{int(np.argmin(lengths_mm.min(axis=1)))}; leave out poses with missing joints."
        )
    directions = bones_mm / lengths_mm[..., None]
    torso_mm = joints_mm[:, TORSO, :]
    frames = _torso_frames(torso_mm)
    local = _turned_back(frames, directions)
    frames = _with_carried(frames, local)
    local = _turned_back(frames, directions)
    head = _carried(frames[:, 0], local[:, 0], MIDDLES[0])
    neck_mm = joints_mm[:, NECK] - joints_mm[:, THORAX]
    neck = _turned_back(head, neck_mm) / lengths_mm[:, :1]
    return LocalPoses(torso_mm, local, lengths_mm, neck)


def to_global(poses: LocalPoses) -> Float[np.ndarray, "poses 17 3"]:
    """Return the joints of poses told by limbs."""
    frames = _with_carried(_torso_frames(poses.torso_mm), poses.directions)
    bones_mm = _turned(frames, poses.directions) * poses.lengths_mm[..., None]
    joints_mm = np.empty((len(poses), NUM_BODY_JOINTS, 3))
    joints_mm[:, TORSO, :] = poses.torso_mm
    for limb in range(NUM_LIMBS):
        joints_mm[:, ENDS[limb]] = joints_mm[:, STARTS[limb]] + bones_mm[:, limb]
    head = _carried(frames[:, 0], poses.directions[:, 0], MIDDLES[0])
    neck_mm = _turned(head, poses.neck * poses.lengths_mm[:, :1])
    joints_mm[:, NECK] = joints_mm[:, THORAX] + neck_mm
    return joints_mm


def smallest_turns(
    start: Float[np.ndarray, " 3"], ends: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3 3"]:
    """Return the rotations by the smallest angle that take a unit vector to others (Rodrigues).

    For the opposite of `start`, where any axis at right angles would do, it is a half turn about
    one of them.
    """
    axes = np.cross(start, ends)
    cosines = ends @ start
    x, y, z = axes[..., 0], axes[..., 1], axes[..., 2]
    zero = np.zeros_like(x)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    opposite = 1 + cosines < 1e-12
    factor = 1 / np.where(opposite, 1.0, 1 + cosines)
    turns = np.eye(3) + skew + skew @ skew * factor[..., None, None]
    side = np.cross(start, np.eye(3)[int(np.argmin(np.abs(start)))])
    side /= np.linalg.norm(side)
    half: Float[np.ndarray, "*batch 3 3"] = np.where(
        opposite[..., None, None], 2 * np.outer(side, side) - np.eye(3), turns
    )
    return half


def _torso_frames(torso_mm: Float[np.ndarray, "poses 7 3"]) -> Float[np.ndarray, "poses 9 3 3"]:
    """Return, for each limb, the frame of its part of the torso; axes are columns."""
    joint = {number: torso_mm[:, place] for place, number in enumerate(TORSO)}
    down = joint[SPINE] - joint[THORAX]
    frames = np.empty((len(torso_mm), NUM_LIMBS, 3, 3))
    for part, (left, right) in _ACROSS.items():
        across = _unit(joint[right] - joint[left])
        straight = _unit(down - (down * across).sum(-1, keepdims=True) * across)
        axes = np.stack([across, straight, np.cross(across, straight)], axis=-1)
        limbs = [limb for limb in range(NUM_LIMBS) if (limb in LOWER) == (part == "lower")]
        frames[:, limbs] = axes[:, None]
    return frames


def _with_carried(
    frames: Float[np.ndarray, "poses 9 3 3"], local: Float[np.ndarray, "poses 9 3"]
) -> Float[np.ndarray, "poses 9 3 3"]:
    """Return the frames with those of forearms and shins carried by their parents."""
    result = frames.copy()
    for limb in SECOND:
        result[:, limb] = _carried(frames[:, limb - 1], local[:, limb - 1], MIDDLES[limb])
    return result


def _carried(
    frames: Float[np.ndarray, "poses 3 3"],
    parent: Float[np.ndarray, "poses 3"],
    middle: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, "poses 3 3"]:
    carried: Float[np.ndarray, "poses 3 3"] = frames @ smallest_turns(middle, parent)
    return carried


def _turned(
    frames: Float[np.ndarray, "*batch 3 3"], vectors: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3"]:
    turned: Float[np.ndarray, "*batch 3"] = (frames @ vectors[..., None])[..., 0]
    return turned


def _turned_back(
    frames: Float[np.ndarray, "*batch 3 3"], vectors: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3"]:
    return _turned(frames.swapaxes(-1, -2), vectors)


def _unit(vectors: Float[np.ndarray, "poses 3"]) -> Float[np.ndarray, "poses 3"]:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.all(norms > SMALLEST_MM):
        raise ValueError(
            "a torso must span a frame: shoulders, hips and spine apart and not in one line, got "
            f"pose {int(np.argmin(norms))}; leave it out."
        )
    unit: Float[np.ndarray, "poses 3"] = vectors / norms
    return unit
