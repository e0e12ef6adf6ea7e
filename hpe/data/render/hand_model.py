"""The hand mesh: mean shape, shape components, bones and linear blend skinning."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int32
from scipy import sparse

ASSETS = Path(__file__).resolve().parents[1] / "assets"
MESH_FILE = ASSETS / "hand_compact.npz"

FINGER_BONES = tuple(tuple(f"finger{k}-{q}.R" for q in (1, 2, 3)) for k in (1, 2, 3, 4, 5))
"""Bones of thumb, index, middle, ring and little finger, from the palm outwards."""


@dataclass(frozen=True)
class PosedHand:
    """One right hand in a pose, its wrist joint at the origin, metres.

    Attributes:
        vertices_m: Skinned vertices.
        joints_m: FreiHAND's 21 joints.
        heads_m: Where each bone begins.
        tails_m: Where each bone ends.
        palm: Rotation of the palm (the wrist bone) from the rest pose.
    """

    vertices_m: Float32[np.ndarray, "vertices 3"]
    joints_m: Float[np.ndarray, "21 3"]
    heads_m: Float[np.ndarray, "bones 3"]
    tails_m: Float[np.ndarray, "bones 3"]
    palm: Float[np.ndarray, "3 3"]


@dataclass(frozen=True)
class HandModel:
    """A right hand with forearm and half an upper arm, in its rest pose, wrist at the origin.

    Attributes:
        bones: Bone names of the rig.
        parents: Index of each bone's parent, -1 for the root.
        parents_first: Bone indices, every parent before its children.
        faces: Triangles; the outside is where they run counter-clockwise.
        mean_m: Mean of vertices, bone heads and bone tails, stacked.
        components_m: Shape components of the same, each scaled to one standard deviation.
        skinning: Sparse weights of each vertex over the bones; rows sum to one.
        face_nail: Share of each triangle that is fingernail.
    """

    bones: tuple[str, ...]
    parents: tuple[int, ...]
    parents_first: tuple[int, ...]
    faces: Int32[np.ndarray, "faces 3"]
    mean_m: Float32[np.ndarray, "points 3"]
    components_m: Float32[np.ndarray, "components points 3"]
    skinning: sparse.csr_array
    face_nail: Float32[np.ndarray, " faces"]

    @property
    def num_vertices(self) -> int:
        """Return how many of the points are vertices; the rest are bone heads and tails."""
        return len(self.mean_m) - 2 * len(self.bones)

    def bone(self, name: str) -> int:
        """Return the index of a bone."""
        return self.bones.index(name)

    def split(
        self, points_m: Float[np.ndarray, "points 3"]
    ) -> tuple[
        Float[np.ndarray, "vertices 3"], Float[np.ndarray, "bones 3"], Float[np.ndarray, "bones 3"]
    ]:
        """Return vertices, bone heads and bone tails of stacked points."""
        first, second = self.num_vertices, self.num_vertices + len(self.bones)
        return points_m[:first], points_m[first:second], points_m[second:]

    def shaped(self, betas: Float[np.ndarray, " components"]) -> Float32[np.ndarray, "points 3"]:
        """Return the stacked points of a person's hand at rest, given one factor per component."""
        points_m = self.mean_m.astype(np.float64)
        for beta, component in zip(betas, self.components_m, strict=True):
            points_m += beta * component
        return points_m.astype(np.float32)

    def posed(
        self,
        rest_m: Float32[np.ndarray, "points 3"],
        rotations: Mapping[str, Float[np.ndarray, "3 3"]],
    ) -> PosedHand:
        """Bend the hand: forward kinematics over the bones, then linear blend skinning.

        Args:
            rest_m: Stacked points from `shaped`.
            rotations: Bone name -> rotation about the bone's head, in rest axes; others stay.
        """
        vertices, heads, tails = self.split(rest_m)
        transforms = self._forward_kinematics(heads.astype(np.float64), rotations)
        per_vertex = (self.skinning @ transforms.reshape(-1, 12).astype(np.float32)).T
        x, y, z = np.ascontiguousarray(vertices.T)
        rows = [
            per_vertex[4 * i] * x
            + per_vertex[4 * i + 1] * y
            + per_vertex[4 * i + 2] * z
            + per_vertex[4 * i + 3]
            for i in range(3)
        ]
        turn, shift = transforms[:, :, :3], transforms[:, :, 3]
        heads_m = np.einsum("bij,bj->bi", turn, heads) + shift
        tails_m = np.einsum("bij,bj->bi", turn, tails) + shift
        wrist = self.bone("wrist.R")
        origin = heads_m[wrist].copy()
        return PosedHand(
            vertices_m=np.stack(rows, axis=1) - origin.astype(np.float32),
            joints_m=joints_of(self, heads_m, tails_m) - origin,
            heads_m=heads_m - origin,
            tails_m=tails_m - origin,
            palm=turn[wrist],
        )

    def _forward_kinematics(
        self,
        heads: Float[np.ndarray, "bones 3"],
        rotations: Mapping[str, Float[np.ndarray, "3 3"]],
    ) -> Float[np.ndarray, "bones 3 4"]:
        """Return each bone's transform from rest to pose."""
        transforms = np.empty((len(self.bones), 3, 4))
        for bone in self.parents_first:
            turn = rotations.get(self.bones[bone], np.eye(3))
            shift = heads[bone] - turn @ heads[bone]
            parent = self.parents[bone]
            if parent >= 0:
                above = transforms[parent]
                shift = above[:, :3] @ shift + above[:, 3]
                turn = above[:, :3] @ turn
            transforms[bone, :, :3] = turn
            transforms[bone, :, 3] = shift
        return transforms


