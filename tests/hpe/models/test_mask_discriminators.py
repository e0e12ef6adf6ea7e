"""Discriminators: sizes as published, and the norm that bounds the third."""

import pytest
import torch
from torch import nn

from hpe.models.mask_discriminators import LEAST_PX, DiscriminatorConfig, build_discriminator


def built(kind, seed=0, **settings):
    return build_discriminator(DiscriminatorConfig(kind=kind, **settings), seed=seed)


@pytest.mark.parametrize(
    ("kind", "image_px", "patches"),
    [("s3", 128, 5), ("s3", 64, 1), ("s3_readme", 128, 4), ("patch", 128, 15), ("patch", 64, 7)],
)
def test_patches_are_as_many_as_published(kind, image_px, patches):
    ids = torch.zeros(2, 2, image_px, image_px)
    assert built(kind, compat="s3")(ids).shape == (2, 1, patches, patches)


C, B, L = nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU


@pytest.mark.parametrize(
    ("kind", "widths", "layers"),
    [
        ("s3", [32, 64, 128, 256, 1], [C, L, C, B, L, C, B, L, C, B, L, C]),
        ("s3_readme", [64, 128, 256, 512, 1], [C, B, L, C, B, L, C, B, L, C, B, L, C]),
    ],
)
def test_s3s_discriminators_have_its_channels_and_norms(kind, widths, layers):
    found = list(built(kind, compat="s3").layers)
    assert [type(layer) for layer in found] == layers
    convolutions = [layer for layer in found if isinstance(layer, C)]
    assert [layer.out_channels for layer in convolutions] == widths
    assert all(layer.bias is None and layer.kernel_size == (4, 4) for layer in convolutions)


@pytest.mark.parametrize("kind", ["s3", "s3_readme", "patch"])
def test_the_least_side_leaves_a_patch(kind):
    assert built(kind)(torch.rand(2, 34, LEAST_PX, LEAST_PX)).numel() >= 2


@pytest.mark.parametrize("kind", ["s3", "patch"])
def test_weights_depend_on_the_seed_alone(kind):
    first, again, other = (built(kind, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_spectral_norm_bounds_every_convolution_of_the_patch_discriminator():
    layers = built("patch").layers
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 4
    for layer in convolutions:
        for _ in range(50):  # of the power iteration, one for each look
            weight = layer.weight.detach()
        largest = torch.linalg.matrix_norm(weight.flatten(1), ord=2)
        assert float(largest) == pytest.approx(1.0, abs=0.05)
