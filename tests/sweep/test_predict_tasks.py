"""`sweep/predict.py` on segmenters, body networks and encoder-decoders."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from hpe.evaluation import mask_model
from hpe.geometry.skeleton import JOINTS
from sweep import predict
from sweep.drawn_hand import DRAWN_PX
from sweep.folders import RunsDir
from tests.hpe.evaluation.one_part import LEFT_CLASS, RIGHT_CLASS, one_layer, one_part_artifacts
from tests.hpe.evaluation.test_course_submission import artifacts as axis_artifacts
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
    assert cv2.imread(str(out / "room.masks.png")).shape[1] == 3 * DRAWN_PX


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
    ("arguments", "said"),
    [(["--scale-mm", "30"], "--scale-mm"), (["--rotations", "2"], "--rotations")],
)
def test_what_only_hands_are_asked_is_refused(runs, picture, capsys, arguments, said):
    code, out = predicted(runs, body_artifacts(), str(picture), *arguments)
    assert code != 0
    assert f"{said}: for networks of hand pose alone" in "".join(capsys.readouterr())
    assert not out.exists()


def test_a_network_alone_is_written_as_onnx(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict, "export_onnx", lambda *_: {"keypoints_px": 2e-6, "depth_share": 0})
    code, out = predicted(runs, body_artifacts(), "--onnx", str(tmp_path / "body.onnx"))
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "body.onnx: from `views` in [0, 1] (float32, batch x 3 x 96 x 64, RGB)" in shown
    assert "at most 2.0e-06 px and 0.0e+00 of the volume's depth" in shown
    assert not out.exists()


def encoder_decoder(**target):
    made = axis_artifacts(**target)
    return replace(made, facts={**made.facts, "phase": "encoder_decoder"})


def test_an_encoder_decoder_says_hands_in_metres_and_shows_its_axes(runs, picture, capsys):
    code, out = predicted(runs, encoder_decoder(), str(picture), "--box", "20,10,40,40")
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "room.png: starts from --box" in shown
    assert "scale" not in shown
    (record,) = json.loads((out / "predictions.json").read_text())["hands"]
    joints_m = np.array(list(record["joints_m"].values()))
    assert list(record["joints_m"]) == list(JOINTS)
    projected = joints_m @ np.array(record["intrinsics"]).T
    found_px = np.array(list(record["keypoints_px"].values()))
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], found_px)
    drawn = cv2.imread(str(out / "room.hand.png"))
    assert drawn.shape[1] > 3 * DRAWN_PX + 2  # the axes are beside the picture and two sides


def test_whole_pictures_are_seen_from_several_sides(runs, picture, capsys):
    rng = np.random.default_rng(0)
    assert cv2.imwrite(str(picture), rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
    made, found = encoder_decoder(frame="picture", unit="bone"), {}
    for ways in ((), ("--rotations", "2", "--mirrored")):
        code, out = predicted(runs, made, str(picture), "--scale-mm", "30", *ways)
        assert code == 0
        told = json.loads((out / "predictions.json").read_text())
        assert (told["rotations"], told["mirrored"]) == ((2, True) if ways else (1, False))
        found[ways] = np.array(list(told["hands"][0]["joints_m"].values()))
    assert "the whole picture, about its middle" in capsys.readouterr().out
    assert np.abs(found[()] - found[ways]).max() > 1e-5


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ({"frame": "picture"}, ["--box", "1,2,30,30"], "leave --box, --boxes and --refinements"),
        ({"frame": "picture"}, ["--refinements", "0"], "leave --box, --boxes and --refinements"),
        ({}, ["--scale-mm", "30"], "says millimetres by itself"),
    ],
)
def test_what_an_encoder_decoder_cannot_do_is_refused(
    runs, picture, capsys, target, arguments, message
):
    code, out = predicted(runs, encoder_decoder(**target), str(picture), *arguments)
    assert code != 0
    assert message in "".join(capsys.readouterr())
    assert not out.exists()


def test_mirrored_views_are_for_encoder_decoders(runs, picture, capsys):
    code, _ = predicted(runs, body_artifacts(), str(picture), "--mirrored")
    assert code != 0
    assert "--mirrored: for networks of the phase encoder_decoder" in "".join(capsys.readouterr())
