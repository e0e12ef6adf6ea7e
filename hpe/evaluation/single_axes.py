"""One hand in one photograph, as an encoder-decoder says it: joints in front of the camera."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from hpe.augment.geometric import Pose, robust_poses
from hpe.evaluation.axis_model import AxisModel, hands_in_squares, view_in_pose, whole_picture
from hpe.evaluation.boxes import HandCrop, crop_of_keypoints, refined
from hpe.evaluation.inference import Photograph
from hpe.evaluation.single_hand import REFINEMENTS, Camera, PredictedHand
from hpe.geometry.camera import project
from hpe.geometry.target_space import UNIT_BONE

MM = 1e-3  # in metres


@dataclass(frozen=True)
class PredictedAxes:
    """A hand, and the distributions that it was read from.

    Attributes:
        hand: The hand.
        mass: Distributions of the upright view; no bins where the decoder has none.
        shares: Where the joints of that view are, in shares of the axes.
    """

    hand: PredictedHand
    mass: Float[np.ndarray, "21 3 bins"]
    shares: Float[np.ndarray, "21 3"]


def predict_hand_by_axes(
    model: AxisModel,
    image: Photograph,
    crop: HandCrop | None,
    camera: Camera,
    *,
    bone_m: float | None = None,
    rotations: int = 1,
    mirrored: bool = False,
    refinements: int = REFINEMENTS,
) -> PredictedAxes:
    """Look for a hand near a crop, and again around what was found; or look at the whole picture.

    Args:
        model: The network.
        image: RGB.
        crop: Where to look first; None, and only None, for networks that look at whole pictures.
        camera: How it was taken.
        bone_m: Length of the index finger's MCP-PIP bone, if that is the network's unit.
        rotations: Views of the last look, evenly over a full turn.
        mirrored: Whether as many mirrored ones are averaged with them.
        refinements: How often to crop anew.

    Raises:
        ValueError: If the network's unit is not the bone whose length is given, or a crop is given
            to a network for whole pictures, or none to one for crops.
    """
    speaks_mm = model.space.unit == "mm"
    if speaks_mm and bone_m is not None:
        raise ValueError("the network says millimetres by itself; leave a bone's length out.")
    if (crop is None) == (model.frame == "hand"):
        wants = "a crop of the hand" if crop is None else "the whole picture, and takes no crop"
        raise ValueError(f"a network trained with target/frame={model.frame} looks at {wants}.")
    unit_m = MM if speaks_mm else 1.0 if bone_m is None else bone_m

    def seen(crops: Sequence[HandCrop], poses: Sequence[Pose]) -> Float[np.ndarray, "21 3"]:
        joints = hands_in_squares(
            model,
            [image],
            camera.intrinsics[None],
            crops,
            poses=poses,
            unit_m=torch.tensor([unit_m], dtype=torch.float64),
        )
        return joints[0].numpy()

    def wanted(crops: Sequence[HandCrop]) -> list[HandCrop]:
        return [crop_of_keypoints(project(seen(crops, upright), camera.intrinsics), root="wrist")]

    upright = robust_poses(rotations=1, mirrored=False)
    last: tuple[HandCrop, ...]
    limited: tuple[bool, ...]
    if crop is None:
        last, limited = (whole_picture(model, image, camera.intrinsics),), (False,)
    else:
        last, limited = refined([crop], wanted, refinements=refinements)
    joints = seen(last, robust_poses(rotations=rotations, mirrored=mirrored))
    hand = PredictedHand(
        keypoints_px=project(joints, camera.intrinsics),
        joints=joints,
        unit="bone" if bone_m is None and not speaks_mm else "m",
        crop=last[0],
        limited=limited[0],
        camera=camera,
        bone=(UNIT_BONE[0], UNIT_BONE[1]),
    )
    view, _ = view_in_pose(model, image, last[0], upright[0])
    said = model.decoded(torch.from_numpy(view)[None])
    mass, shares = said.logits[0].softmax(dim=-1), said.shares[0]
    return PredictedAxes(hand, mass.cpu().numpy(), shares.cpu().numpy())
