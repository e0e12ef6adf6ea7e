"""Networks as ONNX say the same as the networks."""

import numpy as np
import pytest
import torch
from torch.onnx import OnnxExporterError

from hpe.evaluation import mask_model, onnx_export
from hpe.evaluation.axis_model import load_axis_model
from hpe.evaluation.body_model import load_body_model
from hpe.evaluation.mask_model import load_mask_model
from hpe.evaluation.onnx_export import compare_with_onnx, export_onnx
from hpe.evaluation.onnx_networks import (
    ONNX_NETWORKS,
    onnx_of_axes,
    onnx_of_body,
    onnx_of_masks,
    onnx_of_pose,
)
from hpe.phases.catalog import PHASES
from tests.hpe.evaluation.one_part import one_layer, one_part_artifacts
from tests.hpe.evaluation.test_course_submission import artifacts as axis_artifacts
from tests.hpe.evaluation.untrained import pose_model
from tests.hpe.evaluation.untrained_bodies import body_artifacts

pytest.importorskip("onnxruntime")

CPU = torch.device("cpu")


def axes_network():
    return onnx_of_axes(load_axis_model(axis_artifacts(), CPU))


def body_network(**head):
    return onnx_of_body(load_body_model(body_artifacts(**head), CPU))


def seen(height_px, width_px):
    """Two pictures, and the same as views."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (2, height_px, width_px, 3), dtype=np.uint8))
    return images, images.permute(0, 3, 1, 2).float() / 255


@pytest.mark.slow
@pytest.mark.parametrize(
    "made",
    [
        lambda: onnx_of_pose(pose_model(kind="linear")),
        lambda: onnx_of_pose(pose_model(kind="heatmap")),
        axes_network,
        body_network,
    ],
    ids=["linear", "heatmap", "axes", "volumes"],
)
def test_a_file_says_the_same_in_batches_of_any_size(made, tmp_path):
    path, network = tmp_path / "net.onnx", made()
    parity = export_onnx(network, path)
    assert all(parity[output.name] < output.tolerance for output in network.outputs)
    for parameter in network.module.parameters():
        parameter.data += 0.1
    changed = compare_with_onnx(network, path)
    assert all(changed[output.name] > 10 * output.tolerance for output in network.outputs)


def test_a_file_that_says_something_else_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: None)  # takes seconds
    apart = {"keypoints_px": 3.0, "depth_rel": float("nan")}
    monkeypatch.setattr(onnx_export, "compare_with_onnx", lambda _network, _path: apart)
    with pytest.raises(ValueError, match=r"differs from the network by 3.0e.00 px and nan bone"):
        export_onnx(onnx_of_pose(pose_model()), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
    assert torch.is_grad_enabled()


def test_a_network_that_cannot_be_written_down_is_refused(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise OnnxExporterError("there is no such operator\nat length")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(ValueError, match=r"cannot be written as ONNX: there is no such operator$"):
        export_onnx(onnx_of_pose(pose_model()), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("head", [{}, {"depth": 64, "compat": "s4"}, {"kind": "direct"}])
def test_a_body_is_written_down_as_its_network_says_it(head):
    model = load_body_model(body_artifacts(**head), CPU)
    images, views = seen(model.height_px, model.width_px)
    points = model.network(images)
    keypoints_px, depth_share = onnx_of_body(model).module(views)
    size_px = torch.tensor([model.width_px, model.height_px])
    torch.testing.assert_close(keypoints_px, (points[..., :2] + 0.5) * size_px)
    torch.testing.assert_close(depth_share, points[..., 2])


def test_axes_are_written_down_as_points_of_their_space():
    model = load_axis_model(axis_artifacts(unit="bone"), CPU)
    network = onnx_of_axes(model)
    images, views = seen(network.height_px, network.width_px)
    torch.testing.assert_close(network.module(views)[0], model.points(images))
    assert "in bone lengths" in network.told({"points": 0.0})


def test_masks_are_written_down_as_logits_of_each_hand(monkeypatch):
    monkeypatch.setattr(mask_model, "build_segmenter", one_layer)
    model = load_mask_model(one_part_artifacts(image_px=64), CPU)
    network = onnx_of_masks(model)
    images, views = seen(64, 64)
    (logits,) = network.module(views)
    assert logits.shape == (2, 2, 17, 64, 64)
    torch.testing.assert_close(logits.argmax(dim=2).byte(), model.masks(images, side_px=64))


def test_every_phase_whose_network_sees_pictures_has_its_words():
    assert set(PHASES) - set(ONNX_NETWORKS) == {
        "pretrain",
        "evolve",
        "lift",
        "rehearse_first",
        "rehearse_last",
    }
