"""Stages of residual networks, for freezing the first of them."""

import pytest
import torch

from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.stages import NUM_STAGES, first_stages


def built(name):
    return build_encoder(EncoderConfig(name=name, width=4), seed=0)


def weights(modules):
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.slow
def test_four_stages_are_all_before_the_last_layer_of_a_resnet():
    encoder = built("resnet18")
    kept = {p for module in first_stages(encoder, 4, name="resnet18") for p in module.parameters()}
    named = {name for name, p in encoder.named_parameters() if p not in kept}
    assert named
    assert all(name.startswith("trunk.layer4.") for name in named)


@pytest.mark.parametrize("name", ["small_resnet", "resnet18"])
def test_all_stages_are_the_whole_encoder_and_no_stages_nothing(name):
    encoder = built(name)
    assert first_stages(encoder, 0, name=name) == []
    assert weights(first_stages(encoder, NUM_STAGES, name=name)) == weights([encoder])


def test_the_first_stage_of_the_small_resnet_is_its_stem():
    encoder = built("small_resnet")
    (stem,) = first_stages(encoder, 1, name="small_resnet")
    image = torch.zeros(1, 3, 40, 40)
    assert stem(image).shape == (1, 4, 20, 20)


def test_other_networks_have_no_known_stages():
    with pytest.raises(ValueError, match=r"residual networks .* got vit_small"):
        first_stages(built("small_resnet"), 1, name="vit_small")
