"""Paddings as efficientnet_pytorch fixes them, worked out by hand for B4's 380 px."""

import pytest
import torch
from torch import nn

from hpe.models.encoders import EncoderConfig, build_encoder, encoder_architecture
from hpe.models.same_padding import PaddedConv2d, pad_for_side, same_padding


@pytest.mark.parametrize(
    ("side", "kernel", "expected"),
    [(380, 3, (0, 1)), (190, 3, (0, 1)), (95, 5, (2, 2)), (48, 3, (0, 1)), (24, 5, (1, 2))],
)
def test_the_odd_cell_comes_after(side, kernel, expected):
    assert same_padding(side, kernel=kernel, stride=2) == expected


@pytest.mark.slow
def test_b4_pads_for_380_px_whatever_it_is_shown():
    with torch.device("meta"):
        encoder = build_encoder(EncoderConfig(name="s2_efficientnet_b4"), seed=0)
        maps = encoder.pyramid(torch.zeros(1, 3, 224, 224))
    padded = [m.sides[:2] for m in encoder.modules() if isinstance(m, PaddedConv2d)]
    assert padded == [(0, 1), (0, 1), (2, 2), (0, 1), (1, 2)]
    assert [tuple(m.shape[1:]) for m in maps] == [(56, 28, 28), (448, 7, 7)]
    assert encoder_architecture(EncoderConfig(name="s2_efficientnet_b4")).mean_std == (
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
    )


def test_a_padded_convolution_keeps_its_weight_and_pads_by_what_it_is_told():
    trunk = nn.Sequential(nn.Conv2d(2, 2, 3, stride=2, bias=False), nn.Conv2d(2, 1, 1))
    weight = trunk[0].weight
    pad_for_side(trunk, 8)
    assert trunk[0].weight is weight
    assert isinstance(trunk[1], nn.Conv2d) and not isinstance(trunk[1], PaddedConv2d)
    maps = torch.zeros(1, 2, 4, 4)
    maps[0, 0, 0, 0] = 1  # no padding before: it is under the kernel's first weight alone
    expected = torch.zeros(2, 2, 2)
    expected[:, 0, 0] = weight[:, 0, 0, 0]
    torch.testing.assert_close(trunk[0](maps)[0], expected)
