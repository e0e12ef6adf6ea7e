"""The body mesh: mean shape, shape components, bones, linear blend skinning and 17 joints."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8
from scipy import sparse

from hpe.data.render.hand_model import ASSETS

MESH_FILE = ASSETS / "body_compact.npz"

Rotations = Mapping[str, Float[np.ndarray, "3 3"]]
"""Bone name -> rotation about the bone's head, in rest axes; bones left out stay as they are."""


@dataclass(frozen=True)
class PosedBody:
    """A body in a pose, its pelvis at the origin, metres; rest axes.

    Attributes:
        vertices_m: Skinned vertices.
        joints_m: The 17 joints.
        fingertips_m: Ends of the left and the right middle finger.
        toes_m: Ends of the left and the right foot's bone.
    """

    vertices_m: Float32[np.ndarray, "vertices 3"]
    joints_m: Float[np.ndarray, "17 3"]
    fingertips_m: Float[np.ndarray, "2 3"]
    toes_m: Float[np.ndarray, "2 3"]


@dataclass(frozen=True)
class BodyModel:
    """A body at rest: x to its left, y to its back, z up; arms half down, feet below the origin.

    Attributes:
        bones: Bone names of the rig.
        parents: Index of each bone's parent, -1 for the root; parents come before children.
        faces: Triangles; the outside is where they run counter-clockwise.
        mean_m: Mean of vertices, bone heads and bone tails, stacked.
        components_m: Shape components of the same, each scaled to one standard deviation.
        skinning: Sparse weights of each vertex over the bones; rows sum to one.
        face_label: What each triangle is of (`hpe.data.render.body.surface`).
    """

    bones: tuple[str, ...]
    parents: tuple[int, ...]
    faces: Int32[np.ndarray, "faces 3"]
    mean_m: Float32[np.ndarray, "points 3"]
    components_m: Float32[np.ndarray, "components points 3"]
    skinning: sparse.csr_array
    face_label: UInt8[np.ndarray, " faces"]

    @property
    def num_vertices(self) -> int:
        """Return how many of the points are vertices; the rest are bone heads and tails."""
        return len(self.mean_m) - 2 * len(self.bones)

    def split(
        self, points_m: Float[np.ndarray, "points 3"]
    ) -> tuple[
        Float[np.ndarray, "vertices 3"], Float[np.ndarray, "bones 3"], Float[np.ndarray, "bones 3"]
    ]:
        """Return vertices, bone heads and bone tails of stacked points."""
        first, second = self.num_vertices, self.num_vertices + len(self.bones)
        return points_m[:first], points_m[first:second], points_m[second:]

    def shaped(self, betas: Float[np.ndarray, " components"]) -> Float32[np.ndarray, "points 3"]:
        """Return the stacked points of a person at rest, given one factor per component."""
        change = np.tensordot(betas, self.components_m, axes=1)
        return (self.mean_m + change).astype(np.float32)

    def posed(self, rest_m: Float32[np.ndarray, "points 3"], rotations: Rotations) -> PosedBody:
        """Pose a body: forward kinematics over the bones, then linear blend skinning.

        Args:
            rest_m: Stacked points from `shaped`.
            rotations: How bones turn.
        """
        vertices, heads, tails = self.split(rest_m)
        transforms = self.forward_kinematics(heads.astype(np.float64), rotations)
        turn, shift = transforms[:, :, :3], transforms[:, :, 3]
        heads_m = np.einsum("bij,bj->bi", turn, heads) + shift
        tails_m = np.einsum("bij,bj->bi", turn, tails) + shift
        per_vertex = (self.skinning @ transforms.reshape(-1, 12).astype(np.float32)).reshape(
            -1, 3, 4
        )
        skinned = np.einsum("vij,vj->vi", per_vertex[:, :, :3], vertices) + per_vertex[:, :, 3]
        joints_m = self._joints(heads_m, tails_m)
        origin = joints_m[0].copy()
        ends = [tails_m[self.bones.index(f"finger3-3.{side}")] for side in "LR"]
        toes = [tails_m[self.bones.index(f"foot.{side}")] for side in "LR"]
        return PosedBody(
            vertices_m=skinned - origin.astype(np.float32),
            joints_m=joints_m - origin,
            fingertips_m=np.stack(ends) - origin,
            toes_m=np.stack(toes) - origin,
        )

    def forward_kinematics(
        self, heads: Float[np.ndarray, "bones 3"], rotations: Rotations
    ) -> Float[np.ndarray, "bones 3 4"]:
        """Return each bone's transform from rest to pose."""
        transforms = np.empty((len(self.bones), 3, 4))
        for bone, (name, parent) in enumerate(zip(self.bones, self.parents, strict=True)):
            above = transforms[parent] if parent >= 0 else np.eye(3, 4)
            turn = rotations.get(name)
            if turn is None:
                transforms[bone] = above
                continue
            transforms[bone, :, :3] = above[:, :3] @ turn
            transforms[bone, :, 3] = above[:, :3] @ (heads[bone] - turn @ heads[bone]) + above[:, 3]
        return transforms

    def _joints(
        self, heads_m: Float[np.ndarray, "bones 3"], tails_m: Float[np.ndarray, "bones 3"]
    ) -> Float[np.ndarray, "17 3"]:
        """Return the joints in the order of `hpe.geometry.body_skeleton`.

        The thorax lies half way between the middle of the shoulders and the neck's base, and the
        spine at a bone's head about half way up to it, as in Human3.6M.
        """

        def head(name: str) -> Float[np.ndarray, "3"]:
            point: np.ndarray = heads_m[self.bones.index(name)]
            return point

        legs = {s: [head(f"{bone}.{s}") for bone in _LEG] for s in "LR"}
        arms = {s: [head(f"{bone}.{s}") for bone in _ARM] for s in "LR"}
        pelvis = (legs["L"][0] + legs["R"][0]) / 2
        thorax = ((arms["L"][0] + arms["R"][0]) / 2 + head("neck01")) / 2
        top = tails_m[self.bones.index("head")]
        trunk = [head("spine02"), thorax, head("head"), top]
        return np.stack([pelvis, *legs["R"], *legs["L"], *trunk, *arms["L"], *arms["R"]])


