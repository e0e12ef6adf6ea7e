"""`sweep/evaluate.py` on segmenters and body networks, from their stages."""

import csv
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from hpe.data.catalog import data_config
from hpe.data.folder import FolderSplit
from hpe.data.index import Index, Source
from hpe.data.interhand_masks import SUBMISSION
from hpe.data.opened import OpenedData
from hpe.evaluation import mask_model
from hpe.phases.catalog import PHASES
from sweep import evaluate, predict
from sweep.evaluation_data import EvaluationData
from sweep.folders import RunsDir
from sweep.report.weights_file import write_weights
from tests.hpe.evaluation.one_part import one_layer, one_part_artifacts
from tests.hpe.evaluation.untrained_bodies import body_artifacts
from tests.hpe.evaluation.untrained_lifters import lifter_artifacts
from tests.hpe.phases.body_fakes import fake_bodies
from tests.hpe.phases.scene_fakes import FakeMaskedSplit, fake_scenes
from tests.sweep.recorded_trials import (
    STUDY,
    end_record,
    stage_records,
    trial_record,
    write_journal,
)
from trainables.stages import StageStore


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(mask_model, "build_segmenter", one_layer)
    monkeypatch.setattr(evaluate, "ready_data", lambda settings, **_: opened(settings))
    return RunsDir(tmp_path / "runs")


class Opened(EvaluationData):
    """A data set in memory, under the settings of one that is rendered."""

    def open(self) -> OpenedData:
        """Open it."""
        return fake_bodies() if "bodies" in self.config.name else fake_scenes()


def opened(settings):
    return Opened(data_config(settings), None)


def stage(runs, artifacts):
    return StageStore(runs.stages).import_weights(
        artifacts, phase=artifacts.facts["phase"], source={"sha256": "0"}
    )


def evaluated(runs, key, *arguments):
    out = runs.root / "out"
    code = evaluate.main([key, "--runs-dir", str(runs.root), "--out", str(out), *arguments])
    return code, out


def test_a_segmenter_is_scored_with_a_table_of_its_parts(runs, capsys):
    key = stage(runs, one_part_artifacts())
    code, out = evaluated(runs, key, "--data", "rendered_two_hands", "--limit", "3")
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "split val (for choosing): 3 samples" in shown
    assert "S3's: per image and hand" in shown
    whole = json.loads((out / "scores.json").read_text())
    assert [score["name"] for score in whole["scores"]][:2] == ["miou", "miou_fg_pooled"]
    assert whole["about"]["weights_facts"]["phase"] == "paired"
    rows = list(csv.reader((out / "parts.csv").read_text().splitlines()))
    assert rows[0] == ["part", "iou", "iou_visible", "iou_occluded"]
    assert len(rows) == 17
    assert len((out / "hands.csv").read_text().splitlines()) == 3


def test_bodies_are_scored_by_joint_and_action(runs, capsys):
    key = stage(runs, body_artifacts())
    code, out = evaluated(runs, key, "--data", "rendered_bodies")
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "no scale, no rotation" in shown
    assert len((out / "joints.csv").read_text().splitlines()) == 18
    head, first, *_ = (out / "actions.csv").read_text().splitlines()
    assert head == "action,mpjpe_mm,pa_mpjpe_mm,pck_150"
    assert first.startswith("Sitting,")


def lifting_study(runs):
    """Write a study of one trial whose lifting network is in the store."""
    stages = stage_records({}, plan=["evolve", "lift"], seed=0, phases=PHASES)
    stages[-1]["key"] = stage(runs, lifter_artifacts())
    about = {"name": "lifting", "data": {"name": "rendered_bodies"}, "plan": ["evolve", "lift"]}
    about |= {"arms": {}, "space": None, "search": {"trials": 0}}
    about |= {"objective": {"metric": "lift/val/mpjpe_mm"}}
    records = [trial_record(0, stages), end_record(0, "COMPLETE")]
    write_journal(runs.study("lifting").journal, records, study={**STUDY, **about})
    return "lifting/0"


def test_a_lifting_of_a_trial_is_scored_alone(runs, capsys):
    code, out = evaluated(runs, lifting_study(runs), "--split", "test")
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "trial 0 of lifting, stage " in shown
    assert "true 2D joints as rays of the true camera, no picture" in shown
    whole = json.loads((out / "scores.json").read_text())
    names = [score["name"] for score in whole["scores"]]
    assert {"mpjpe_mm", "pa_mpjpe_mm", "template_mpjpe_mm"} <= set(names)
    assert len((out / "joints.csv").read_text().splitlines()) == 18


