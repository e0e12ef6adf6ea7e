"""S2's, S3's and S4's checkpoints become networks of ours."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from hpe.evaluation.axis_model import load_axis_model
from hpe.evaluation.body_model import load_body_model
from hpe.geometry.axis_bins import S2_BOXES
from hpe.models import s3_checkpoint
from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.mask_discriminators import build_discriminator
from hpe.models.s3_checkpoint import D
from hpe.models.segmenters import SegmenterConfig, build_segmenter, outline
from hpe.models.torchvision_format import TRUNK, resnet_name
from hpe.models.volumetric import BodyHeadConfig, build_body_head
from hpe.phases.segmentation_config import GeneratorConfig
from sweep import convert as command
from sweep.convert import convert
from sweep.network_weights import check_networks
from sweep.weights import read_weights_file
from tests.hpe.models.s2_module import s2_module

LIGHT = (8, 8, 8, 8, 8)
SMALL_G1 = SegmenterConfig(encoder="resnet18", decoder_channels=LIGHT)
SMALL_G2 = SegmenterConfig(
    architecture="unetplusplus", encoder="tu-mobilenetv3_small_050", decoder_channels=LIGHT
)


@pytest.fixture(autouse=True)
def _read_in_this_process(monkeypatch):
    def read(source, scratch):
        found = torch.load(source, weights_only=True)
        save_file({n: t.contiguous().clone() for n, t in found.items()}, scratch)

    monkeypatch.setattr(command, "_read", read)


@pytest.fixture
def small_s3(monkeypatch):
    for module in (s3_checkpoint, command):
        monkeypatch.setattr(module, "G1", SMALL_G1)
        monkeypatch.setattr(module, "G2", SMALL_G2)


class Named(nn.Module):
    """S3's way with the discriminator: a Sequential under an attribute's name."""

    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(*build_discriminator(D, seed=9).layers)


def in_bgr(config, *, seed):
    """A network of ours, turned round to read pictures in BGR as S3's do."""
    state = build_segmenter(config, seed=seed).state_dict()
    (stem,) = (name for name, t in state.items() if t.ndim == 4 and t.shape[1] == 3)
    return state | {stem: state[stem][:, [2, 1, 0]]}


def s3_wrapper():
    """The state of a wrapper whose attributes have names of their own."""
    state = {f"netG.{name}": tensor for name, tensor in in_bgr(SMALL_G1, seed=1).items()}
    second = in_bgr(SMALL_G2, seed=2)
    once = {name.replace("encoder.model.", "encoder."): t for name, t in second.items()}
    state |= {f"net_final.{name}": tensor for name, tensor in once.items()}
    state |= {f"netD.{name}": tensor for name, tensor in Named().state_dict().items()}
    return state


def assert_same(found, expected):
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.slow
def test_s3s_wrapper_becomes_the_stages_that_a_plan_starts_from(tmp_path, small_s3):
    source, target = tmp_path / "latest.pt", tmp_path / "s3.safetensors"
    torch.save(s3_wrapper(), source)
    told = convert(source, target)
    assert "--from-weights generator=" in told
    first = read_weights_file(target, group="network")
    assert set(first.tensors) == {"network", "discriminator"}
    assert_same(first.tensors["network"], build_segmenter(SMALL_G1, seed=1).state_dict())
    assert_same(first.tensors["discriminator"], build_discriminator(D, seed=9).state_dict())
    check_networks(first, GeneratorConfig(network=SMALL_G1, discriminator=D))
    second = read_weights_file(tmp_path / "s3.paired.safetensors", group="segmenter")
    assert set(second.tensors) == {"segmenter"}
    assert second.facts["phase"] == "paired"
    assert_same(second.tensors["segmenter"], build_segmenter(SMALL_G2, seed=2).state_dict())


