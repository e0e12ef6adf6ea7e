"""Weights of segmenters and discriminators that stand for the generator phase."""

import pytest
from safetensors.torch import save_file

from hpe.models.mask_discriminators import DiscriminatorConfig, build_discriminator
from hpe.models.segmenters import SegmenterConfig, build_segmenter
from hpe.phases.catalog import PHASES
from sweep.folders import RunsDir
from sweep.points import searched_point
from sweep.study import Study
from sweep.weights import find_weights
from trainables.stages import StageStore

LIGHT = SegmenterConfig(encoder="tu-mobilenetv3_small_050", decoder_channels=(8, 8, 4, 4, 4))


@pytest.fixture(scope="module")
def generator():
    return build_segmenter(LIGHT, seed=1).state_dict()


@pytest.fixture(scope="module")
def discriminator():
    return build_discriminator(DiscriminatorConfig(kind="s3"), seed=1).state_dict()


def grouped(**groups):
    return {
        f"{group}.{name}": tensor.contiguous()
        for group, tensors in groups.items()
        for name, tensor in tensors.items()
    }


def found(path, tmp_path, **settings):
    study = Study(
        name="mine",
        question="Which?",
        data={"name": "rendered_two_hands"},
        plan=["generator", "pseudo_labels", "paired"],
        settings={
            "generator/network/encoder": LIGHT.encoder,
            "generator/network/decoder_channels": list(LIGHT.decoder_channels),
            "generator/discriminator/kind": "s3",
            **settings,
        },
        objective={"metric": "paired/val/miou", "direction": "maximize"},
    )
    runs = RunsDir(tmp_path / "runs")
    weights = find_weights(
        {"generator": str(path)},
        {"generator": [searched_point(study, {}, PHASES)]},
        runs=runs,
        tracking_uri="sqlite:////nowhere/mlflow.db",
    )["generator"]
    return weights, StageStore(runs.stages)


def test_a_generator_and_its_discriminator_stand_for_the_phase(generator, discriminator, tmp_path):
    path = tmp_path / "g1.safetensors"
    save_file(grouped(network=generator, discriminator=discriminator), path)
    weights, store = found(path, tmp_path)
    artifacts = store.artifacts(weights.stage_key(store))
    assert set(artifacts.tensors) == {"network", "discriminator"}
    assert set(artifacts.tensors["network"]) == set(generator)
    assert artifacts.facts["network"]["encoder"] == LIGHT.encoder
    assert artifacts.facts["discriminator"]["kind"] == "s3"


def test_a_generator_alone_does_under_the_names_of_the_package(generator, tmp_path):
    path = tmp_path / "g1.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in generator.items()}, path)
    weights, _ = found(path, tmp_path)
    assert set(weights.artifacts.tensors) == {"network"}


def test_refuses_weights_of_another_network(generator, tmp_path):
    path = tmp_path / "g1.safetensors"
    save_file(grouped(network=generator), path)
    with pytest.raises(ValueError, match="not the weights of the network: it lacks"):
        found(path, tmp_path, **{"generator/network/architecture": "unetplusplus"})


def test_refuses_weights_of_another_discriminator(generator, discriminator, tmp_path):
    path = tmp_path / "g1.safetensors"
    save_file(grouped(network=generator, discriminator=discriminator), path)
    with pytest.raises(ValueError, match="not the weights of the discriminator"):
        found(path, tmp_path, **{"generator/discriminator/kind": "patch"})


def test_refuses_a_phase_without_a_network(tmp_path):
    study = Study(
        name="mine",
        question="Which?",
        data={"name": "nothing"},
        plan=["rehearse_first", "rehearse_last"],
        objective={"metric": "rehearse_last/val/loss"},
    )
    with pytest.raises(ValueError, match="no weights can stand for this phase"):
        find_weights(
            {"rehearse_first": "any.safetensors"},
            {"rehearse_first": [searched_point(study, {}, PHASES)]},
            runs=RunsDir(tmp_path / "runs"),
            tracking_uri="sqlite:////nowhere/mlflow.db",
        )