@pytest.mark.parametrize(
    ("artifacts", "data", "looked"),
    [
        (one_part_artifacts, "rendered_two_hands", "S3's: per image and hand"),
        (body_artifacts, "rendered_bodies", "the crop of each true box"),
        (lifter_artifacts, "rendered_bodies", "rays of the true camera"),
    ],
)
def test_the_file_of_a_report_is_scored_like_its_stage(runs, capsys, artifacts, data, looked):
    path = runs.root / "best_weights.safetensors"
    path.parent.mkdir()
    write_weights(artifacts(), path)
    code, _ = evaluated(runs, str(path), "--data", data)
    shown = capsys.readouterr()
    assert code == 0, shown
    assert looked in shown.out


def test_a_lifting_network_is_asked_for_no_pictures(runs, tmp_path, capsys):
    trial = lifting_study(runs)
    code, _ = evaluated(runs, trial, "--submission", str(tmp_path / "poses.csv"))
    assert code != 0
    assert "one of lift is told true" in capsys.readouterr().err
    picture = tmp_path / "a.png"
    picture.write_bytes(b"never opened")
    assert predict.main([trial, str(picture), "--runs-dir", str(runs.root)]) != 0
    assert "is told 2D joints and sees no picture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "rendered_bodies"], "scored on data for hand_segmentation"),
        (["--data", "rendered_two_hands", "--refine-box"], "--refine-box is for hand pose"),
        (["--data", "rendered_two_hands", "--mirrored"], "leave --rotations and --mirrored out"),
    ],
)
def test_what_a_segmenter_is_not_asked_is_refused(runs, capsys, arguments, said):
    code, out = evaluated(runs, stage(runs, one_part_artifacts()), *arguments)
    assert code != 0
    assert said in "".join(capsys.readouterr())
    assert not out.exists()


def test_a_segmenter_writes_s3s_archive(runs, capsys):
    path = runs.root / "test.lmdb.tar.gz"
    arguments = ["--data", "rendered_two_hands", "--submission", str(path)]
    code, _ = evaluated(runs, stage(runs, one_part_artifacts()), *arguments)
    assert code == 0
    assert "masks of 4 pictures; beside it test.lmdb, the same" in capsys.readouterr().out
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["test.lmdb/data.mdb"]


@pytest.mark.parametrize(
    ("rows", "limit", "told"),
    [
        ([0, 1, 2, 3], None, None),
        ([0, 2, 3], None, "missing   1 of the list's 4 pictures; unusable (data/max_bad_share): 1"),
        ([0, 2, 3], 1, "missing   3 of the list's 4 pictures; unusable (data/max_bad_share): 1"),
    ],
)
def test_a_submission_says_how_many_pictures_of_the_list_it_lacks(
    runs, capsys, monkeypatch, rows, limit, told
):
    listed = FakeMaskedSplit(30_000, 4, has_masks=False)
    index = Index(Source("masks", runs.root, "list", [], ""), {"picture": np.zeros(4)}, {}, "0")
    split = FolderSplit(index, np.array(rows), lambda _index, row: listed[row])
    data = fake_scenes()
    data = replace(data, splits={**data.splits, SUBMISSION: split})
    monkeypatch.setattr(Opened, "open", lambda _self: data)
    path = runs.root / "test.lmdb.tar.gz"
    arguments = ["--data", "rendered_two_hands", "--submission", str(path)]
    more = [] if limit is None else ["--limit", str(limit)]
    code, _ = evaluated(runs, stage(runs, one_part_artifacts()), *arguments, *more)
    said = capsys.readouterr()
    assert code == 0, said
    assert (told or "") in said.out
    assert ("missing" in said.out) is (told is not None)


def test_bodies_write_s4s_tables(runs, capsys):
    path = runs.root / "test_pred.csv"
    arguments = ["--data", "rendered_bodies", "--submission", str(path)]
    code, _ = evaluated(runs, stage(runs, body_artifacts()), *arguments)
    assert code == 0, capsys.readouterr()
    predicted, true = (
        list(csv.DictReader(file.read_text().splitlines()))
        for file in (path, runs.root / "test_pred_gt.csv")
    )
    assert [row["Id"] for row in predicted] == [row["Id"] for row in true] == list("01234")
    assert {row["Split"] for row in true} == {"1"}
    truth_mm = fake_bodies().splits["test"][2].joints_mm()
    relative_mm = truth_mm - truth_mm[0]
    assert float(true[2]["z16"]) == pytest.approx(relative_mm[16, 2], abs=1e-3)
    assert predicted[2]["x0"] == "0.0000"
