"""Every encoder: features, seeds, memory formats, ImageNet weights."""

from typing import get_args

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.datasets import load_sample_image
from torch.nn.functional import cross_entropy

from hpe.models import encoders
from hpe.models.architectures import ARCHITECTURES
from hpe.models.efficientnet_lite import imagenet_weights, source_weights
from hpe.models.encoders import (
    EncoderConfig,
    EncoderName,
    build_encoder,
    encoder_architecture,
    feature_dim,
)
from hpe.models.torchvision_on_cpu import import_timm

NAMES = ["small_resnet", *ARCHITECTURES]
S2_LARGE = {f"s2_efficientnet_b{size}" for size in (3, 4, 5, 6)}  # as B0 is, and large
BUILT = [name for name in NAMES if name not in S2_LARGE]
QUICK = ["small_resnet", "resnet18", "efficientnet_lite0"]
PALACE, DAISY = 698, 985  # ImageNet-1k classes


def images(count: int = 4, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def weights_of(config: EncoderConfig, seed: int) -> dict[str, torch.Tensor]:
    return build_encoder(config, seed=seed).state_dict()


def test_every_name_is_an_architecture():
    assert set(get_args(EncoderName)) == set(NAMES)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ValidationError, match=r"'small_resnet', .*'hrnet_w32'.* or 'vit_small'"):
        EncoderConfig(name="resnet19")


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT)
def test_features_have_the_promised_length(name):
    config = EncoderConfig(name=name)
    encoder = build_encoder(config, seed=0).to("meta")  # shapes alone
    features = encoder(torch.zeros(2, 3, 64, 64, device="meta"))
    assert features.shape == (2, encoder.feature_dim) == (2, feature_dim(config))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*QUICK, "resnet152", "hrnet_w32", "efficientnet_b0", "convnext_tiny", "vit_small"]
)
def test_features_are_the_same_in_either_memory_format(name):
    config = EncoderConfig(name=name)
    encoder = build_encoder(config, seed=0).eval()
    with torch.no_grad():
        features = encoder(images(2))
        encoder = encoder.to(memory_format=torch.channels_last)
        same = encoder(images(2).contiguous(memory_format=torch.channels_last))
    scale = max(1.0, float(features.abs().max()))  # fresh HRNets say thousands
    torch.testing.assert_close(same, features, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BUILT if name != "vit_small"])
def test_maps_have_the_promised_channels_and_resolution(name):
    config = EncoderConfig(name=name)
    encoder = build_encoder(config, seed=0).to("meta")  # shapes alone
    side = 128 // encoder_architecture(config).map_stride
    maps = encoder.maps(torch.zeros(2, 3, 128, 128, device="meta"))
    assert maps.shape == (2, encoder.map_channels, side, side)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small_resnet", "resnet152", "hrnet_w32", "convnext_tiny"])
def test_the_weights_that_train_for_maps_are_those_that_get_gradients(name):
    encoder = build_encoder(EncoderConfig(name=name), seed=0)
    encoder.train_maps_only()
    encoder.maps(images(2, side=64)).square().mean().backward()
    assert [n for n, p in encoder.named_parameters() if (p.grad is None) == p.requires_grad] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "convnext_tiny"])
def test_features_are_pooled_maps(name):
    encoder = build_encoder(EncoderConfig(name=name), seed=0).eval()
    with torch.no_grad():
        pooled = encoder.trunk.forward_head(encoder.maps(images()))
        torch.testing.assert_close(encoder(images()), pooled)
        if name != "convnext_tiny":  # which normalises what it has pooled
            torch.testing.assert_close(pooled, encoder.maps(images()).mean((2, 3)))


@pytest.mark.slow
def test_hrnets_maps_are_at_a_quarter_of_the_resolution_and_its_last_head_rests():
    encoder = build_encoder(EncoderConfig(name="hrnet_w32"), seed=0)
    encoder.train_maps_only()
    maps = encoder.to("meta").maps(torch.zeros(1, 3, 128, 128, device="meta"))
    assert maps.shape == (1, 128, 32, 32)
    resting = {n.split(".")[1] for n, p in encoder.named_parameters() if not p.requires_grad}
    assert resting == {"stage4", "incre_modules", "downsamp_modules", "final_layer"}


@pytest.mark.slow
def test_hrnet_refuses_sizes_that_its_branches_cannot_share():
    encoder = build_encoder(EncoderConfig(name="hrnet_w18_small"), seed=0).to("meta")
    with pytest.raises(ValueError, match=r"multiples of 32 px, got 64x48; set image_px"):
        encoder(torch.zeros(1, 3, 64, 48, device="meta"))


def test_tracing_what_maps_need_changes_no_statistics_and_no_mode():
    encoder = build_encoder(EncoderConfig(width=8), seed=0).train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.train_maps_only()
    assert encoder.training and all(p.grad is None for p in encoder.parameters())
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


@pytest.mark.slow
def test_a_transformer_has_no_maps_and_takes_any_size():
    encoder = build_encoder(EncoderConfig(name="vit_small"), seed=0).eval()
    with torch.no_grad():
        assert encoder(images(1, side=128)).shape == encoder(images(1, side=50)).shape == (1, 384)
    with pytest.raises(ValueError, match=r"vit_small has no feature maps.*hrnet_w32"):
        encoder.maps(images(1))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if not n.startswith("s2_")])
