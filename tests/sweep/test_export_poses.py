"""`sweep/export_poses.py` on a trial that evolved poses, and on others."""

import numpy as np
import pytest
import torch

from hpe.phases.phase import Artifacts
from sweep import export_poses
from sweep.folders import RunsDir
from sweep.journal import Journal
from tests.hpe.evolution.stick_bodies import stick_bodies
from tests.sweep.recorded_trials import trial_record
from trainables.stages import StageStore

POSES = stick_bodies(6)


@pytest.fixture
def runs(tmp_path):
    """A study whose trial 0 evolved six poses, two of them recorded, and whose trial 1 did not."""
    runs = RunsDir(tmp_path / "runs")
    evolved = {"joints_mm": torch.from_numpy(POSES).float()}
    artifacts = Artifacts(tensors={"evolved": evolved}, facts={"recorded": 2})
    key = StageStore(runs.stages).import_weights(artifacts, phase="evolve", source={"name": "x"})
    records = [
        {"kind": "study", "time_s": 0.0, "study": {"name": "mine", "data": {}}, "lineage": {}},
        trial(0, "evolve", key),
        trial(1, "lift", "cd" * 32),
    ]
    folder = runs.study("mine")
    folder.root.mkdir(parents=True)
    with Journal(folder.journal) as journal:
        journal.open()
        journal.append(records)
    return runs


def trial(number, phase, key):
    stage = {"label": phase, "key": key, "phase": phase, "epochs": 1, "config": {}, "seed": 0}
    return trial_record(number, [stage])


def export(runs, reference, *options):
    out = runs.root / "poses.csv"
    arguments = [reference, "--out", str(out), "--runs-dir", str(runs.root), *options]
    code = export_poses.main(arguments)
    return code, np.loadtxt(out, delimiter=",", skiprows=1) if out.exists() else None


def test_writes_all_poses_and_says_which_are_recorded(runs, capsys):
    code, table = export(runs, "mine/0")
    assert code == 0
    np.testing.assert_allclose(table.reshape(-1, 17, 3), POSES, atol=1e-3)
    assert "6 poses, the first 2 of them recorded" in capsys.readouterr().out


def test_writes_children_alone_with_the_pelvis_at_the_origin(runs):
    _, table = export(runs, "mine/0", "--children-only", "--root-relative")
    expected = POSES[2:] - POSES[2:, :1]
    np.testing.assert_allclose(table.reshape(-1, 17, 3), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("mine/1", "has no finished stage of evolve; it ran lift"),
        ("mine/7", "mine has no trial 7"),
        ("mine", "a trial is needed, as STUDY/NUMBER"),
    ],
)
def test_says_why_there_is_nothing_to_write(runs, capsys, reference, told):
    code, table = export(runs, reference)
    assert (code, table) == (2, None)
    assert told in capsys.readouterr().err


def test_overwrites_nothing(runs, capsys):
    (runs.root / "poses.csv").write_text("precious")
    out = str(runs.root / "poses.csv")
    assert export_poses.main(["mine/0", "--out", out, "--runs-dir", str(runs.root)]) == 2
    assert (runs.root / "poses.csv").read_text() == "precious"
    assert "it exists" in capsys.readouterr().err
