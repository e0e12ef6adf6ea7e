"""What each point of the skin is: which part, palm or back, nail, how far along a finger."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from scipy import sparse

from hpe.data.render.hand_model import FINGER_BONES, HandModel, joints_of, load_hand_model

BACKGROUND, PALM, NUM_HAND_PARTS, ARM = 0, 1, 16, 33
"""Part labels: 1 palm, 2..16 phalanges from thumb to little finger (proximal to distal; the thumb
begins with its metacarpal), 17..32 the same of a left hand, 33 arm and sleeve."""

KNUCKLE_RADIUS_M = 0.009
TIP_RADIUS_M = 0.012


@dataclass(frozen=True)
class HandSurface:
    """Static values of the mean hand's vertices.

    Attributes:
        canonical_m: Position in the mean hand at rest, in palm axes (see `palm_axes`).
        label: Part label of a right hand.
        dorsal: +1 on the back of hand and fingers, -1 on their palm side.
        palm_skin: Share of palm skin, fading out over three centimetres around the wrist.
        knuckle: Nearness to finger joints, 0 to 1.
        tip: Nearness to fingertips, 0 to 1.
        nail: Share of fingernail.
        axial_m: Distance along the finger from its first joint; negative towards the wrist.
        arm_m: Distance from the wrist towards the elbow; negative on the hand.
        on_arm: Share of forearm, upper arm and wrist, which a sleeve can cover.
    """

    canonical_m: Float32[np.ndarray, "vertices 3"]
    label: UInt8[np.ndarray, " vertices"]
    dorsal: Float32[np.ndarray, " vertices"]
    palm_skin: Float32[np.ndarray, " vertices"]
    knuckle: Float32[np.ndarray, " vertices"]
    tip: Float32[np.ndarray, " vertices"]
    nail: Float32[np.ndarray, " vertices"]
    axial_m: Float32[np.ndarray, " vertices"]
    arm_m: Float32[np.ndarray, " vertices"]
    on_arm: Float32[np.ndarray, " vertices"]


@dataclass(frozen=True)
class FingerAxes:
    """Axes about which one finger bends, at rest: unit vectors.

    Attributes:
        flexion: Turning about it by a positive angle curls the finger.
        dorsal: Points out of the back of the finger; turning about it spreads the finger.
        along: Points from the finger's first joint to its second.
    """

    flexion: Float[np.ndarray, "3"]
    dorsal: Float[np.ndarray, "3"]
    along: Float[np.ndarray, "3"]


@cache
def finger_axes() -> tuple[FingerAxes, ...]:
    """Return the axes of thumb, index, middle, ring and little finger, found from the nails."""
    model = load_hand_model()
    vertices, heads, tails = model.split(model.mean_m.astype(np.float64))
    corners = vertices[model.faces]
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = _unit(outward)
    weights = model.skinning.toarray()[model.faces].mean(axis=1)
    axes = []
    for proximal, _, distal in FINGER_BONES:
        tip = model.bone(distal)
        on_nail = (model.face_nail > 0.5) & (weights.argmax(axis=1) == tip)
        direction = _unit(tails[tip] - heads[tip])
        dorsal = outward[on_nail].mean(axis=0)
        dorsal = _unit(dorsal - direction * (dorsal @ direction))
        first = model.bone(proximal)
        axes.append(
            FingerAxes(
                flexion=np.cross(dorsal, direction),
                dorsal=dorsal,
                along=_unit(tails[first] - heads[first]),
            )
        )
    return tuple(axes)


@cache
def palm_axes() -> Float[np.ndarray, "3 3"]:
    """Return the rotation from rest axes to palm axes.

    Palm axes look at the back of a right hand as a camera would, fingers up: x towards the little
    finger, y towards the wrist, z into the hand.
    """
    model = load_hand_model()
    _, heads, tails = model.split(model.mean_m.astype(np.float64))
    joints = joints_of(model, heads, tails)
    to_wrist = _unit(joints[0] - joints[9])
    inward = -np.mean([axes.dorsal for axes in finger_axes()[1:]], axis=0)
    inward = _unit(inward - to_wrist * (inward @ to_wrist))
    return np.stack([np.cross(to_wrist, inward), to_wrist, inward])


@cache
def hand_surface() -> HandSurface:
    """Compute the static values of the skin; one copy per process."""
    model = load_hand_model()
    vertices, heads, tails = model.split(model.mean_m.astype(np.float64))
    label, on_arm, finger_share = _memberships(model)
    towards_elbow = _unit(heads[model.bone("lowerarm01.R")])
    arm_m = vertices @ towards_elbow
    normals = VertexNormals(model.faces, model.num_vertices)(vertices.astype(np.float32))
    reference = finger_share @ np.stack([-palm_axes()[2], *(a.dorsal for a in finger_axes())])
    dorsal = np.sum(normals * _unit(reference), axis=1)
    joint_m = np.stack([heads[model.bone(bone)] for finger in FINGER_BONES for bone in finger])
    tip_m = np.stack([tails[model.bone(finger[-1])] for finger in FINGER_BONES])
    on_palm_side = np.clip(0.5 - 1.2 * dorsal, 0.0, 1.0)
    return HandSurface(
        canonical_m=(vertices @ palm_axes().T).astype(np.float32),
        label=label,
        dorsal=dorsal.astype(np.float32),
        palm_skin=(on_palm_side * (1.0 - _smooth_step(arm_m, -0.015, 0.015))).astype(np.float32),
        knuckle=_nearness(vertices, joint_m, KNUCKLE_RADIUS_M),
        tip=_nearness(vertices, tip_m, TIP_RADIUS_M),
        nail=_face_mean_at_vertices(model),
        axial_m=_axial_m(vertices, heads, tails, finger_share[:, 1:].argmax(axis=1)),
        arm_m=arm_m.astype(np.float32),
        on_arm=on_arm,
    )


@cache
def joint_depth_m() -> Float[np.ndarray, "21"]:
    """Return how far each joint of the mean hand lies from its nearest point of the skin."""
    model = load_hand_model()
    vertices, heads, tails = model.split(model.mean_m.astype(np.float64))
    joints = joints_of(model, heads, tails)
    distance = np.linalg.norm(vertices[None] - joints[:, None], axis=2)
    return np.asarray(distance.min(axis=1))


@cache
def parts_at_joints() -> Bool[np.ndarray, "21 labels"]:
    """Return which part labels of a right hand meet at each joint."""
    meets = np.zeros((21, ARM + 1), bool)
    meets[0, [PALM, ARM]] = True
    for finger in range(len(FINGER_BONES)):
        proximal = PALM + 1 + 3 * finger
        chain = [PALM, proximal, proximal + 1, proximal + 2]
        for place, part in enumerate(chain):
            joint = 1 + 4 * finger + place
            meets[joint, part] = True
            meets[joint, chain[min(place + 1, 3)]] = True
    return meets


class VertexNormals:
    """Area-weighted vertex normals of a fixed triangulation."""

    def __init__(self, faces: np.ndarray, num_vertices: int) -> None:
        """Prepare the sum over each vertex's triangles."""
        self._corners = tuple(np.ascontiguousarray(faces[:, i]) for i in range(3))
        self._sum = sparse.csr_array(
            (
                np.ones(faces.size, np.float32),
                (faces.ravel(), np.repeat(np.arange(len(faces)), 3)),
            ),
            shape=(num_vertices, len(faces)),
        )

    def __call__(self, vertices: np.ndarray) -> np.ndarray:
        """Return unit normals, float32, one row per vertex."""
        a, b, c = (vertices[corner] for corner in self._corners)
        (ux, uy, uz), (vx, vy, vz) = (b - a).T, (c - a).T
        outward = np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx], axis=1)
        return _unit(self._sum @ outward)


