"""Segmentation networks and discriminators: shapes, seeds, names, and what they refuse."""

import pytest
import torch
from pydantic import ValidationError

from hpe.models.segmenters import (
    ARCHITECTURES,
    WELL_KNOWN,
    SegmenterConfig,
    _require_encoder,
    build_segmenter,
    import_segmentation_models,
    outline,
    require_whole_maps,
)

LIGHT = SegmenterConfig(encoder="tu-mobilenetv3_small_050", decoder_channels=(16, 12, 8, 8, 8))


def test_a_pixel_gets_logits_of_seventeen_classes_for_each_hand():
    network = build_segmenter(LIGHT, seed=0).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, 64, 64)).shape == (2, 34, 64, 64)


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    first = build_segmenter(LIGHT, seed=5).state_dict()
    before = torch.get_rng_state()
    again = build_segmenter(LIGHT, seed=5).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = build_segmenter(LIGHT, seed=6).state_dict()
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_networks_are_those_of_the_package():
    smp = import_segmentation_models()
    assert {getattr(smp, cls).__name__.lower() for cls in ARCHITECTURES.values()} == set(
        ARCHITECTURES
    )
    assert set(ARCHITECTURES) == set(smp.MODEL_ARCHITECTURES_MAPPING)


@pytest.mark.parametrize("encoder", [*sorted(WELL_KNOWN), "timm-mobilenetv3_small_minimal_100"])
def test_encoders_that_are_taken_on_trust_exist(encoder):
    _require_encoder(encoder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "encoder", "millions"),
    [("unet", "xception", 28.8), ("unetplusplus", "timm-regnety_032", 27.2)],
)
def test_s3s_generators_have_their_published_size(architecture, encoder, millions):
    shapes = outline(SegmenterConfig(architecture=architecture, encoder=encoder))
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    weights = [shape.numel() for name, shape in shapes.items() if not name.endswith(statistics)]
    assert sum(weights) / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "unet++"}, r"architecture must be .* got 'unet\+\+'; did you mean"),
        ({"encoder": "xcepton"}, "encoder must be .* did you mean 'xception'"),
        ({"encoder": "regnety_032"}, "encoder must be .* did you mean 'tu-regnety_032'"),
        ({"encoder": "tu-regnety_033"}, "did you mean 'tu-regnety_032'"),
        ({"architecture": "pan", "decoder_channels": (8,) * 5}, "leave them out"),
        ({"decoder_channels": (8, 8, 8, 8, 0)}, "must be at least 1"),
        ({"decoder_channels": (8, 8)}, "at least 5 items"),
    ],
)
def test_refuses_what_does_not_exist_and_says_what_is_near(settings, message):
    with pytest.raises(ValidationError, match=message):
        SegmenterConfig(**settings)


def test_refuses_an_encoder_that_the_architecture_cannot_use():
    config = SegmenterConfig(architecture="unetplusplus", encoder="mit_b0")
    with pytest.raises(ValueError, match="unetplusplus cannot be built on mit_b0"):
        build_segmenter(config, seed=0)


@pytest.mark.parametrize("encoder", ["resnet18", "tu-mobilenetv3_small_050"])
def test_refuses_weights_that_the_encoder_does_not_have(encoder):
    with pytest.raises(ValueError, match="'nowhere'"):
        build_segmenter(SegmenterConfig(encoder=encoder, weights="nowhere"), seed=0)


def test_refuses_sides_that_cannot_be_halved_five_times():
    with pytest.raises(ValueError, match=r"multiple of 32, .* got 48"):
        require_whole_maps(48)
