"""Pose heads on features and on maps: vector T6, S0's layout, seeds, starting poses."""

import pytest
import torch

from hpe.config import identity_settings
from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.heads import PoseHead
from hpe.models.pose_heads import (
    HeatmapPoseHead,
    MlpPoseHead,
    PoseHeadConfig,
    build_pose_head,
    pose_from_maps,
)

MEAN_POSE = torch.linspace(-0.9, 0.9, 63).reshape(21, 3)


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def peaked(cell: int, side: int = 64) -> torch.Tensor:
    """T6: a logit of 50 at one column of the middle row, for every joint."""
    made = torch.zeros(1, 42, side, side)
    made[:, :21, side // 2, cell] = 50
    return made


@pytest.mark.parametrize(
    ("from_edge", "x_px"),
    [
        (True, 80.0),  # cell 20 x 4: S0's
        (False, 82.0),  # 81.5 where pixel centres lie at integers; ours lie at integer + 0.5
    ],
)
def test_t6_a_peak_at_cell_20_of_64_in_an_image_of_256(from_edge, x_px):
    pose = pose_from_maps(peaked(20), from_edge=from_edge)
    assert (pose[0, :, 0] + 1).mul(128).tolist() == pytest.approx([x_px] * 21, abs=1e-4)


def test_a_flat_map_is_the_images_centre():
    pose = pose_from_maps(torch.zeros(1, 42, 8, 8), from_edge=False)
    torch.testing.assert_close(pose, torch.zeros(1, 21, 3))


def test_depth_is_the_depth_maps_mean_under_the_logits_softmax():
    values = maps(2, 42, 5, 7)
    pose = pose_from_maps(values, from_edge=False)
    for sample in range(2):
        for joint in range(21):
            mass = values[sample, joint].exp()
            mass = mass / mass.sum()
            row, column = torch.meshgrid(torch.arange(5.0), torch.arange(7.0), indexing="ij")
            expected = [
                (mass * (2 * column + 1)).sum() / 7 - 1,
                (mass * (2 * row + 1)).sum() / 5 - 1,
                (mass * values[sample, 21 + joint]).sum(),
            ]
            torch.testing.assert_close(pose[sample, joint], torch.stack(expected))


def test_the_heatmap_head_keeps_the_maps_size_and_s0s_takes_four_cells():
    head = HeatmapPoseHead(128, hidden=64, seed=0)
    shapes = []
    head.conv2.register_forward_hook(lambda *call: shapes.append(tuple(call[-1].shape)))
    head(maps(2, 128, 32, 32))
    s0 = HeatmapPoseHead(128, hidden=64, seed=0, compat="s0")
    s0.conv2.register_forward_hook(lambda *call: shapes.append(tuple(call[-1].shape)))
    s0(maps(2, 128, 32, 32))
    assert shapes == [(2, 42, 32, 32), (2, 42, 28, 28)]


def test_s0s_heatmap_head_is_linear_up_to_its_maps():
    head = HeatmapPoseHead(4, hidden=3, seed=0, compat="s0")
    first, second = maps(1, 4, 9, 9, seed=1), maps(1, 4, 9, 9, seed=2)
    with torch.no_grad():
        zero = head.conv2(head.conv1(torch.zeros(1, 4, 9, 9)))
        both = head.conv2(head.conv1(first + second)) - zero
        apart = head.conv2(head.conv1(first)) + head.conv2(head.conv1(second)) - 2 * zero
        expected = pose_from_maps(both + zero, from_edge=True)
    torch.testing.assert_close(both, apart)
    torch.testing.assert_close(head(first + second).detach(), expected)


def test_s0s_heatmap_head_needs_maps_to_take_cells_from():
    with pytest.raises(ValueError, match=r"takes 4 cells off .* which are 4x4: use larger images"):
        HeatmapPoseHead(4, hidden=3, seed=0, compat="s0")(maps(1, 4, 4, 4))


def test_every_parameter_of_the_heatmap_head_learns():
    head = HeatmapPoseHead(4, hidden=3, seed=0)
    head(maps(2, 4, 6, 6)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in head.parameters())


def test_heads_on_features_start_from_the_mean_pose():
    for kind in ("linear", "mlp"):
        encoder = build_encoder(EncoderConfig(width=4), seed=0)
        head = build_pose_head(PoseHeadConfig(kind=kind), encoder, seed=0)
        head.start_from(MEAN_POSE)
        output = head(maps(4, encoder.feature_dim))
        torch.testing.assert_close(output, MEAN_POSE.expand(4, 21, 3))


def test_a_head_on_maps_starts_at_the_mean_depths():
    head = HeatmapPoseHead(4, hidden=3, seed=0)
    head.start_from(MEAN_POSE)
    output = head(torch.zeros(2, 4, 6, 6))  # nothing but biases, away from the padding
    torch.testing.assert_close(output[0, :, 2], MEAN_POSE[:, 2], rtol=0, atol=0.3)
    bias = head.conv2.bias
    assert torch.equal(bias[21:], MEAN_POSE[:, 2])


@pytest.mark.parametrize(
    ("config", "kind", "hidden"),
    [
        (PoseHeadConfig(), PoseHead, None),
        (PoseHeadConfig(kind="mlp"), MlpPoseHead, 128),
        (PoseHeadConfig(kind="mlp", hidden=7), MlpPoseHead, 7),
        (PoseHeadConfig(kind="heatmap"), HeatmapPoseHead, 64),
        (PoseHeadConfig(kind="heatmap", hidden=7), HeatmapPoseHead, 7),
    ],
)
def test_builds_the_head_of_a_kind(config, kind, hidden):
    encoder = build_encoder(EncoderConfig(width=4), seed=0)
    head = build_pose_head(config, encoder, seed=0)
    assert type(head) is kind
    widths = {parameter.shape[0] for parameter in head.parameters()}
    assert hidden is None or hidden in widths


@pytest.mark.parametrize("kind", ["mlp", "heatmap"])
def test_weights_depend_on_the_seed_alone(kind):
    encoder = build_encoder(EncoderConfig(width=4), seed=0)

    def weights(seed: int) -> list[torch.Tensor]:
        return list(build_pose_head(PoseHeadConfig(kind=kind), encoder, seed=seed).parameters())

    torch.manual_seed(1)
    once = weights(3)
    torch.manual_seed(2)
    assert all(map(torch.equal, once, weights(3)))
    assert not all(map(torch.equal, once, weights(4)))


def test_settings_that_a_head_does_not_read_are_no_part_of_its_identity():
    plain = identity_settings(PoseHeadConfig())
    assert identity_settings(PoseHeadConfig(hidden=9, compat="s0")) == plain
    assert identity_settings(PoseHeadConfig(kind="mlp", hidden=9))["hidden"] == 9
    assert identity_settings(PoseHeadConfig(kind="heatmap", compat="s0"))["compat"] == "s0"