def joints_of(
    model: HandModel, heads_m: Float[np.ndarray, "bones 3"], tails_m: Float[np.ndarray, "bones 3"]
) -> Float[np.ndarray, "21 3"]:
    """Return FreiHAND's 21 joints: the wrist, and each finger's bone heads and last tail."""
    joints = [heads_m[model.bone("wrist.R")]]
    for finger in FINGER_BONES:
        joints += [heads_m[model.bone(bone)] for bone in finger]
        joints.append(tails_m[model.bone(finger[-1])])
    return np.stack(joints)


@cache
def load_hand_model() -> HandModel:
    """Read the distilled mesh; one copy per process."""
    with np.load(MESH_FILE) as arrays:
        data = {name: arrays[name] for name in arrays.files}
    bones = tuple(str(name) for name in data["bones"])
    parents = tuple(int(parent) for parent in data["parents"])
    num_vertices, per_vertex = data["w"].shape
    skinning = sparse.csr_array(
        (
            data["w"].astype(np.float32).ravel(),
            (np.repeat(np.arange(num_vertices), per_vertex), data["w_idx"].astype(int).ravel()),
        ),
        shape=(num_vertices, len(bones)),
    )
    skinning.sum_duplicates()
    skinning.eliminate_zeros()
    skinning = sparse.csr_array(sparse.diags_array(1.0 / skinning.sum(axis=1)) @ skinning)
    stacked = {
        kind: np.concatenate([data[f"{kind}_{part}"] for part in "vht"], axis=-2)
        for kind in ("mean", "comp")
    }
    return HandModel(
        bones=bones,
        parents=parents,
        parents_first=_parents_first(parents),
        faces=data["faces"].astype(np.int32),
        mean_m=stacked["mean"].astype(np.float32),
        components_m=stacked["comp"].astype(np.float32),
        skinning=skinning.astype(np.float32),
        face_nail=data["face_nail"].astype(np.float32),
    )


def _parents_first(parents: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bone indices in an order in which every parent precedes its children."""
    order: list[int] = []
    while len(order) < len(parents):
        order += [
            bone
            for bone, parent in enumerate(parents)
            if bone not in order and (parent < 0 or parent in order)
        ]
    return tuple(order)
