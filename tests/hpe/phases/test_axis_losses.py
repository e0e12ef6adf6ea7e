"""Losses of networks that say joints in front of the camera, of hands that are known."""

import pytest
import torch

from hpe.augment.geometric import robust_poses
from hpe.geometry.camera import project
from hpe.losses.heatmaps import gaussian_maps
from hpe.models.decoded_axes import without_bins
from hpe.phases.axis_losses import axis_losses, axis_targets
from hpe.phases.axis_scores import crops_in_pose
from hpe.phases.encoder_decoder_config import AxisLossConfig, TargetConfig, target_space

SIDE_PX = 36
SPACE = target_space(
    TargetConfig(low=(-400.0, -400.0, 100.0), high=(400.0, 400.0, 2000.0)), image_px=SIDE_PX
)
CONFIG = AxisLossConfig(heatmap_weight=100.0, plane_weight=0.5)


@pytest.fixture
def rows(make_inputs):
    (upright,) = robust_poses(rotations=1, mirrored=False)
    split = make_inputs().data.splits["val"]
    return crops_in_pose(split, range(4), image_px=SIDE_PX, frame="hand", pose=upright).rows()


def losses(rows, *, moved_mm=0.0, moved_px=0.0, raised=0.0):
    """The losses of what is right but for so much."""
    points = SPACE.points(rows["joints_m"], rows["intrinsics"]).float()
    plane = (project(rows["joints_m"], rows["intrinsics"]).float() + moved_px) / (SIDE_PX / 2) - 1
    seen = project(rows["joints_m"], rows["intrinsics"]).float() / (SIDE_PX / 2) - 1
    maps = gaussian_maps(seen, height=8, width=8, std_cells=3.0) + raised
    targets = axis_targets(rows, space=SPACE, device=torch.device("cpu"))
    decoded = without_bins(SPACE.box.shares(points + moved_mm), plane=plane, heatmaps=maps)
    return axis_losses(decoded, targets, space=SPACE, config=CONFIG).tolist()


def test_what_is_right_in_space_and_in_the_view_costs_nothing(rows):
    assert losses(rows) == pytest.approx([0, 0, 0, 0, 0], abs=1e-4)


def test_each_error_is_a_term_and_weighs_as_set(rows):
    assert losses(rows, moved_mm=2.0) == pytest.approx([4, 4, 0, 0, 0], abs=1e-2)
    assert losses(rows, moved_px=3.0) == pytest.approx([4.5, 0, 0, 9, 0], abs=1e-3)
    assert losses(rows, raised=0.2) == pytest.approx([4, 0, 0, 0, 0.04], abs=1e-3)


def test_a_decoder_without_a_view_has_no_terms_there(rows):
    targets = axis_targets(rows, space=SPACE, device=torch.device("cpu"))
    decoded = without_bins(targets.shares)
    assert axis_losses(decoded, targets, space=SPACE, config=CONFIG).shape == (3,)


def test_joints_of_hands_without_depth_do_not_count(rows):
    targets = axis_targets(
        {**rows, "has_depth": torch.tensor([True, False, True, True])},
        space=SPACE,
        device=torch.device("cpu"),
    )
    assert targets.valid.any(dim=1).tolist() == [True, False, True, True]