@pytest.mark.slow
def test_another_discriminator_or_network_than_s3s_is_refused(tmp_path, small_s3):
    source = tmp_path / "latest.pt"
    state = s3_wrapper()
    torch.save({**state, "netD.main.0.weight": torch.zeros(3)}, source)
    with pytest.raises(ValueError, match="is not the discriminator of S3's code"):
        convert(source, tmp_path / "x.safetensors")
    torch.save({n: t for n, t in state.items() if "netG.encoder.layer4.1" not in n}, source)
    with pytest.raises(ValueError, match="Networks of another choice"):
        convert(source, tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.slow
def test_the_published_networks_have_the_names_that_are_expected():
    names = outline(s3_checkpoint.G2)
    assert "encoder.model.s1.b1.conv1.conv.weight" in names
    assert "encoder.conv1.weight" in outline(s3_checkpoint.G1)


def s4_state(encoder, head):
    """S4's layout, in the order of its layers: a torchvision backbone and a Sequential."""
    state = {f"module.backbone.{n.removeprefix(TRUNK)}": t for n, t in encoder.state_dict().items()}
    layers = nn.Sequential(*head.upsampling, head.volumes)
    return state | {f"module.head.features.{n}": t for n, t in layers.state_dict().items()}


def saved_s4(folder, **head):
    """Save a network as S4's programs do; return it with the file and where to convert it to."""
    encoder = build_encoder(EncoderConfig(name="resnet18"), seed=1)
    network = build_body_head(BodyHeadConfig(channels=4, **head), encoder, seed=1)
    source = folder / "model_best.pth.tar"
    torch.save(s4_state(encoder, network), source)
    return encoder, network, source, folder / "s4.safetensors"


@pytest.mark.slow
def test_s4s_best_model_becomes_a_body_network(tmp_path):
    encoder, head, source, target = saved_s4(tmp_path, upsamplings=4)
    assert "resnet18 and volumes of depth 72" in convert(source, target)
    found = read_weights_file(target)
    assert_same(found.tensors["encoder"], encoder.state_dict())
    assert_same(found.tensors["head"], head.state_dict())
    model = load_body_model(found, torch.device("cpu"))
    assert (model.width_px, model.height_px) == (288, 384)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "size_px"), [(64, (256, 256)), (72, (288, 384))])
def test_s4s_volumes_say_what_size_of_view_they_are_for(tmp_path, depth, size_px):
    _, _, source, target = saved_s4(tmp_path, upsamplings=3, depth=depth)
    assert f"for views of {size_px[0]} x {size_px[1]} px" in convert(source, target)
    facts = read_weights_file(target).facts
    assert (facts["width_px"], facts["height_px"]) == size_px


@pytest.mark.slow
def test_volumes_of_another_depth_than_s4s_are_refused(tmp_path):
    _, _, source, target = saved_s4(tmp_path, depth=48)
    with pytest.raises(ValueError, match=r"S4's volumes are 64 or 72 deep, .* these are 48 deep"):
        convert(source, target)
    assert not target.exists()


def test_resnexts_are_told_from_resnets_of_as_many_blocks():
    for name in ("resnet50", "resnext50_32x4d", "resnext101_32x8d"):
        with torch.device("meta"):
            state = build_encoder(EncoderConfig(name=name), seed=0).state_dict()
        assert resnet_name(state) == name


@pytest.mark.slow
def test_s2s_checkpoint_becomes_an_encoder_decoder(tmp_path):
    *_, state = s2_module()
    source, target = tmp_path / "f033_6.246.ckpt", tmp_path / "s2.safetensors"
    torch.save(state, source)
    with pytest.raises(ValueError, match="give --unit mm or --unit bone"):
        convert(source, target)
    assert not target.exists()
    told = convert(source, target, unit="mm")
    assert "s2_efficientnet_b0 and a decoder of 2 blocks" in told
    assert "towers.z from model.decoder.z_tower" in told
    model = load_axis_model(read_weights_file(target), torch.device("cpu"))
    assert (model.frame, model.space.camera, model.space.side_px) == ("picture", "own", 224)
    assert model.space.box == S2_BOXES["mm"]
    assert model.network.decoder.towers["xy"].blocks[0].widen.weight.shape == (320, 4, 4, 4)


def test_a_table_of_names_is_for_s2s_alone(tmp_path):
    torch.save({"trunk.conv1.weight": torch.zeros(1)}, tmp_path / "x.ckpt")
    with pytest.raises(ValueError, match="are for S2's checkpoints"):
        convert(tmp_path / "x.ckpt", tmp_path / "x.safetensors", unit="mm")
