"""`sweep/evaluate.py` on photographs: 2D errors per hand box, whole folders of samples, processes.

The network is untrained; nothing is ever trained on these photographs.
"""

import json
import shutil

import pytest

from sweep import evaluate, split_scoring
from sweep.folders import RunsDir
from tests.hpe.data.real_samples import REAL, needs_photographs
from tests.hpe.data.test_coco_hands import PEOPLE
from tests.hpe.data.test_coco_hands import write_part as write_coco
from tests.hpe.data.test_onehand10k import write_part as write_onehand10k
from tests.hpe.data.test_real_photographs import write_samples
from tests.hpe.data.test_rhd import convert, half_seen_left_hands
from tests.hpe.data.test_rhd import write_part as write_rhd
from tests.hpe.evaluation.untrained import pose_artifacts
from trainables.stages import StageStore

PER_BOX = {"epe_2d_box_share", "median_epe_2d_box_share", "pck_2d_fifth_of_box"}


@pytest.fixture
def runs(tmp_path):
    return RunsDir(tmp_path / "runs")


def evaluated(runs, data, folder, *arguments):
    """Return what evaluating an untrained network says: scores by name, and facts."""
    key = StageStore(runs.stages).import_weights(
        pose_artifacts(), phase="finetune", source={"sha256": "0"}
    )
    out = runs.root / "out"
    options = ["--runs-dir", runs.root, "--out", out, "--data", data, "--data-dir", folder]
    assert evaluate.main([key, *map(str, options), *arguments]) == 0
    whole = json.loads((out / "scores.json").read_text())
    return {score["name"]: score for score in whole["scores"]}, whole["about"]


@pytest.mark.parametrize(
    ("data", "write", "hands"),
    [
        ("freihand", write_samples, 3),
        ("onehand10k", lambda folder: write_onehand10k(folder / "OneHand10K"), 1),
        ("coco_hands", lambda folder: write_coco(folder / "coco", PEOPLE), 4),
        ("rhd", lambda folder: convert(write_rhd(folder / "rhd", half_seen_left_hands())), 2),
    ],
)
def test_every_set_of_photographs_is_scored_per_hand_box(runs, tmp_path, data, write, hands):
    write(tmp_path)
    scores, about = evaluated(runs, data, tmp_path)
    assert set(scores) > PER_BOX
    assert abs(scores["epe_2d_box_share"]["count"] - hands) <= (data == "rhd")
    assert "longer sides of the tight box" in scores["epe_2d_box_share"]["protocol"]
    assert ("epe_mm" in scores) == (data == "rhd")
    assert about["data"].startswith(f"{data}, split val")
    assert ("caveat" in about) == (data == "onehand10k")


@needs_photographs
@pytest.mark.parametrize(
    ("data", "folder", "hands"),
    [
        ("freihand", "freihand", 8),
        ("onehand10k", "onehand10k", 4),
        ("{name: coco_hands, min_box_px: 20}", "coco", 4),
        ("rhd", "rhd", 3),
        ("{name: interhand, interacting: true}", "interhand2.6m", 6),
    ],
)
def test_real_samples_are_scored_as_they_lie(runs, tmp_path, data, folder, hands):
    shutil.copytree(REAL / folder, tmp_path / folder, copy_function=shutil.copyfile)
    scores, _ = evaluated(runs, data, tmp_path)
    assert set(scores) > PER_BOX
    assert scores["epe_2d_box_share"]["count"] == hands
    assert 0 < scores["epe_2d_box_share"]["value"] < 3


@pytest.mark.slow
def test_several_processes_say_the_same_numbers_as_one(runs, tmp_path, monkeypatch):
    write_coco(tmp_path / "coco", PEOPLE)
    alone, _ = evaluated(runs, "coco_hands", tmp_path)
    monkeypatch.setattr(split_scoring, "CHUNK", 2)
    together, _ = evaluated(runs, "coco_hands", tmp_path, "--processes", "2")
    assert together.keys() == alone.keys()
    for name, score in together.items():
        assert score["value"] == pytest.approx(alone[name]["value"], rel=1e-5)
        assert score["count"] == alone[name]["count"]