_LEG = ("upperleg01", "lowerleg01", "foot")
_ARM = ("upperarm01", "lowerarm01", "wrist")


@cache
def load_body_model() -> BodyModel:
    """Read the distilled mesh; one copy per process."""
    with np.load(MESH_FILE) as arrays:
        data = {name: arrays[name] for name in arrays.files}
    bones = tuple(str(name) for name in data["bones"])
    parents = tuple(int(parent) for parent in data["parents"])
    assert all(parent < bone for bone, parent in enumerate(parents))
    num_vertices, per_vertex = data["w"].shape
    rows = np.repeat(np.arange(num_vertices), per_vertex)
    skinning = sparse.csr_array(
        (data["w"].astype(np.float32).ravel(), (rows, data["w_idx"].astype(int).ravel())),
        shape=(num_vertices, len(bones)),
    )
    skinning.sum_duplicates()
    skinning.eliminate_zeros()
    skinning = sparse.csr_array(sparse.diags_array(1.0 / skinning.sum(axis=1)) @ skinning)
    stacked = {
        kind: np.concatenate([data[f"{kind}_{part}"] for part in "vht"], axis=-2)
        for kind in ("mean", "comp")
    }
    return BodyModel(
        bones=bones,
        parents=parents,
        faces=data["faces"].astype(np.int32),
        mean_m=stacked["mean"].astype(np.float32),
        components_m=stacked["comp"].astype(np.float32),
        skinning=skinning.astype(np.float32),
        face_label=data["face_lab"],
    )
