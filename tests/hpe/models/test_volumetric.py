"""Heads of body pose: S4's shapes and coordinates, and where 1-based depth cells show."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.volumetric import (
    BodyHeadConfig,
    VolumetricHead,
    build_body_head,
    points_of_volume,
)


def settings(**changes):
    return BodyHeadConfig.model_validate(changes)


def head(**changes):
    encoder = build_encoder(EncoderConfig(width=4), seed=0)
    return build_body_head(settings(**{"channels": 8, "depth": 6, **changes}), encoder, seed=1)


def test_t6_a_share_of_the_volume_in_s4s_coordinates():
    logits = torch.zeros(1, 1, 64, 64, 64)
    logits[0, 0, 48, 32, 20] = 50.0
    assert points_of_volume(logits)[0, 0].tolist() == pytest.approx([-0.1875, 0.0, 0.25], abs=1e-5)


def test_s4s_volume_is_72_by_96_by_72():
    s4 = VolumetricHead(16, settings(), seed=0).to("meta")  # shapes alone
    logits = s4.logits(torch.zeros(2, 16, 12, 9, device="meta"))
    assert logits.shape == (2, 17, 72, 96, 72)


def test_upsampling_is_three_transposed_convolutions_of_256_to_17_times_the_depth():
    s4 = VolumetricHead(512, settings(depth=64), seed=0)
    kinds = [type(layer) for layer in s4.upsampling]
    assert kinds == 3 * [nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU]
    convolution = s4.upsampling[3]
    assert (convolution.in_channels, convolution.out_channels) == (256, 256)
    assert (convolution.kernel_size, convolution.stride, convolution.padding) == (
        (4, 4),
        (2, 2),
        (1, 1),
    )
    assert convolution.bias is None
    assert (s4.volumes.out_channels, s4.volumes.kernel_size) == (17 * 64, (1, 1))


@pytest.mark.parametrize(("compat", "shift"), [("none", 0.0), ("s4", 1 / 64)])
def test_s4_counts_64_depth_cells_from_1(compat, shift):
    maps = torch.rand(1, 32, 1, 1, generator=torch.Generator().manual_seed(0))
    zero_based = head(depth=64)(maps)
    given = head(depth=64, compat=compat)(maps)
    torch.testing.assert_close(given - zero_based, torch.tensor([0, 0, shift]).expand(1, 17, 3))


def test_s4_counts_72_depth_cells_from_0():
    assert settings(depth=72, compat="s4").first_depth_cell == 0
    assert settings(depth=72, compat="s4").canonical() == settings(depth=72)
    assert settings(depth=64, compat="s4").canonical() != settings(depth=64)


def test_s4_knows_no_other_depths():
    with pytest.raises(ValidationError, match="depth 72 and 64 only, got 32"):
        settings(depth=32, compat="s4")


def test_regression_starts_from_the_given_points_whatever_it_sees():
    regression = head(kind="direct", hidden=16)
    points = torch.rand(17, 3, generator=torch.Generator().manual_seed(0))
    regression.start_from(points)
    features = torch.randn(4, 128, generator=torch.Generator().manual_seed(1))
    assert torch.equal(regression(features), points.expand(4, 17, 3))


def test_regression_has_two_hidden_layers():
    widths = [tuple(p.shape) for p in head(kind="direct", hidden=16).parameters() if p.ndim == 2]
    assert widths == [(16, 128), (16, 16), (51, 16)]


def test_settings_that_a_head_does_not_read_are_no_part_of_what_it_is():
    direct = settings(kind="direct", depth=64, channels=8, upsamplings=2, compat="s4")
    assert direct.canonical() == settings(kind="direct")
    assert settings(hidden=8).canonical() == settings()
    assert settings(channels=8).canonical() == settings(channels=8)


@pytest.mark.parametrize("kind", ["volumetric", "direct"])
def test_weights_depend_on_the_seed_alone(kind):
    encoder = build_encoder(EncoderConfig(width=4), seed=0)
    config = settings(kind=kind, channels=8, depth=6, hidden=8)
    first, same, other = (
        build_body_head(config, encoder, seed=seed).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(value, same[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())
