"""One body in one photograph, of which only a box is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from hpe.augment.body_views import BodyViewConfig, at_aspect, build_body_view
from hpe.data.bodies import RECTANGLE_MM, BodySample
from hpe.evaluation.body_model import BodyModel
from hpe.evaluation.boxes import Box
from hpe.evaluation.single_hand import Camera
from hpe.geometry.back_projection import body_joints_mm
from hpe.geometry.body_skeleton import BODY_JOINTS, NUM_BODY_JOINTS

RECTANGLE_ASPECT = (3, 4)  # of RECTANGLE_MM


@dataclass(frozen=True)
class PredictedBody:
    """A body in its photograph.

    Attributes:
        box: What the network was shown. Of the smallest 3:4 box about the given one the width is
            taken for 1485 mm at the pelvis, as in the boxes that it was trained on; a patch of
            another aspect shows more than that.
        keypoints_px: In the photograph (left edge at 0).
        depth_mm: z - z of the pelvis.
        joints_mm: In the camera; the pelvis is where the 3:4 box has that width.
        camera: Of the photograph.
    """

    box: Box
    keypoints_px: Float[np.ndarray, "17 2"]
    depth_mm: Float[np.ndarray, " 17"]
    joints_mm: Float[np.ndarray, "17 3"]
    camera: Camera

    def as_json(self) -> dict[str, Any]:
        """Return what there is to know as JSON data."""
        return {
            "box": [self.box.x, self.box.y, self.box.width, self.box.height],
            "joint_names": list(BODY_JOINTS),
            "keypoints_px": self.keypoints_px.tolist(),
            "depth_mm": self.depth_mm.tolist(),
            "joints_mm": self.joints_mm.tolist(),
            "intrinsics": self.camera.intrinsics.tolist(),
            "intrinsics_assumed": self.camera.assumed,
        }


def centered_rectangle(*, height_px: int, width_px: int) -> Box:
    """Return the largest upright 3:4 box in a photograph's middle."""
    width_mm, height_mm = RECTANGLE_MM
    scale = min(width_px / width_mm, height_px / height_mm)
    width, height = scale * width_mm, scale * height_mm
    return Box((width_px - width) / 2, (height_px - height) / 2, width, height)


def predict_body(
    model: BodyModel, image: UInt8[np.ndarray, "height width 3"], box: Box, camera: Camera
) -> PredictedBody:
    """Return the body in a box, which is widened or heightened to 3:4, then to the patch's aspect.

    Args:
        model: The network.
        image: RGB.
        box: Where the body is, with as much room around it as in training: 1485 x 1980 mm.
        camera: Of the photograph.
    """
    size_px = (model.width_px, model.height_px)
    rectangle_px = at_aspect(np.array([box.x, box.y, box.width, box.height]), RECTANGLE_ASPECT)
    make_view = build_body_view(
        BodyViewConfig(), width_px=model.width_px, height_px=model.height_px, seed=0
    )
    view = make_view(_unlabelled(image, rectangle_px), np.random.default_rng(0))
    with torch.no_grad():
        points = model.network(torch.from_numpy(view.image)[None])[0].double().cpu().numpy()
    keypoints_px = view.source_keypoints_px((points[:, :2] + 0.5) * size_px)
    depth_mm = points[:, 2] * view.depth_range_mm
    pelvis_depth_mm = camera.intrinsics[0, 0] * RECTANGLE_MM[0] / rectangle_px[2]
    return PredictedBody(
        box=Box(*at_aspect(rectangle_px, size_px).tolist()),
        keypoints_px=keypoints_px,
        depth_mm=depth_mm,
        joints_mm=body_joints_mm(
            keypoints_px, depth_mm, camera.intrinsics, np.asarray(pelvis_depth_mm)
        ),
        camera=camera,
    )


def _unlabelled(
    image: UInt8[np.ndarray, "height width 3"], box_px: Float[np.ndarray, " 4"]
) -> BodySample:
    return BodySample(
        image=image,
        keypoints_px=np.zeros((NUM_BODY_JOINTS, 2)),
        depth_mm=np.zeros(NUM_BODY_JOINTS),
        visible=np.zeros(NUM_BODY_JOINTS, dtype=bool),
        has_depth=False,
        intrinsics=np.eye(3),
        pelvis_mm=np.zeros(3),
        box_px=box_px,
        unique_id=0,
    )
