"""The triangles of a scene: one or two placed hands, with sleeves, normals and skin attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from hpe.data.render.hand_model import load_hand_model
from hpe.data.render.hand_surface import ARM, NUM_HAND_PARTS, VertexNormals, hand_surface
from hpe.data.render.placement import PlacedHand
from hpe.data.render.skin import Sleeve

COLUMNS = (
    "normal_x", "normal_y", "normal_z", "canonical_x", "canonical_y", "canonical_z",
    "dorsal", "palm_skin", "knuckle", "tip", "nail", "axial_m", "arm_m", "cloth",
)  # fmt: skip
"""What is interpolated over the triangles."""

_CUFF_M = 0.0006
_FOLD_M = 0.0015


@dataclass(frozen=True)
class SceneMesh:
    """All hands of a scene as one mesh.

    Attributes:
        vertices_m: In camera orientation.
        faces: Triangles; their outside runs clockwise on screen where it faces the camera.
        attributes: Values of `COLUMNS` per vertex.
        label: Part label per vertex.
    """

    vertices_m: Float32[np.ndarray, "vertices 3"]
    faces: Int32[np.ndarray, "faces 3"]
    attributes: Float32[np.ndarray, "vertices columns"]
    label: UInt8[np.ndarray, " vertices"]


def scene_mesh(hands: Sequence[PlacedHand], sleeve: Sleeve | None) -> SceneMesh:
    """Join the hands to one mesh and pull the sleeve over their arms."""
    topology = _topology(tuple(hand.is_right for hand in hands))
    vertices = np.concatenate([hand.vertices_m for hand in hands])
    attributes = topology.attributes.copy()
    normals = topology.normals(vertices)
    if sleeve is not None:
        cloth, height_m = _cloth(sleeve)
        attributes[:, -1] = np.tile(cloth, len(hands))
        vertices = vertices + normals * np.tile(height_m, len(hands))[:, None]
        normals = topology.normals(vertices)
    attributes[:, :3] = normals
    return SceneMesh(
        vertices_m=vertices, faces=topology.faces, attributes=attributes, label=topology.label
    )


@dataclass(frozen=True)
class _Topology:
    """What does not change with pose."""

    faces: Int32[np.ndarray, "faces 3"]
    normals: VertexNormals
    attributes: Float32[np.ndarray, "vertices columns"]
    label: UInt8[np.ndarray, " vertices"]


@cache
def _topology(are_right: tuple[bool, ...]) -> _Topology:
    """Return triangles and static attributes for right (True) and mirrored left hands."""
    model, surface = load_hand_model(), hand_surface()
    outward = [model.faces if is_right else model.faces[:, ::-1] for is_right in are_right]
    faces = np.concatenate([f + i * model.num_vertices for i, f in enumerate(outward)])
    static = np.zeros((model.num_vertices, len(COLUMNS)), np.float32)
    static[:, 3:6] = surface.canonical_m
    for column, name in enumerate(COLUMNS[6:-1], start=6):
        static[:, column] = getattr(surface, name)
    label = np.concatenate(
        [surface.label if right else _left(surface.label) for right in are_right]
    )
    faces = np.ascontiguousarray(faces, np.int32)
    return _Topology(
        faces=faces,
        normals=VertexNormals(faces, len(label)),
        attributes=np.tile(static, (len(are_right), 1)),
        label=label,
    )


def _left(label: UInt8[np.ndarray, " vertices"]) -> UInt8[np.ndarray, " vertices"]:
    """Return a left hand's labels; an arm stays an arm."""
    return np.where(label == ARM, label, label + np.uint8(NUM_HAND_PARTS)).astype(np.uint8)


def _cloth(
    sleeve: Sleeve,
) -> tuple[Float32[np.ndarray, " vertices"], Float32[np.ndarray, " vertices"]]:
    """Return where the sleeve is, 0 to 1, and its height over the skin."""
    surface = hand_surface()
    past_cuff = np.clip((surface.arm_m - sleeve.start_m) / (4.0 * _CUFF_M) + 0.5, 0.0, 1.0)
    cloth = past_cuff * (surface.on_arm > 0.5)
    folds = _FOLD_M * np.sin(surface.arm_m * sleeve.folds_per_m)
    return cloth.astype(np.float32), (cloth * (sleeve.thickness_m + folds)).astype(np.float32)
