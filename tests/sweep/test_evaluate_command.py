"""`sweep/evaluate.py` and `sweep/predict.py` on stages, finished and not, and what they refuse."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from hpe.phases.finetune_config import FinetuneConfig
from hpe.phases.phase import Artifacts
from sweep import evaluate, predict
from sweep.evaluation_data import chosen_settings
from sweep.folders import RunsDir
from sweep.found_model import find_model
from sweep.journal import Journal
from sweep.ledger import FIRST_REPLICATE
from tests.hpe.evaluation.untrained import ENCODER, IMAGE_PX, pose_artifacts
from tests.sweep.recorded_trials import trial_record
from trainables.assignment import Stage
from trainables.stages import StageStore

KEY = "ab" * 32
DATA = {"name": "rendered_hands", "image_px": 96, "unlabelled": 1, "train": 1, "val": 3, "test": 1}
CONFIG = FinetuneConfig(encoder=ENCODER, image_px=IMAGE_PX, epochs=4).model_dump(mode="json")


@pytest.fixture
def runs(tmp_path):
    return RunsDir(tmp_path / "runs")


def find(reference, runs, **options):
    return find_model(reference, runs=runs, tracking_uri="sqlite:////nowhere/m.db", **options)


def write_study(runs, number=0):
    """A study whose trial, or replicate, of this number finetunes the stage `KEY`."""
    folder = runs.study("mine")
    folder.root.mkdir(parents=True)
    stage = {
        "label": "finetune",
        "key": KEY,
        "phase": "finetune",
        "epochs": 4,
        "config": CONFIG,
        "seed": 0,
    }
    trial = trial_record(number, [stage], replicate_of=0 if number else None)
    study = {"kind": "study", "time_s": 0.0, "study": {"name": "mine", "data": DATA}, "lineage": {}}
    with Journal(folder.journal) as journal:
        journal.open()
        journal.append([study, trial])


def unfinished_stage(runs, artifacts=None):
    """Epoch 2 of 4 lies on the disk, as training left it."""
    artifacts = artifacts or pose_artifacts()
    learner = {
        f"{group}.{name}": tensor
        for group in ("encoder", "head")
        for name, tensor in artifacts.tensors[group].items()
    }
    stage = Stage(KEY, "finetune", "finetune", CONFIG, {}, {}, 0, 4)
    state = {"epoch": 2, "metrics": {"val/root_epe_mm": 9.0}, "learner": learner}
    StageStore(runs.stages).save_state(stage, state, epoch=2, history=[])
    return artifacts


def assert_same(found: Artifacts, expected: Artifacts):
    for group in ("encoder", "head"):
        for name, tensor in expected.tensors[group].items():
            assert found.tensors[group][name].equal(tensor)


@pytest.mark.parametrize("reference", ["mine/0", KEY, KEY[:8]])
def test_a_trial_that_is_still_running_gives_its_newest_epoch(reference, runs):
    write_study(runs)
    expected = unfinished_stage(runs)
    found = find(reference, runs)
    assert_same(found.artifacts, expected)
    assert found.told == "trial 0 of mine, stage abababababab, unfinished: epoch 2 of 4"
    assert found.data == DATA


@pytest.mark.parametrize("reference", [f"mine/{FIRST_REPLICATE}", KEY, KEY[:8]])
def test_a_replicate_of_the_verdict_is_found_as_a_trial_is(reference, runs):
    write_study(runs, FIRST_REPLICATE)
    unfinished_stage(runs)
    found = find(reference, runs)
    assert found.told.startswith(f"trial {FIRST_REPLICATE} of mine, stage abababababab")
    assert found.data == DATA
    with pytest.raises(ValueError, match="no trial 7; it has none and replicates 1000000"):
        find("mine/7", runs)


def test_an_unfinished_stage_without_an_epoch_is_refused(runs):
    write_study(runs)
    with pytest.raises(ValueError, match="has not finished an epoch yet"):
        find("mine/0", runs)


def test_a_kept_epoch_is_chosen_by_number_or_as_the_best(runs):
    write_study(runs)
    unfinished_stage(runs)
    stage = Stage(KEY, "finetune", "finetune", CONFIG, {}, {}, 0, 4)
    store = StageStore(runs.stages)
    store.keep_snapshot(stage, 1, pose_artifacts())
    history = [{"epoch": 1, "metrics": {"val/root_epe_mm": 8.0}}]
    state = {"epoch": 3, "metrics": {}, "learner": {}}
    store.save_state(stage, state, epoch=3, history=history)
    assert find("mine/0", runs, epoch="best").told.endswith("kept epoch 1")
    assert find("mine/0", runs, epoch="1").told.endswith("kept epoch 1")
    with pytest.raises(ValueError, match="--epoch must be latest, best or one of those"):
        find("mine/0", runs, epoch="2")


def test_what_is_nowhere_is_refused(runs):
    with pytest.raises(ValueError, match="there is no such file, stage folder, or stage in"):
        find("nothing", runs)
    with pytest.raises(ValueError, match="has no study 'other'"):
        find("other/0", runs)


def test_official_labels_are_scored_behind_final_alone():
    of_study = {"name": "freihand", "final": True}
    assert chosen_settings(None, of_study, final=False)["final"] is False
    assert chosen_settings("freihand", None, final=True)["final"] is True
    mixture = chosen_settings("mixture", None, final=False)
    assert mixture["sources"]["freihand"]["data"]["final"] is False
    with pytest.raises(ValueError, match="one data set"):
        chosen_settings("mixture", None, final=True)
    with pytest.raises(ValueError, match="rendered_hands has no official labels"):
        chosen_settings(None, DATA, final=True)
    with pytest.raises(ValueError, match="say with --data what to score them on"):
        chosen_settings(None, None, final=False)


@pytest.mark.slow
def test_evaluate_writes_what_it_shows(runs, capsys):
    write_study(runs)
    unfinished_stage(runs)
    out = runs.root / "out"
    assert evaluate.main(["mine/0", "--runs-dir", str(runs.root), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "trial 0 of mine" in shown
    scores = {s["name"]: s for s in json.loads((out / "scores.json").read_text())["scores"]}
    assert "first look kept" not in shown
    assert f"{scores['root_epe_mm']['value']:.2f}" in shown
    assert scores["root_epe_mm"]["count"] == 3
    assert (out / "pck.png").read_bytes().startswith(b"\x89PNG")
    assert len((out / "pck.csv").read_text().splitlines()) == 101
    assert len((out / "joints.csv").read_text().splitlines()) == 22


def see_a_speck(runs):
    """Leave a stage whose network sees hands of a hundredth of the size."""
    write_study(runs)
    artifacts = pose_artifacts()
    for name, tensor in artifacts.tensors["head"].items():
        tensor.mul_(0.0 if name.endswith("weight") else 0.01)
    unfinished_stage(runs, artifacts)


def test_evaluation_counts_the_hands_whose_first_look_it_kept(runs, capsys):
    out = runs.root / "out"
    see_a_speck(runs)
    arguments = ["mine/0", "--runs-dir", str(runs.root), "--out", str(out), "--refine-box"]
    assert evaluate.main(arguments) == 0
    assert "first look kept for 3 of 3 hands" in capsys.readouterr().out
    assert json.loads((out / "scores.json").read_text())["about"]["hands_with_first_look_kept"] == 3


def test_predict_says_where_the_first_look_was_kept_unless_it_looks_once(runs, tmp_path, capsys):
    picture, out = tmp_path / "a.png", tmp_path / "out"
    cv2.imwrite(str(picture), np.full((90, 120, 3), 80, np.uint8))
    see_a_speck(runs)
    arguments = ["mine/0", str(picture), "--runs-dir", str(runs.root), "--out", str(out)]
    for refinements, kept in (("2", True), ("0", False)):
        assert predict.main([*arguments, "--refinements", refinements]) == 0
        assert ("NOT RECOGNISED" in capsys.readouterr().out) is kept
        record = json.loads((out / "predictions.json").read_text())
        assert record["refinements"] == int(refinements)
        assert record["hands"][0]["kept_first_look"] is kept
    with pytest.raises(SystemExit):
        predict.main([*arguments, "--refinements", "-1"])
    assert "must be 0 or more" in capsys.readouterr().err


@pytest.mark.slow
def test_predict_draws_and_writes_json_and_says_where_it_started(runs, tmp_path, capsys):
    write_study(runs)
    unfinished_stage(runs)
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.full((90, 120, 3), 80, np.uint8))
    out = tmp_path / "out"
    arguments = ["mine/0", str(picture), "--runs-dir", str(runs.root), "--out", str(out)]
    assert predict.main([*arguments, "--scale-mm", "30"]) == 0
    shown = capsys.readouterr().out
    assert "a.png: starts from the box in the middle (none was given)" in shown
    assert "focal     1.2 times the longer side is assumed" in shown
    (hand,) = json.loads((out / "predictions.json").read_text())["hands"]
    bone = np.subtract(hand["joints_m"]["middle_mcp"], hand["joints_m"]["middle_pip"])
    assert len(hand["keypoints_px"]) == 21
    assert np.isfinite(bone).all()
    assert cv2.imread(str(out / "a.hand.png")).shape[1] > 1000
    assert predict.main([*arguments, "--box", "1,2"]) == 2
    assert "must be x,y,width,height" in capsys.readouterr().err


def test_weights_of_one_name_and_the_official_labels_have_folders_of_their_own(tmp_path):
    files = [tmp_path / name / "best.safetensors" for name in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        file.write_text(str(file))
    split = SimpleNamespace(settings={"name": "freihand"}, name="test")

    def name(run, *options):
        return evaluate._folder_name(evaluate._parser().parse_args([str(run), *options]), split)

    names = [name(files[0]), name(files[1]), name(files[0], "--final")]
    assert all(name.startswith("best-freihand-test-") for name in names)
    assert len({*names}) == 3
    assert name(files[0]) == names[0]
    assert name("renders/1") != name("renders-1")
