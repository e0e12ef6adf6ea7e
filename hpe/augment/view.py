"""A view: the square network input made from a sample, and the exact map that made it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

HsvChange = Float[np.ndarray, " 4"]
"""Factors of hue, saturation and value, and what is added to the value, of 255."""

UNCHANGED_COLORS = (1.0, 1.0, 1.0, 0.0)


@dataclass(frozen=True)
class View:
    """A hand's reference crop as an augmentation composition shows it.

    The reference crop is `hpe.augment.crop.hand_crop`. In normalised coordinates, where both the
    crop and the view span [-1, 1] (x right, y down),
    `view = zoom * R(angle_deg) @ reference + shift`, with `reference` flipped first where
    `hpe.augment.geometric.FlipConfig` says so. A control arm's shear is in `affine` alone; angle
    and zoom are then those of the similarity nearest to it.

    Attributes:
        image: RGB.
        keypoints_px: (u, v) in the view; may lie outside of it.
        intrinsics: The view's K: `hpe.geometry.camera.project(joints_m, intrinsics)` gives
            `keypoints_px` for the sample's joints as they are. A turned view has a K that is not
            upper triangular.
        visible: Whether a joint is annotated, as in the sample.
        affine: Normalised reference crop -> normalised view: what PeCLR's loss undoes.
        angle_deg: The turn, counter-clockwise on screen.
        zoom: The scale; above 1 the hand appears larger than in the reference crop.
        shift: The translation in normalised view coordinates.
        hsv_change: What `hsv_jitter` did; `UNCHANGED_COLORS` where it is off or was not applied.
    """

    image: UInt8[np.ndarray, "side side 3"]
    keypoints_px: Float[np.ndarray, "21 2"]
    intrinsics: Float[np.ndarray, "3 3"]
    visible: Bool[np.ndarray, " 21"]
    affine: Float[np.ndarray, "2 3"]
    angle_deg: float
    zoom: float
    shift: Float[np.ndarray, " 2"]
    hsv_change: HsvChange
