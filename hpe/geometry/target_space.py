"""The coordinates that a network says joints in, and the way back to the camera."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hpe.geometry.axis_bins import Box, Unit
from hpe.geometry.canonical_camera import Camera, target_from_joints
from hpe.geometry.root_depth import bone_length_m
from hpe.geometry.skeleton import FINGERS

UNIT_BONE = FINGERS["index"][:2]
"""The index finger's MCP-PIP bone, which S2 normalises by; FreiHAND does not give it for tests."""


@dataclass(frozen=True)
class TargetSpace:
    """Where a network says that joints are.

    Attributes:
        camera: Whose coordinates they are (`hpe.geometry.canonical_camera`).
        focal: Focal length of the canonical camera, in sides of the view.
        side_px: Side of the view.
        unit: Millimetres, or lengths of the hand's own `UNIT_BONE`.
        box: What the network can speak of, in that unit.
    """

    camera: Camera
    focal: float
    side_px: int
    unit: Unit
    box: Box

    def matrix(self, intrinsics: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch 3 3"]:
        """Return the map from camera coordinates for views with these K."""
        return target_from_joints(
            intrinsics, camera=self.camera, focal=self.focal, side_px=self.side_px
        )

    def unit_m(self, joints_m: Float[Tensor, "batch 21 3"]) -> Float[Tensor, " batch"]:
        """Return how long the unit is for hands, in metres."""
        if self.unit == "bone":
            return bone_length_m(joints_m, bone=(UNIT_BONE[0], UNIT_BONE[1]))
        return torch.full_like(joints_m[:, 0, 0], 1e-3)

    def points(
        self, joints_m: Float[Tensor, "batch 21 3"], intrinsics: Float[Tensor, "batch 3 3"]
    ) -> Float[Tensor, "batch 21 3"]:
        """Return what a network should say of joints in camera coordinates."""
        return (joints_m @ self.matrix(intrinsics).mT) / self.unit_m(joints_m)[:, None, None]

    def joints_m(
        self,
        points: Float[Tensor, "batch 21 3"],
        intrinsics: Float[Tensor, "batch 3 3"],
        *,
        unit_m: Float[Tensor, " batch"],
    ) -> Float[Tensor, "batch 21 3"]:
        """Return joints in camera coordinates: the inverse of `points`."""
        back: Tensor = torch.linalg.inv(self.matrix(intrinsics))
        joints_m: Tensor = (points * unit_m[:, None, None]) @ back.mT
        return joints_m
