"""`sweep/predict.py` on segmenters and body networks."""

import json

import cv2
import numpy as np
import pytest

from hpe.evaluation import mask_model
from sweep import predict
from sweep.folders import RunsDir
from tests.hpe.evaluation.one_part import LEFT_CLASS, RIGHT_CLASS, one_layer, one_part_artifacts
from tests.hpe.evaluation.untrained_bodies import body_artifacts
from trainables.stages import StageStore


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(mask_model, "build_segmenter", one_layer)
    return RunsDir(tmp_path / "runs")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "room.png"
    assert cv2.imwrite(str(path), np.full((60, 80, 3), 90, dtype=np.uint8))
    return path


def predicted(runs, artifacts, *arguments):
    key = StageStore(runs.stages).import_weights(
        artifacts, phase=artifacts.facts["phase"], source={"sha256": "0"}
    )
    out = runs.root / "out"
    return predict.main([key, *arguments, "--runs-dir", str(runs.root), "--out", str(out)]), out


def test_masks_are_written_for_each_hand(runs, picture, capsys):
    code, out = predicted(runs, one_part_artifacts(), str(picture), "--box", "10,20,30,30")
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "room.png: looks at --box" in shown
    for hand, said in (("left", LEFT_CLASS), ("right", RIGHT_CLASS)):
        mask = cv2.imread(str(out / f"room.{hand}.png"), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (60, 80)
        assert (mask[20:50, 10:40] == said).all()
        assert (mask > 0).sum() == 900
    (record,) = json.loads((out / "predictions.json").read_text())["pictures"]
    assert record["pixels_by_class"]["left"][LEFT_CLASS] == 900
    assert cv2.imread(str(out / "room.masks.png")).shape[1] == 3 * predict.DRAWN_PX


def test_without_a_box_a_body_is_looked_for_in_the_middle_and_that_is_said(runs, picture, capsys):
    code, out = predicted(runs, body_artifacts(), str(picture))
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "the largest 3:4 rectangle in the middle (no box was given)" in shown
    assert "is assumed" in shown
    (record,) = json.loads((out / "predictions.json").read_text())["bodies"]
    assert record["intrinsics_assumed"] is True
    assert np.shape(record["joints_mm"]) == (17, 3)
    assert len(record["joint_names"]) == 17
    assert cv2.imread(str(out / "room.body.png")) is not None


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--scale-mm", "30"], "--scale-mm"), (["--onnx", "x.onnx"], "--onnx")]
)
def test_what_only_hands_are_asked_is_refused(runs, picture, capsys, arguments, said):
    code, out = predicted(runs, body_artifacts(), str(picture), *arguments)
    assert code != 0
    assert f"{said}: for networks of hand pose alone" in "".join(capsys.readouterr())
    assert not out.exists()
