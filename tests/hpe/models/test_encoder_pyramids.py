import pytest
import torch

from hpe.models.encoders import EncoderConfig, build_encoder

CONVOLUTIONAL = ["small_resnet", "efficientnet_lite0", "hrnet_w18_small"]


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_a_pyramid_has_the_promised_channels_at_an_eighth_and_at_a_thirtysecond(name):
    encoder = build_encoder(EncoderConfig(name=name), seed=0).to("meta")
    fine, deepest = encoder.pyramid(torch.zeros(2, 3, 128, 128, device="meta"))
    channels = encoder.pyramid_channels
    assert fine.shape == (2, channels[0], 16, 16)
    assert deepest.shape == (2, channels[1], 4, 4)


def test_the_small_networks_deepest_maps_are_those_it_pools():
    encoder = build_encoder(EncoderConfig(width=4), seed=0).eval()
    images = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(encoder.pyramid(images)[1], encoder.maps(images))


@pytest.mark.parametrize("name", ["small_resnet", "efficientnet_lite0"])
def test_weights_that_a_pyramid_does_not_depend_on_are_not_trained(name):
    encoder = build_encoder(EncoderConfig(name=name, width=4), seed=0)
    encoder.train_pyramid_only()
    fixed = [key for key, weight in encoder.named_parameters() if not weight.requires_grad]
    widening = ["trunk.conv_head.weight", "trunk.bn2.weight", "trunk.bn2.bias"]
    assert fixed == ([] if name == "small_resnet" else widening)


def test_an_encoder_without_maps_has_no_pyramid():
    encoder = build_encoder(EncoderConfig(name="vit_small"), seed=0).to("meta")
    with pytest.raises(ValueError, match="vit_small has no feature maps"):
        encoder.pyramid(torch.zeros(1, 3, 64, 64, device="meta"))


@pytest.mark.slow
def test_efficientnet_b4_has_as_many_weights_as_s2_prints():
    with torch.device("meta"):
        encoder = build_encoder(EncoderConfig(name="efficientnet_b4"), seed=0)
    count = sum(weight.numel() for weight in encoder.parameters())
    assert round(count / 1e6, 1) == 17.5