def _memberships(
    model: HandModel,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return part labels, share of arm, and shares of (palm or arm, thumb, ..., little finger)."""
    part_of_bone = np.full(len(model.bones), PALM)
    finger_of_bone = np.zeros(len(model.bones), int)
    for finger, bones in enumerate(FINGER_BONES):
        for phalanx, name in enumerate(bones):
            part_of_bone[model.bone(name)] = PALM + 1 + 3 * finger + phalanx
            finger_of_bone[model.bone(name)] = 1 + finger
    is_arm = np.array(["arm" in name for name in model.bones])
    part_of_bone[is_arm] = NUM_HAND_PARTS + 1
    part_share = model.skinning @ np.eye(NUM_HAND_PARTS + 2, dtype=np.float32)[part_of_bone]
    label = part_share.argmax(axis=1).astype(np.uint8)
    label[label == NUM_HAND_PARTS + 1] = ARM
    wrist = np.array([name == "wrist.R" for name in model.bones])
    on_arm = model.skinning @ (is_arm | wrist).astype(np.float32)
    finger_share = model.skinning @ np.eye(1 + len(FINGER_BONES))[finger_of_bone]
    return label, on_arm.astype(np.float32), finger_share


def _axial_m(
    vertices: np.ndarray, heads: np.ndarray, tails: np.ndarray, finger: np.ndarray
) -> Float32[np.ndarray, " vertices"]:
    """Return how far along the axis of its finger each vertex lies, from the first joint."""
    model = load_hand_model()
    axial = np.zeros(len(vertices))
    for index, bones in enumerate(FINGER_BONES):
        chain = [heads[model.bone(bone)] for bone in bones] + [tails[model.bone(bones[-1])]]
        mine = finger == index
        points = vertices[mine]
        best, passed = np.full(len(points), np.inf), 0.0
        along = np.zeros(len(points))
        for segment, (start, end) in enumerate(pairwise(chain)):
            length = float(np.linalg.norm(end - start))
            direction = (end - start) / length
            lowest = -np.inf if segment == 0 else 0.0
            offset = np.clip((points - start) @ direction, lowest, length)
            distance = np.linalg.norm(points - start - offset[:, None] * direction, axis=1)
            nearer = distance < best
            along[nearer] = passed + offset[nearer]
            best = np.minimum(best, distance)
            passed += length
        axial[mine] = along
    return axial.astype(np.float32)


def _nearness(
    points: np.ndarray, centres: np.ndarray, radius_m: float
) -> Float32[np.ndarray, " points"]:
    """Return a Gaussian of the distance to the nearest centre."""
    distance = np.linalg.norm(points[:, None] - centres[None], axis=2).min(axis=1)
    return np.asarray(np.exp(-((distance / radius_m) ** 2)), np.float32)


def _face_mean_at_vertices(model: HandModel) -> Float32[np.ndarray, " vertices"]:
    """Return each vertex's mean share of nail over its triangles."""
    corners = model.faces.ravel()
    nail = np.bincount(corners, np.repeat(model.face_nail, 3), model.num_vertices)
    return (nail / np.bincount(corners, minlength=model.num_vertices)).astype(np.float32)


def _smooth_step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return 0 below `low`, 1 above `high`, a smooth ramp between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors at length one."""
    norm = np.sqrt(np.sum(vectors * vectors, axis=-1, keepdims=True))
    return np.asarray(vectors / np.maximum(norm, 1e-12))
