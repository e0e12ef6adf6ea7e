import math

import numpy as np
import pytest
import torch

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.data.hands import HandSample
from hpe.geometry.camera import project
from hpe.geometry.canonical_camera import canonical_intrinsics, target_from_joints, upright

JOINTS_M = torch.tensor(np.random.default_rng(3).normal([0.01, -0.02, 0.6], 0.04, (1, 21, 3)))
SOURCE = torch.tensor([[[480.0, 0, 110], [0, 470.0, 118], [0, 0, 1]]], dtype=torch.float64)
SIDE_PX = 64
EVERYTHING = {
    "flip": {"enabled": True, "horizontal_prob": 0.5, "vertical_prob": 0.5},
    "rotate": {"enabled": True, "max_deg": 180.0},
    "zoom": {"enabled": True},
    "translate": {"enabled": True},
}


def turned(deg):
    c, s = math.cos(math.radians(deg)), math.sin(math.radians(deg))
    return torch.tensor([[c, s, 0], [-s, c, 0], [0, 0, 1]], dtype=torch.float64)


def view_of_a_hand(seed):
    sample = HandSample(
        image=np.zeros((224, 224, 3), np.uint8),
        joints_m=JOINTS_M[0].numpy(),
        intrinsics=SOURCE[0].numpy(),
        keypoints_px=project(JOINTS_M[0], SOURCE[0]).numpy(),
        visible=np.ones(21, bool),
        foreground=None,
        unique_id=0,
    )
    config = CompositionConfig.model_validate(EVERYTHING)
    return build_composition(config, image_px=SIDE_PX)(sample, np.random.default_rng(seed))


@pytest.mark.parametrize("camera", ["own", "canonical"])
@pytest.mark.parametrize("seed", range(6))
def test_targets_reproject_onto_the_keypoints_of_any_view(camera, seed):
    view = view_of_a_hand(seed)
    intrinsics = torch.from_numpy(view.intrinsics)[None]
    matrix = target_from_joints(intrinsics, camera=camera, focal=2.1, side_px=SIDE_PX)
    targets = JOINTS_M @ matrix.mT
    seen_by = (
        upright(intrinsics)[0]
        if camera == "own"
        else canonical_intrinsics(focal=2.1, side_px=64)[None]
    )
    errors_px = (project(targets, seen_by)[0] - torch.from_numpy(view.keypoints_px)).norm(dim=-1)
    assert errors_px.max() < 1e-8  # 0.01 px is asked for
    torch.testing.assert_close(targets @ torch.linalg.inv(matrix).mT, JOINTS_M)


def test_a_turn_of_the_picture_about_the_principal_point_turns_the_hand_about_the_axis():
    about = torch.tensor([[1.0, 0, 112], [0, 1, 112], [0, 0, 1]], dtype=torch.float64)
    square = torch.diag(torch.tensor([480.0, 480.0, 1.0], dtype=torch.float64))
    matrix = target_from_joints(
        (about @ turned(30) @ square)[None], camera="own", focal=1.0, side_px=9
    )
    torch.testing.assert_close(matrix[0], turned(30))


def test_turning_there_and_back_is_nothing():
    there = target_from_joints(turned(30)[None] @ SOURCE, camera="own", focal=1.0, side_px=9)
    back = target_from_joints(turned(-30)[None] @ SOURCE, camera="own", focal=1.0, side_px=9)
    about_equal = there @ back  # focal lengths of x and y differ by 2 %
    torch.testing.assert_close(about_equal[0], torch.eye(3).double(), atol=0.02, rtol=0)
    single = torch.tensor([[[480.0, 0, 110], [0, 480.0, 118], [0, 0, 1]]], dtype=torch.float64)
    there = target_from_joints(turned(30)[None] @ single, camera="own", focal=1.0, side_px=9)
    back = target_from_joints(turned(-30)[None] @ single, camera="own", focal=1.0, side_px=9)
    torch.testing.assert_close((there @ back)[0], torch.eye(3).double(), atol=1e-15, rtol=0)


def test_a_flipped_picture_shows_the_other_hand():
    flip = torch.tensor([[-1.0, 0, 224], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    matrix = target_from_joints(flip[None] @ SOURCE, camera="own", focal=1.0, side_px=9)
    torch.testing.assert_close(matrix[0], torch.diag(torch.tensor([-1.0, 1, 1])).double())


def test_the_canonical_camera_counts_depth_in_focal_lengths():
    twice = SOURCE * torch.tensor([2.0, 2.0, 1.0], dtype=torch.float64)[None, :, None]
    focal_px = math.sqrt(480.0 * 470.0)
    for intrinsics, factor in ((SOURCE, 1.0), (twice, 0.5)):
        matrix = target_from_joints(intrinsics, camera="canonical", focal=2.0, side_px=100)
        depth = (JOINTS_M @ matrix.mT)[..., 2]
        torch.testing.assert_close(depth, JOINTS_M[..., 2] * factor * 200.0 / focal_px)


def test_what_the_canonical_camera_already_sees_stays_as_it_is():
    same = canonical_intrinsics(focal=2.1, side_px=64)[None]
    matrix = target_from_joints(same, camera="canonical", focal=2.1, side_px=64)
    torch.testing.assert_close(matrix[0], torch.eye(3, dtype=torch.float64))
