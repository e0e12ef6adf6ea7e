"""Bodies seen by cameras that did not record them."""

import numpy as np
from jaxtyping import Float

from hpe.geometry.body_skeleton import PELVIS
from hpe.geometry.camera import project

NEAREST_MM = 500.0
"""No joint is nearer to the camera than this."""


def place_at(
    joints_mm: Float[np.ndarray, "poses 17 3"], pelvis_mm: Float[np.ndarray, "poses 3"]
) -> Float[np.ndarray, "poses 17 3"]:
    """Move bodies so that their pelves are where they are told, in a camera's frame.

    A body of which a joint would come nearer than `NEAREST_MM` moves away along the pelvis's ray
    until none does, so that its pelvis appears where it would have.
    """
    relative_mm = joints_mm - joints_mm[:, PELVIS, None]
    nearest_mm = relative_mm[..., 2].min(axis=1)  # at most 0, the pelvis's own
    depth_mm = np.maximum(pelvis_mm[:, 2], NEAREST_MM - nearest_mm)
    moved_mm = pelvis_mm * (depth_mm / pelvis_mm[:, 2])[:, None]
    placed_mm: Float[np.ndarray, "poses 17 3"] = relative_mm + moved_mm[:, None]
    return placed_mm


def reproject(
    joints_mm: Float[np.ndarray, "poses 17 3"],
    pelvis_mm: Float[np.ndarray, "poses 3"],
    intrinsics: Float[np.ndarray, "poses 3 3"],
) -> tuple[Float[np.ndarray, "poses 17 3"], Float[np.ndarray, "poses 17 2"]]:
    """Return where bodies come to be in cameras, in mm, and where they appear, in pixels."""
    placed_mm = place_at(joints_mm, pelvis_mm)
    return placed_mm, project(placed_mm, intrinsics)
