"""One body as data sets give it to the phases."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from hpe.data.opened import OpenedData, Split
from hpe.geometry.back_projection import body_joints_mm
from hpe.geometry.camera import project

RECTANGLE_MM = (1485.0, 1980.0)
"""Width and height around the pelvis, parallel to the image, that a body's box shows (S4)."""


@dataclass(frozen=True)
class BodySample:
    """One body in its source image; joints in the order of `hpe.geometry.body_skeleton`.

    Attributes:
        image: RGB.
        keypoints_px: Projections of the joints, (u, v); pixel centres lie at integer + 0.5, so that
            a point at the image's left edge has u = 0.
        depth_mm: z - z of the pelvis, z along the optical axis; zeros where unknown.
        visible: Whether a joint is annotated; everything scored or trained on is weighted by it. A
            joint that is hidden, but whose place is known, counts as visible.
        has_depth: Whether `depth_mm`, `pelvis_mm` and `intrinsics` say something.
        intrinsics: Pixel intrinsics K; the identity where unknown.
        pelvis_mm: Camera coordinates of the pelvis, x right, y down, z forward; zeros where
            unknown.
        box_px: (left, top, width, height) of the box to crop by, in pixels; may reach beyond the
            image. Where depth is known it is `rectangle_box_px`, and its width stands for 1485 mm
            at the pelvis; elsewhere it holds the annotated keypoints with a margin.
        unique_id: Samples with one id are pictures of one moment (such as several cameras') and
            stay in one split.
        subject: Who it is, as the data set names people; None where unknown.
        action: What the person does, for scores by action; None where unknown.
        head_px: Length of the head by which PCKh measures: MPII's, from its head boxes; None where
            unknown.
        head_bone_px: Distance of the upper neck from the top of the head, where both are annotated
            as MPII does it: another length, by which PCKh measures where there are no boxes.
    """

    image: UInt8[np.ndarray, "height width 3"]
    keypoints_px: Float[np.ndarray, "17 2"]
    depth_mm: Float[np.ndarray, " 17"]
    visible: Bool[np.ndarray, " 17"]
    has_depth: bool
    intrinsics: Float[np.ndarray, "3 3"]
    pelvis_mm: Float[np.ndarray, " 3"]
    box_px: Float[np.ndarray, " 4"]
    unique_id: int
    subject: str | None = None
    action: str | None = None
    head_px: float | None = None
    head_bone_px: float | None = None

    def joints_mm(self) -> Float[np.ndarray, "17 3"]:
        """Return the joints in camera coordinates, in mm: keypoints at their depths, through K.

        Raises:
            ValueError: If depth is unknown.
        """
        if not self.has_depth:
            raise ValueError(f"sample {self.unique_id} has no depth: only its keypoints are known.")
        return body_joints_mm(
            self.keypoints_px, self.depth_mm, self.intrinsics, np.asarray(self.pelvis_mm[2])
        )


BodySplit = Split[BodySample]
BodyData = OpenedData[BodySample]


def rectangle_box_px(
    pelvis_mm: Float[np.ndarray, "*batch 3"], intrinsics: Float[np.ndarray, "*batch 3 3"]
) -> Float[np.ndarray, "*batch 4"]:
    """Return (left, top, width, height) of S4's 1485 x 1980 mm rectangle about the pelvis."""
    center_px = project(pelvis_mm[..., None, :], intrinsics)[..., 0, :]
    focal_px = intrinsics[..., [0, 1], [0, 1]]
    size_px = focal_px * RECTANGLE_MM / pelvis_mm[..., 2:]
    return np.concatenate([center_px - size_px / 2, size_px], axis=-1)