def test_images_are_normalised_as_timm_says(name):
    timm = import_timm()
    stated = timm.get_pretrained_cfg(ARCHITECTURES[name].timm_name)
    assert (stated.mean, stated.std) == ARCHITECTURES[name].mean_std


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_weights_depend_on_the_seed_alone(name):
    config = EncoderConfig(name=name)
    torch.manual_seed(1)
    once = weights_of(config, seed=3)
    torch.manual_seed(2)
    again = weights_of(config, seed=3)
    other = weights_of(config, seed=4)
    assert all(torch.equal(once[key], again[key]) for key in once)
    assert any(not torch.equal(once[key], other[key]) for key in once)


def test_building_leaves_the_callers_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_encoder(EncoderConfig(), seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_the_state_holds_weights_only_and_makes_a_round_trip():
    encoder = build_encoder(EncoderConfig(width=8), seed=0)
    encoder(images())  # moves the batch norms' statistics
    state = encoder.state_dict()
    assert all(key.startswith("trunk.") for key in state)
    copy = build_encoder(EncoderConfig(width=8), seed=1)
    copy.load_state_dict(state)
    assert torch.equal(copy.eval()(images()), encoder.eval()(images()))


def test_images_are_normalised_inside():
    encoder = build_encoder(EncoderConfig(width=8), seed=0).eval()
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1).expand(2, 3, 48, 48)
    assert torch.equal(encoder(mean), encoder.trunk(torch.zeros(2, 3, 48, 48)))


def test_the_small_resnet_sees_where_things_are():
    encoder = build_encoder(EncoderConfig(width=8), seed=0).eval()
    left = torch.zeros(1, 3, 64, 64)
    left[..., 16:48, :32] = 1
    assert not torch.allclose(encoder(left), encoder(left.flip(-1)), atol=1e-3)


@pytest.mark.parametrize("side", [33, 48, 64, 100, 128])
def test_the_small_resnet_pools_like_adaptive_pooling_at_any_size(side):
    encoder = build_encoder(EncoderConfig(width=4), seed=0).eval()
    captured = []
    last = encoder.trunk.stages[-1]
    handle = last.register_forward_hook(lambda *call: captured.append(call[-1]))
    features = encoder(images(side=side))
    handle.remove()
    pooled = torch.nn.functional.adaptive_avg_pool2d(captured[0], 2)
    torch.testing.assert_close(features, pooled.flatten(1))


def test_the_small_resnet_rejects_images_too_small_to_pool():
    with pytest.raises(ValueError, match="at least 33 px"):
        build_encoder(EncoderConfig(width=4), seed=0).eval()(images(side=32))


def test_the_small_resnet_can_learn():
    encoder = build_encoder(EncoderConfig(width=4), seed=0)
    labels = torch.tensor([0, 1, 2, 3])
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        loss = cross_entropy(encoder(images(side=48))[:, :4], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_rejects_imagenet_weights_that_do_not_exist():
    with pytest.raises(ValidationError, match="small_resnet has no ImageNet weights"):
        EncoderConfig(init="imagenet")


def test_imagenet_weights_that_cannot_be_had_name_the_way_out(monkeypatch):
    class Offline:
        @staticmethod
        def create_model(*args, **settings):
            raise OSError("no route to host")

    monkeypatch.setattr(encoders, "import_timm", lambda: Offline)
    with pytest.raises(FileNotFoundError, match=r"no route to host.*efficientnet_lite0"):
        build_encoder(EncoderConfig(name="resnet18", init="imagenet"), seed=0)


@pytest.mark.slow
def test_every_efficientnet_weight_is_its_sources():
    state = weights_of(EncoderConfig(name="efficientnet_lite0", init="imagenet"), seed=0)
    source = source_weights()
    assert len(state) == len(source) - 2 == 294
    for tensor, original in zip(state.values(), source.values(), strict=False):
        assert torch.equal(tensor, original)


@pytest.mark.slow
@pytest.mark.parametrize(("photo", "label"), [("china.jpg", PALACE), ("flower.jpg", DAISY)])
def test_efficientnet_features_with_the_sources_classifier_recognise_photos(photo, label):
    """Scikit-learn's two sample photos: a Chinese palace and a flower of the daisy family."""
    picture = load_sample_image(photo)
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    crop = cv2.resize(
        picture[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA
    )
    batch = torch.tensor(crop.astype(np.float32) / 255).permute(2, 0, 1)[None]
    config = EncoderConfig(name="efficientnet_lite0", init="imagenet")
    source = source_weights()
    with torch.no_grad():
        features = build_encoder(config, seed=0).eval()(batch)
        scores = features @ source["_fc.weight"].T + source["_fc.bias"]
    assert scores.argmax().item() == label


def test_efficientnet_weights_refuse_another_architecture():
    expected = dict(source_weights())
    expected.pop("_fc.weight")
    expected.pop("_fc.bias")
    names = list(expected)
    expected[names[0]] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"_conv_stem.weight \(32, 3, 3, 3\) does not fit"):
        imagenet_weights(expected)
    with pytest.raises(ValueError, match="294"):
        imagenet_weights({name: expected[name] for name in names[:10]})
