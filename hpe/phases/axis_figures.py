"""A few samples with what a network says of them along each axis, for pictures."""

import torch
from torch import Tensor

from hpe.augment.crop import Frame
from hpe.augment.geometric import robust_poses
from hpe.data.hands import HandSplit
from hpe.geometry.camera import project
from hpe.geometry.target_space import TargetSpace
from hpe.phases.axis_scores import crops_in_pose
from hpe.phases.axis_training import AxisRun
from hpe.phases.evaluation import FIGURE_PX, FIGURE_SAMPLES


class AxisFigures:
    """A few samples of a split, spread over it, with images large enough to look at."""

    def __init__(self, split: HandSplit, *, space: TargetSpace, frame: Frame) -> None:
        """Name the samples; none is opened yet."""
        chosen = range(0, len(split), max(len(split) // FIGURE_SAMPLES, 1))[:FIGURE_SAMPLES]
        (upright,) = robust_poses(rotations=1, mirrored=False)
        self._crops, self._figures = (
            crops_in_pose(split, chosen, image_px=side_px, frame=frame, pose=upright)
            for side_px in (space.side_px, max(space.side_px, FIGURE_PX))
        )

    @torch.no_grad()
    def predictions(self, run: AxisRun) -> dict[str, Tensor]:
        """Return images with true and predicted poses; the network is left in evaluation mode.

        Returns:
            `images` (uint8), and in their pixels `keypoints_px` and `predicted_px`; in camera
            coordinates `joints_m` and `predicted_m`; `visible`; the distributions `mass` (hands x
            21 x 3 x bins), and `true_shares`, where along the axes they should be.
        """
        rows, figures = self._crops.rows(), self._figures.rows()
        true_m, intrinsics = rows["joints_m"], rows["intrinsics"]
        decoded = run.predict(rows["image"])
        points = run.space.box.points(decoded.shares).to(true_m)
        predicted_m = run.space.joints_m(points, intrinsics, unit_m=run.space.unit_m(true_m))
        return {
            "images": figures["image"],
            "joints_m": true_m,
            "visible": rows["visible"],
            "keypoints_px": project(true_m, figures["intrinsics"]),
            "predicted_px": project(predicted_m, figures["intrinsics"]),
            "predicted_m": predicted_m,
            "mass": decoded.logits.softmax(dim=-1),
            "true_shares": run.space.box.shares(run.space.points(true_m, intrinsics)),
        }
