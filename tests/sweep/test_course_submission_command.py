"""`sweep/evaluate.py --submission` on an encoder-decoder: the course's file, from a stage."""

import gzip
import json

import cv2
import numpy as np
import pytest

from hpe.phases.phase import Artifacts
from sweep import evaluate
from sweep.folders import RunsDir
from tests.hpe.evaluation.test_course_submission import artifacts
from trainables.stages import StageStore


def committed(runs, **target):
    made = artifacts(**target)
    facts = {**made.facts, "phase": "encoder_decoder"}
    store = StageStore(runs.stages)
    return store.import_weights(
        Artifacts(tensors=made.tensors, facts=facts),
        phase="encoder_decoder",
        source={"sha256": "0"},
    )


@pytest.fixture
def course(tmp_path):
    folder = tmp_path / "data" / "MP_DATA"
    (folder / "test").mkdir(parents=True)
    for number in range(3):
        picture = np.full((48, 48, 3), 60 * number, np.uint8)
        assert cv2.imwrite(str(folder / "test" / f"{number}.jpg"), picture)
    matrix = [[100.0, 0, 24], [0, 100.0, 24], [0, 0, 1]]
    (folder / "test_K.json").write_text(json.dumps([matrix] * 3))
    return tmp_path / "data"


def test_a_stage_writes_the_courses_file(tmp_path, course, capsys):
    key = committed(RunsDir(tmp_path / "runs"), frame="principal_point")
    out = tmp_path / "test_preds.json.gz"
    arguments = [key, "--submission", str(out), "--rotations", "2", "--data-dir", str(course)]
    assert evaluate.main([*arguments, "--runs-dir", str(tmp_path / "runs")]) == 0
    with gzip.open(out, "rt") as file:
        assert np.shape(json.load(file)) == (3, 21, 3)
    assert "3 hands, millimetres, AIT order" in capsys.readouterr().out


def test_a_network_for_crops_is_refused_with_the_way_out(tmp_path, course, capsys):
    key = committed(RunsDir(tmp_path / "runs"))
    arguments = [key, "--submission", str(tmp_path / "x.gz"), "--data-dir", str(course)]
    assert evaluate.main([*arguments, "--runs-dir", str(tmp_path / "runs")]) != 0
    said = "".join(capsys.readouterr())
    assert "target/frame=principal_point" in said
    assert not (tmp_path / "x.gz").exists()
