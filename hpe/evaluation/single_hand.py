"""One hand in one photograph: what a network says, in lengths of a bone or in metres."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from hpe.evaluation.boxes import HandCrop
from hpe.evaluation.inference import Photograph, hands_in_camera, predict_poses, with_wrist_keypoint
from hpe.evaluation.pose_model import PoseModel
from hpe.geometry.skeleton import JOINTS, SCALE_BONE, WRIST

FOCAL_SHARE = 1.2
"""Focal length over the longer side where nothing is known: a lens that sees 45 degrees."""

REFINEMENTS = 2


@dataclass(frozen=True)
class Camera:
    """How a photograph was taken.

    Attributes:
        intrinsics: K.
        assumed: Whether nobody said so; depths and the root's place are then a guess.
    """

    intrinsics: Float[np.ndarray, "3 3"]
    assumed: bool


@dataclass(frozen=True)
class PredictedHand:
    """A hand in its photograph.

    Attributes:
        keypoints_px: In the photograph.
        joints: Camera coordinates, in lengths of the scale bone, or metres where that is known.
        unit: `m`, or `bone` for lengths of a bone.
        crop: What was looked at last.
        limited: Whether the network wanted to look far from the first crop in size or place: it
            did not recognise the hand, and this is what it said at the first look.
        camera: The camera that was used.
        bone: The (parent, child) whose length is the unit `bone`.
    """

    keypoints_px: Float[np.ndarray, "21 2"]
    joints: Float[np.ndarray, "21 3"]
    unit: str
    crop: HandCrop
    limited: bool
    camera: Camera
    bone: tuple[int, int] = SCALE_BONE

    def as_json(self) -> dict[str, Any]:
        """Return the hand as JSON data, joints by name."""
        relative = self.joints - self.joints[WRIST]
        return {
            "keypoints_px": dict(zip(JOINTS, self.keypoints_px.tolist(), strict=True)),
            f"joints_{self.unit}": dict(zip(JOINTS, self.joints.tolist(), strict=True)),
            f"joints_from_wrist_{self.unit}": dict(zip(JOINTS, relative.tolist(), strict=True)),
            "scale_bone": [JOINTS[number] for number in self.bone],
            "crop": {
                "center_px": list(self.crop.center_px),
                "half_side_px": self.crop.half_side_px,
            },
            "kept_first_look": self.limited,
            "intrinsics": self.camera.intrinsics.tolist(),
            "intrinsics_assumed": self.camera.assumed,
        }


def assumed_camera(*, height_px: int, width_px: int) -> Camera:
    """Return a camera for a photograph of which nothing is known."""
    focal_px = FOCAL_SHARE * max(height_px, width_px)
    return camera_of(focal_px, height_px=height_px, width_px=width_px, assumed=True)


def camera_for(focal_px: float | None, *, height_px: int, width_px: int) -> Camera:
    """Return a camera of this focal length, or an assumed one where nobody says it."""
    if focal_px is None:
        return assumed_camera(height_px=height_px, width_px=width_px)
    return camera_of(focal_px, height_px=height_px, width_px=width_px)


def camera_of(focal_px: float, *, height_px: int, width_px: int, assumed: bool = False) -> Camera:
    """Return a camera of known focal length that looks through the photograph's middle."""
    matrix = [[focal_px, 0.0, width_px / 2], [0.0, focal_px, height_px / 2], [0.0, 0.0, 1.0]]
    return Camera(np.array(matrix), assumed)


def predict_hand(
    model: PoseModel,
    image: Photograph,
    crop: HandCrop,
    camera: Camera,
    *,
    scale_m: float | None = None,
    turns: tuple[float, ...] = (0.0,),
    refinements: int = REFINEMENTS,
) -> PredictedHand:
    """Look for a right hand near a crop, and again around what was found.

    Args:
        model: The network.
        image: The photograph.
        crop: Where to look first.
        camera: How it was taken.
        scale_m: Length of the middle finger's first bone; no photograph says it.
        turns: Angles of the views that the last look is the mean of, in degrees.
        refinements: How often to crop anew.
    """
    poses = predict_poses(model, [image], [crop], turns=turns, refinements=refinements)
    intrinsics = torch.from_numpy(camera.intrinsics)[None]
    unit = 1.0 if scale_m is None else scale_m
    joints = hands_in_camera(
        model,
        poses,
        intrinsics,
        scale_m=torch.tensor([unit], dtype=torch.float64),
        denoised=model.denoiser is not None,
    )
    keypoints_px = poses.keypoints_px
    if model.root != "wrist":
        keypoints_px = with_wrist_keypoint(keypoints_px, joints, intrinsics)
    return PredictedHand(
        keypoints_px=keypoints_px[0].numpy(),
        joints=joints[0].numpy(),
        unit="bone" if scale_m is None else "m",
        crop=poses.crops[0],
        limited=poses.limited[0],
        camera=camera,
    )
