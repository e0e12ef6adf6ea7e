"""Checkpoints of other systems become weights that a study starts from."""

import json
import os
import pickle

import numpy as np
import pytest
import torch

from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.torchvision_format import torchvision_from_encoder
from sweep.convert import convert, convert_list, main
from sweep.weights import read_weights_file

SMALL = EncoderConfig(width=4)


class HyperParameters(dict):
    """A class that the reading process must not need."""


class Hostile:
    """Runs a command when unpickled in earnest."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def state(config=SMALL):
    return build_encoder(config, seed=1).state_dict()


def assert_becomes(source, encoder, tmp_path):
    target = tmp_path / "out.safetensors"
    convert(source, target)
    found = read_weights_file(target).tensors["encoder"]
    assert set(found) == set(encoder)
    assert all(torch.equal(found[name], encoder[name]) for name in encoder)
    return target


@pytest.mark.slow
def test_our_small_encoder_becomes_itself(tmp_path):
    source = tmp_path / "own.pt"
    torch.save({f"encoder.{name}": tensor for name, tensor in state().items()}, source)
    assert_becomes(source, state(), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "backend_model."])
def test_a_lightning_checkpoint_of_a_resnet_becomes_an_encoder(prefix, tmp_path):
    resnet = state(EncoderConfig(name="resnet18"))
    theirs = torchvision_from_encoder(resnet, num_classes=10)
    checkpoint = {
        "epoch": 3,
        "hyper_parameters": HyperParameters(lr=1.0),
        "state_dict": {f"{prefix}{name}": tensor for name, tensor in theirs.items()},
    }
    source = tmp_path / "epoch=3.ckpt"
    torch.save(checkpoint, source)
    target = assert_becomes(source, resnet, tmp_path)
    assert read_weights_file(target).facts["encoder"] == {"name": "resnet18"}


@pytest.mark.slow
def test_what_a_checkpoint_wants_to_run_is_not_run(tmp_path):
    source, witness = tmp_path / "bad.ckpt", tmp_path / "it-ran"
    tensors = {f"encoder.{name}": tensor for name, tensor in state().items()}
    torch.save({"state_dict": tensors, "callbacks": Hostile(witness)}, source)
    assert_becomes(source, state(), tmp_path)
    assert not witness.exists()
    pickle.loads(pickle.dumps(Hostile(witness)))  # noqa: S301 - that it would have run
    assert witness.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [({"a": torch.zeros(1)}, "it holds no encoder"), ({"a": 1}, "there are no tensors in it")],
)
def test_a_file_without_an_encoder_is_refused(content, message, tmp_path):
    source = tmp_path / "other.pt"
    torch.save(content, source)
    with pytest.raises(ValueError, match=message):
        convert(source, tmp_path / "out.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["other.pt"]


def test_paths_are_judged_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match=r"must end with \.safetensors"):
        convert(tmp_path / "a.ckpt", tmp_path / "a.pt")
    with pytest.raises(ValueError, match="there is no such file"):
        convert(tmp_path / "a.ckpt", tmp_path / "a.safetensors")


@pytest.mark.slow
def test_a_pickled_list_becomes_json_beside_it(tmp_path, capsys):
    source = tmp_path / "datalist_train_mp.pt"
    box = [1.5, 2.0, 30.0, 40.0]
    content = [
        {"img_path": "./a.jpg", "bbox": np.array(box), "frame": np.int64(7), "capture": 0},
        {"img_path": "./b.jpg", "bbox": torch.tensor(box), "frame": 8, "capture": None},
    ]
    torch.save(content, source)
    assert main(["--trust", str(source)]) == 0
    assert "datalist_train_mp.json: 2 entries" in capsys.readouterr().out
    assert json.loads(source.with_suffix(".json").read_text()) == [
        {"img_path": "./a.jpg", "bbox": box, "frame": 7, "capture": 0},
        {"img_path": "./b.jpg", "bbox": box, "frame": 8, "capture": None},
    ]


@pytest.mark.slow
def test_what_a_list_wants_to_run_is_not_run_and_nothing_is_written(tmp_path):
    source, witness = tmp_path / "bad.pt", tmp_path / "it-ran"
    torch.save([{"img_path": Hostile(witness)}], source)
    with pytest.raises(ValueError, match=r"it holds an object, Inert.*give --out NEW\.safetensors"):
        convert_list(source)
    assert not witness.exists()
    assert not source.with_suffix(".json").exists()


@pytest.mark.slow
def test_a_checkpoint_is_no_list(tmp_path):
    source = tmp_path / "own.pt"
    torch.save({"weight": torch.zeros(1000)}, source)
    with pytest.raises(ValueError, match="a tensor of 1000 numbers in it"):
        convert_list(source)
