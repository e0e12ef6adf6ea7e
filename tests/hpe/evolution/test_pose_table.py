"""Tables of poses: 51 columns, in order, read back as they were."""

import csv

import numpy as np
import pytest

from hpe.evolution.pose_table import COLUMNS, write_pose_table
from tests.hpe.evolution.stick_bodies import stick_bodies


def test_a_table_has_a_pose_per_line_and_51_columns(tmp_path):
    poses = stick_bodies(4)
    write_pose_table(tmp_path / "poses.csv", poses)
    with (tmp_path / "poses.csv").open(newline="") as file:
        head, *lines = csv.reader(file)
    assert tuple(head) == COLUMNS
    assert len(COLUMNS) == 51
    assert COLUMNS[:4] == ("hip_x_mm", "hip_y_mm", "hip_z_mm", "right_hip_x_mm")
    np.testing.assert_allclose(np.array(lines, dtype=float).reshape(4, 17, 3), poses, atol=5.1e-5)


def test_refuses_what_is_not_finite(tmp_path):
    poses = stick_bodies(2)
    poses[1, 3, 0] = np.nan
    with pytest.raises(ValueError, match="must be finite"):
        write_pose_table(tmp_path / "poses.csv", poses)
    assert not (tmp_path / "poses.csv").exists()
