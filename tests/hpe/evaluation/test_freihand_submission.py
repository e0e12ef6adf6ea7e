"""FreiHAND's submission file: format, order, units, and what goes into it."""

import json
import zipfile

import cv2
import numpy as np
import pytest
import torch

from hpe.data.pictures import read_rgb
from hpe.evaluation.boxes import centered_box, crop_of_box
from hpe.evaluation.freihand_submission import (
    predict_evaluation,
    read_evaluation_inputs,
    write_submission,
)
from hpe.evaluation.inference import predict_poses
from hpe.geometry.decoding import lift_absolute
from tests.hpe.evaluation.untrained import pose_model

SCALES_M = [0.025, 0.031, 0.028]


@pytest.fixture
def root(tmp_path):
    """FreiHAND's evaluation part without any label."""
    folder = tmp_path / "evaluation" / "rgb"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(3):
        picture = rng.integers(0, 255, (224, 224, 3), dtype=np.uint8)
        assert cv2.imwrite(str(folder / f"{number:08d}.jpg"), picture)
    intrinsics = [[[480.0 + n, 0, 112], [0, 480.0, 112], [0, 0, 1]] for n in range(3)]
    (tmp_path / "evaluation_K.json").write_text(json.dumps(intrinsics))
    (tmp_path / "evaluation_scale.json").write_text(json.dumps(SCALES_M))
    return tmp_path


def test_the_zip_holds_one_flat_file_of_joints_and_zero_vertices(tmp_path):
    hands_m = torch.arange(2 * 21 * 3, dtype=torch.float64).reshape(2, 21, 3) / 1000
    path = tmp_path / "out.zip"
    write_submission(path, hands_m)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["pred.json"]
        joints, vertices = json.loads(archive.read("pred.json"))
    np.testing.assert_array_equal(np.array(joints), hands_m.numpy())
    assert np.array(vertices).shape == (2, 778, 3)
    assert not np.any(vertices)


def test_a_submission_is_finite(tmp_path):
    with pytest.raises(ValueError, match="must be finite"):
        write_submission(tmp_path / "out.zip", torch.full((1, 21, 3), torch.nan))
    assert not list(tmp_path.iterdir())


def test_predictions_need_no_labels_and_have_the_given_scale(root):
    model, inputs = pose_model(), read_evaluation_inputs(root)
    predicted = predict_evaluation(model, inputs)
    hands_m = predicted.hands_m
    image = read_rgb(root / "evaluation" / "rgb" / "00000001.jpg")
    crop = crop_of_box(centered_box(height_px=224, width_px=224))
    poses = predict_poses(model, [image], [crop], refinements=1)
    expected = lift_absolute(
        poses.keypoints_px,
        poses.depth_rel,
        torch.from_numpy(inputs.intrinsics[1:2]),
        scale_m=torch.tensor(SCALES_M[1:2], dtype=torch.float64),
    )
    # Not to the bit: networks round differently in batches of another size.
    torch.testing.assert_close(hands_m[1:2], expected, rtol=1e-3, atol=1e-4)
    assert hands_m.shape == (3, 21, 3)
    assert predicted.limited == (False, False, False)


def test_the_scale_is_that_of_the_given_bone(root):
    inputs = read_evaluation_inputs(root)
    before = predict_evaluation(pose_model(), inputs).hands_m
    (root / "evaluation_scale.json").write_text(json.dumps([2 * s for s in SCALES_M]))
    after = predict_evaluation(pose_model(), read_evaluation_inputs(root)).hands_m
    torch.testing.assert_close(after, 2 * before)


def test_says_which_files_are_missing(root):
    (root / "evaluation_scale.json").unlink()
    with pytest.raises(ValueError, match=r"missing: evaluation_scale\.json\. Give the folder"):
        read_evaluation_inputs(root)


def test_refuses_files_that_do_not_fit_together(root):
    (root / "evaluation_scale.json").write_text("[0.03]")
    with pytest.raises(ValueError, match="one entry per photograph, got 3 and 1"):
        read_evaluation_inputs(root)


def test_refuses_scales_that_are_no_numbers(root):
    (root / "evaluation_scale.json").write_text('["a"]')
    with pytest.raises(ValueError, match="one number per photograph"):
        read_evaluation_inputs(root)
