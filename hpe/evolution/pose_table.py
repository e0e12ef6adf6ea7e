"""Poses as tables of 51 columns, such as other systems train on."""

import csv
from pathlib import Path

import numpy as np
from jaxtyping import Float

from hpe.geometry.body_skeleton import BODY_JOINTS, NUM_BODY_JOINTS
from hpe.whole_file import replacing

COLUMNS: tuple[str, ...] = tuple(f"{joint}_{axis}_mm" for joint in BODY_JOINTS for axis in "xyz")
"""x, y and z of each joint, joint after joint; S4's order."""

DECIMALS = 4


def write_pose_table(path: Path, joints_mm: Float[np.ndarray, "poses 17 3"]) -> None:
    """Write a pose to each line, below a line of `COLUMNS`.

    Raises:
        ValueError: If a coordinate is not finite.
    """
    if not np.isfinite(joints_mm).all():
        raise ValueError("a table of poses must be finite, got nan or infinity among its joints.")
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for pose in joints_mm.reshape(len(joints_mm), 3 * NUM_BODY_JOINTS):
            writer.writerow([f"{value:.{DECIMALS}f}" for value in pose])
