"""The winner as MLflow serves it: the same hands as the network gives, from a file without code."""

import importlib

import mlflow
import numpy as np
import pytest
import torch

from hpe.evaluation.boxes import centered_box, crop_of_box
from hpe.evaluation.pose_model import load_pose_model
from hpe.evaluation.single_hand import assumed_camera, predict_hand
from sweep.ledger import Ledger
from sweep.tracking.served_model import can_be_served
from tests.hpe.evaluation.untrained import pose_artifacts
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


def test_only_networks_of_finetuning_are_served(searched_records):
    trial = Ledger(searched_records).trials[0]
    assert can_be_served(trial)
    trial.stages[-1].phase = "pretrain"
    assert not can_be_served(trial)
    assert not can_be_served(None)
