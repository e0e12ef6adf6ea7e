"""Networks as ONNX say the same as the networks."""

import pytest
import torch

from hpe.evaluation import onnx_export
from hpe.evaluation.onnx_export import compare_with_onnx, export_onnx
from tests.hpe.evaluation.untrained import pose_model

pytest.importorskip("onnxruntime")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "heatmap"])
def test_a_file_says_the_same_in_batches_of_any_size(kind, tmp_path):
    path = tmp_path / "net.onnx"
    model = pose_model(kind=kind)
    parity = export_onnx(model, path)
    assert max(parity.keypoints_px, parity.depth_rel) < 1e-3
    for parameter in model.network.head.parameters():
        parameter.data += 0.1
    assert compare_with_onnx(model, path).depth_rel > 1e-2


@pytest.mark.slow
def test_a_file_that_says_something_else_is_not_kept(tmp_path, monkeypatch):
    apart = onnx_export.Parity(keypoints_px=3.0, depth_rel=0.0)
    monkeypatch.setattr(onnx_export, "compare_with_onnx", lambda _model, _path: apart)
    with pytest.raises(ValueError, match="differs from the network by 3 px"):
        export_onnx(pose_model(), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
    assert torch.is_grad_enabled()
