"""ResNet weights to and from torchvision's and PeCLR's names, with the real networks."""

import importlib

import pytest
import torch
from torch import nn

from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.torchvision_format import (
    encoder_from_torchvision,
    is_torchvision,
    resnet_name,
    torchvision_from_encoder,
)
from hpe.models.torchvision_on_cpu import import_timm, make_torchvision_importable

RESNETS = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def torchvision_resnet(name: str, **options) -> nn.Module:
    """A network whose statistics have moved, so that losing them shows."""
    make_torchvision_importable()
    models = importlib.import_module("torchvision.models")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = getattr(models, name)(weights=None, **options)
        for key, buffer in network.named_buffers():
            if key.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return network.eval()


def features_of(network: nn.Module) -> torch.Tensor:
    """What torchvision's network says before its classifier, of normalised images."""
    captured = []
    handle = network.avgpool.register_forward_hook(lambda *call: captured.append(call[-1]))
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in NORMALISATION)
    with torch.no_grad():
        network((IMAGES - mean) / std)
    handle.remove()
    return captured[0].flatten(1)


NORMALISATION = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def features_with(name: str, state) -> torch.Tensor:
    encoder = build_encoder(EncoderConfig(name=name), seed=5).eval()
    encoder.load_state_dict(state)
    with torch.no_grad():
        return encoder(IMAGES)


@pytest.mark.slow
@pytest.mark.parametrize("name", RESNETS)
def test_torchvision_and_our_encoder_have_the_same_names_and_shapes(name):
    with torch.device("meta"):
        make_torchvision_importable()
        network = getattr(importlib.import_module("torchvision.models"), name)(weights=None)
    theirs = {
        f"trunk.{key}": value.shape
        for key, value in network.state_dict().items()
        if not key.startswith("fc.")
    }
    state = build_encoder(EncoderConfig(name=name), seed=0).state_dict()
    assert {key: value.shape for key, value in state.items()} == theirs
    assert list(state) == list(theirs)
    assert resnet_name(state) == name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_torchvision_network_says_the_same_as_an_encoder(name):
    network = torchvision_resnet(name)
    state = encoder_from_torchvision(network.state_dict())
    torch.testing.assert_close(features_with(name, state), features_of(network))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_our_weights_load_strictly_in_torchvision_and_in_timm(name):
    encoder = build_encoder(EncoderConfig(name=name), seed=2)
    encoder(IMAGES)  # moves the statistics
    encoder.eval()
    network = torchvision_resnet(name)
    network.load_state_dict(torchvision_from_encoder(encoder.state_dict(), num_classes=1000))
    timms = import_timm().create_model(name, num_classes=0).eval()
    timms.load_state_dict(torchvision_from_encoder(encoder.state_dict()))
    with torch.no_grad():
        expected = encoder(IMAGES)
        normalised = (IMAGES - encoder.mean) / encoder.std
        assert torch.equal(timms(normalised), expected)
    torch.testing.assert_close(features_of(network), expected)
    assert not network.fc.weight.any()


def sequential(network: nn.Module) -> nn.Sequential:
    return nn.Sequential(*list(network.children())[:-1])


def lightning(network: nn.Module) -> dict[str, torch.Tensor]:
    """PeCLR's training: the encoder's parts in a Sequential, other modules beside it."""
    wrapped = nn.ModuleDict(
        {
            "encoder": nn.ModuleDict(
                {"features": sequential(network), "final_layer": nn.Sequential(nn.Linear(4, 64))}
            ),
            "projection_head": nn.Sequential(nn.Linear(4, 4)),
        }
    )
    return wrapped.state_dict()


LAYOUTS = {
    "released": lambda network: {"state_dict": network.state_dict()},
    "finetuned": lambda network: {
        **{f"backend_model.{name}": value for name, value in network.state_dict().items()},
        "zroot_ref.zroot_ref.0.weight": torch.zeros(128, 64),
    },
    "parallel": lambda network: {
        f"module.{name}": value for name, value in network.state_dict().items()
    },
    "lightning": lambda network: {"epoch": 3, "state_dict": lightning(network)},
    "s0": lambda network: {
        f"encoder.{name}": value for name, value in sequential(network).state_dict().items()
    },
    "without counters": lambda network: {
        name: value
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_encoder(layout):
    network = torchvision_resnet("resnet18")
    checkpoint = LAYOUTS[layout](network)
    assert is_torchvision(checkpoint)
    state = encoder_from_torchvision(checkpoint)
    expected = encoder_from_torchvision(network.state_dict())
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert resnet_name(state) == "resnet18"


@pytest.mark.slow
def test_a_round_trip_changes_nothing():
    state = build_encoder(EncoderConfig(name="resnet34"), seed=0).state_dict()
    again = encoder_from_torchvision(torchvision_from_encoder(state, num_classes=3))
    assert list(again) == list(state)
    assert all(torch.equal(again[name], state[name]) for name in state)


def test_other_weights_are_told_apart_and_refused():
    small = build_encoder(EncoderConfig(width=4), seed=0).state_dict()
    assert not is_torchvision(small)
    with pytest.raises(ValueError, match=r"must have a conv1.weight.*got trunk.stem.0.weight"):
        encoder_from_torchvision(small)
    with pytest.raises(ValueError, match=r"for resnet18, .*\(0, 0, 0, 0\) blocks"):
        torchvision_from_encoder(small)


def test_an_encoder_of_ours_is_left_as_it_is():
    ours = {"trunk.conv1.weight": torch.zeros(1), "trunk.layer1.0.conv1.weight": torch.zeros(1)}
    assert not is_torchvision(ours)
