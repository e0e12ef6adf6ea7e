"""The winner as MLflow serves it: the same as the network says, from a file without code."""

import importlib
from dataclasses import replace

import mlflow
import numpy as np
import pytest
import torch

from hpe.evaluation import mask_model
from hpe.evaluation.axis_model import load_axis_model
from hpe.evaluation.body_model import load_body_model
from hpe.evaluation.boxes import centered_box, crop_of_box
from hpe.evaluation.onnx_networks import ONNX_NETWORKS
from hpe.evaluation.pose_model import load_pose_model
from hpe.evaluation.single_axes import predict_hand_by_axes
from hpe.evaluation.single_body import centered_rectangle, predict_body
from hpe.evaluation.single_hand import assumed_camera, predict_hand
from sweep.ledger import Ledger
from sweep.report.weights_file import write_weights
from sweep.tracking.served_model import SERVED, can_be_served
from tests.hpe.evaluation.one_part import LEFT_CLASS, RIGHT_CLASS, one_layer, one_part_artifacts
from tests.hpe.evaluation.test_course_submission import artifacts as axis_artifacts
from tests.hpe.evaluation.untrained import pose_artifacts
from tests.hpe.evaluation.untrained_bodies import body_artifacts
from tests.sweep.tracking.pose_weights import write_pose_weights

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred"),  # MLflow's own, on import
]


@pytest.fixture
def save_served_model():
    return importlib.import_module("sweep.tracking.model_files").save_served_model


@pytest.fixture
def weights(tmp_path):
    return write_pose_weights(tmp_path / "best_weights.safetensors")


def test_it_loads_and_predicts_what_the_network_says(save_served_model, weights, tmp_path):
    save_served_model(weights, tmp_path / "model")
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    images = np.random.default_rng(0).integers(0, 256, (2, 96, 80, 3), dtype=np.uint8)
    found = loaded.predict(images)
    model = load_pose_model(pose_artifacts(), torch.device("cpu"))
    crop = crop_of_box(centered_box(height_px=96, width_px=80))
    hand = predict_hand(model, images[1], crop, assumed_camera(height_px=96, width_px=80))
    np.testing.assert_allclose(found["keypoints_px"][1], hand.keypoints_px, atol=1e-3)
    np.testing.assert_allclose(found["joints_bone"][1], hand.joints, atol=1e-3)
    assert found["keypoints_px"].shape == (2, 21, 2)


def test_it_has_a_signature_an_example_and_no_pickle(save_served_model, weights, tmp_path):
    save_served_model(weights, tmp_path / "model")
    info = mlflow.models.get_model_info(str(tmp_path / "model"))
    assert [spec.name for spec in info.signature.outputs.inputs] == ["keypoints_px", "joints_bone"]
    assert info.saved_input_example_info is not None
    assert not list((tmp_path / "model").rglob("*.pkl"))
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert loaded.predict(loaded.input_example)["joints_bone"].shape == (1, 21, 3)


def served(save_served_model, artifacts, tmp_path):
    """What MLflow loads of a report's weights."""
    write_weights(artifacts, tmp_path / "weights.safetensors")
    save_served_model(tmp_path / "weights.safetensors", tmp_path / "model")
    return mlflow.pyfunc.load_model(str(tmp_path / "model"))


def pictures():
    return np.random.default_rng(0).integers(0, 256, (2, 96, 80, 3), dtype=np.uint8)


def agrees_with_signature(model, said):
    """Say whether what is said has the names, shapes and types that were promised."""
    promised = {spec.name: spec for spec in model.metadata.signature.outputs.inputs}
    return said.keys() == promised.keys() and all(
        said[name].dtype == spec.type
        and len(said[name].shape) == len(spec.shape)
        and all(want in (-1, got) for want, got in zip(spec.shape, said[name].shape, strict=True))
        for name, spec in promised.items()
    )


@pytest.mark.parametrize(
    ("target", "joints"),
    [({"unit": "mm"}, "joints_m"), ({"unit": "bone", "frame": "picture"}, "joints_bone")],
)
def test_an_encoder_decoder_says_hands_in_the_unit_it_speaks(
    save_served_model, tmp_path, target, joints
):
    made = axis_artifacts(**target)
    artifacts = replace(made, facts={**made.facts, "phase": "encoder_decoder"})
    model, images = served(save_served_model, artifacts, tmp_path), pictures()
    found = model.predict(images)
    network = load_axis_model(artifacts, torch.device("cpu"))
    crop = None if "frame" in target else crop_of_box(centered_box(height_px=96, width_px=80))
    camera = assumed_camera(height_px=96, width_px=80)
    hand = predict_hand_by_axes(network, images[1], crop, camera).hand
    assert agrees_with_signature(model, found)
    np.testing.assert_allclose(found[joints][1], hand.joints, atol=1e-5)
    np.testing.assert_allclose(found["keypoints_px"][1], hand.keypoints_px, atol=1e-3)


def test_a_body_network_says_bodies(save_served_model, tmp_path):
    artifacts, images = body_artifacts(), pictures()
    model = served(save_served_model, artifacts, tmp_path)
    found = model.predict(images)
    network = load_body_model(artifacts, torch.device("cpu"))
    size = {"height_px": 96, "width_px": 80}
    body = predict_body(network, images[1], centered_rectangle(**size), assumed_camera(**size))
    assert agrees_with_signature(model, found)
    np.testing.assert_allclose(found["joints_mm"][1], body.joints_mm, atol=1e-2)
    np.testing.assert_allclose(found["keypoints_px"][1], body.keypoints_px, atol=1e-3)


@pytest.mark.parametrize(("phase", "section"), [("paired", "segmenter"), ("generator", "network")])
def test_a_segmenter_says_masks_of_the_whole_picture(
    save_served_model, tmp_path, monkeypatch, phase, section
):
    monkeypatch.setattr(mask_model, "build_segmenter", one_layer)
    model = served(save_served_model, one_part_artifacts(phase=phase, section=section), tmp_path)
    found = model.predict(pictures())
    assert agrees_with_signature(model, found)
    assert found["masks"].shape == (2, 2, 96, 80)
    assert (found["masks"][:, 0] == LEFT_CLASS).all()
    assert (found["masks"][:, 1] == RIGHT_CLASS).all()


def test_networks_that_see_pictures_are_served(searched_records):
    trial = Ledger(searched_records).trials[0]
    assert can_be_served(trial)
    for phase, is_served in (("paired", True), ("pretrain", False), ("lift", False)):
        trial.stages[-1].phase = phase
        assert can_be_served(trial) is is_served
    assert not can_be_served(None)
    assert set(SERVED) == set(ONNX_NETWORKS)
