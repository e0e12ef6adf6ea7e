"""`sweep/export.py`: the best configuration as files that others can use."""

import importlib
import signal

import pytest
import torch
from safetensors.torch import load_file

from hpe.evaluation.onnx_networks import ONNX_NETWORKS
from hpe.evaluation.pose_model import load_pose_model
from hpe.phases.finetune_config import FinetuneConfig
from hpe.phases.phase import Artifacts
from sweep import export
from sweep.folders import RunsDir
from sweep.interruption import Interrupted
from sweep.model_card import LOADERS
from sweep.study_file import load_study
from sweep.weights import read_weights_file
from tests.hpe.evaluation.untrained import ENCODER, IMAGE_PX, pose_artifacts
from tests.sweep.recorded_trials import (
    STUDY,
    end_record,
    epoch_records,
    lineage,
    stage_records,
    toy_records,
    trial_record,
    write_journal,
)
from trainables.assignment import Stage
from trainables.stages import StageStore

CARD = {"licence": "CC0-1.0 assets", "counts": {"train": 8}}


@pytest.fixture
def runs(tmp_path):
    return RunsDir(tmp_path / "runs")


def commit(runs, key, phase, artifacts):
    stage = Stage(key, phase, phase, {}, {}, {}, 0, 1)
    StageStore(runs.stages).commit(stage, artifacts, [], lineage={})


def write_pose_study(runs):
    """A control, and a searched trial that is better, whose networks are in the store."""
    config = FinetuneConfig(encoder=ENCODER, image_px=IMAGE_PX, epochs=1).model_dump(mode="json")
    records = []
    for number, (arm, error_mm) in enumerate((("control", 60.0), (None, 50.0))):
        key = f"{number}a" * 32
        commit(runs, key, "finetune", pose_artifacts())
        stage = {
            "label": "finetune",
            "key": key,
            "phase": "finetune",
            "epochs": 1,
            "config": config,
            "seed": 5,
        }
        params = {} if arm else {"finetune/optimizer/lr": 0.01}
        record = trial_record(number, [stage], arm=arm, params=params)
        records += [
            {**record, "settings": {"finetune/epochs": 1, **params}},
            *epoch_records(
                number, stage, lambda _, e=error_mm: {"train/loss": 1.0, "val/root_epe_mm": e}
            ),
            end_record(number, "COMPLETE", objective=error_mm),
        ]
    study = {
        **STUDY,
        "data": {"name": "rendered_hands"},
        "plan": ["finetune"],
        "arms": {"control": {}},
        "objective": {"metric": "finetune/val/root_epe_mm"},
    }
    data = {"name": "rendered_hands", "digest": "d" * 64, "card": CARD}
    write_journal(runs.study("toy").journal, records, study=study, lineage_of=lineage(data=data))


def export_there(runs, *more):
    out = runs.root / "out"
    arguments = ["toy", *more, "--out", str(out), "--runs-dir", str(runs.root)]
    return export.main(arguments), out


def write_as_onnx(network, path):
    """Stand for `hpe.evaluation.onnx_export`, which has tests of its own and takes seconds."""
    path.write_text(f"a network on {network.width_px} px")
    return {"keypoints_px": 2e-6, "depth_rel": 1e-7}


def test_the_best_is_written_as_study_weights_onnx_and_card(runs, monkeypatch):
    monkeypatch.setattr(export, "export_onnx", write_as_onnx)
    write_pose_study(runs)
    code, out = export_there(runs)
    assert code == 0
    study = load_study(str(out / "study.yaml"))
    assert study.arms["best"].settings == {"finetune/epochs": 1, "finetune/optimizer/lr": 0.01}
    artifacts = read_weights_file(out / "weights.safetensors")
    model = load_pose_model(artifacts, torch.device("cpu"))
    assert model.image_px == IMAGE_PX
    assert (out / "model.onnx").read_text() == f"a network on {IMAGE_PX} px"
    card = (out / "README.md").read_text()
    for text in (
        "# toy: trial 1, seed 0",
        "differs from the network by at most 2.0e-06 px and 1.0e-07 bone lengths",
        "21 joints of a right hand",
        "*Where is the lowest point?*",
        "Trial 1 has the lowest val root EPE: 50.00 mm",
        "| val, chosen on | `root_epe_mm` (the objective) | 50 | wrists at the origin",
        "licence of the data: CC0-1.0 assets",
        "- counts/train: 8",
        f"python sweep/replay.py toy 1 --runs-dir {runs.root}",
        f"python sweep/run.py {out / 'study.yaml'}",
        "| `finetune/optimizer/lr` | `0.01` |",
        f"stage finetune: `{'1a' * 32}`, seed 5",
    ):
        assert text in card
    assert "train/loss" not in card
    assert "chosen by hand" not in card


def cut_off(_network, path):
    path.write_text("half a network")
    raise Interrupted(signal.SIGTERM)


def test_an_export_that_is_cut_off_leaves_no_folder(runs, monkeypatch):
    monkeypatch.setattr(export, "export_onnx", cut_off)
    write_pose_study(runs)
    before = set(runs.root.iterdir())
    assert export_there(runs)[0] == 128 + signal.SIGTERM
    assert set(runs.root.iterdir()) == before


def test_an_export_that_is_cut_off_leaves_an_earlier_one_as_it_was(runs, monkeypatch):
    monkeypatch.setattr(export, "export_onnx", write_as_onnx)
    write_pose_study(runs)
    _, out = export_there(runs, "0")
    (out / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    monkeypatch.setattr(export, "export_onnx", cut_off)
    assert export_there(runs, "1")[0] == 128 + signal.SIGTERM
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    monkeypatch.setattr(export, "export_onnx", write_as_onnx)
    assert export_there(runs, "1")[0] == 0
    assert {path.name for path in out.iterdir()} == before.keys()
    assert "# toy: trial 1, seed 0" in (out / "README.md").read_text()
    assert (out / "notes.txt").read_text() == "mine"


def test_whoever_may_read_the_card_may_read_the_weights_and_the_stages(runs, monkeypatch):
    monkeypatch.setattr(export, "export_onnx", write_as_onnx)
    write_pose_study(runs)
    _, out = export_there(runs)
    modes = {path: path.stat().st_mode for path in runs.root.rglob("*") if path.is_file()}
    assert {path.suffix for path in modes} >= {".safetensors", ".json", ".md", ".onnx"}
    assert set(modes.values()) == {(out / "README.md").stat().st_mode}


@pytest.mark.parametrize("phase", LOADERS)
def test_a_card_names_what_loads_the_network(phase):
    module, _, function = LOADERS[phase].partition(":")
    assert phase in ONNX_NETWORKS
    assert callable(getattr(importlib.import_module(module), function))


def test_a_network_that_onnx_cannot_hold_is_exported_without(runs, monkeypatch):
    def refuse(_network, _path):
        raise ValueError("this network cannot be written as ONNX: no such operator.")

    monkeypatch.setattr(export, "export_onnx", refuse)
    write_pose_study(runs)
    code, out = export_there(runs)
    assert code == 0
    assert "no ONNX file: this network cannot be written" in (out / "README.md").read_text()
    assert (out / "weights.safetensors").exists()


def test_a_phase_without_onnx_export_says_so_and_an_old_file_goes(runs, capsys):
    records = list(toy_records())
    write_journal(runs.study("toy").journal, records)
    trial = next(r for r in records if r["kind"] == "trial" and r["number"] == 0)
    weights = {"net": {"y": torch.tensor([3.0])}, "predictions": {"images": torch.zeros(1)}}
    commit(runs, trial["stages"][-1]["key"], "final", Artifacts(tensors=weights))
    (runs.root / "out").mkdir()
    (runs.root / "out" / "model.onnx").write_text("of an earlier export")
    code, out = export_there(runs, "0", "--data-dir", "/my data")
    assert code == 0
    assert load_file(out / "weights.safetensors").keys() == {"net.y"}
    assert not (out / "model.onnx").exists()
    card = (out / "README.md").read_text()
    assert "no ONNX file: `final` leaves no network that says something of pictures" in card
    assert "This trial is not what the study answers with" in card
    where = f"--runs-dir {runs.root} --data-dir '/my data'"
    assert f"python sweep/run.py {out / 'study.yaml'} {where}" in card
    assert f"python sweep/replay.py toy 0 {where}" in card
    assert "no ONNX file" in capsys.readouterr().out


def test_a_stage_that_is_gone_is_refused_with_the_way_to_have_it_again(runs, capsys):
    write_journal(runs.study("toy").journal, list(toy_records()))
    assert export_there(runs)[0] == 2
    told = capsys.readouterr().err
    assert "final of trial 1 is not in" in told
    assert f"python sweep/replay.py toy 1 --store {runs.stages}" in told
    assert not (runs.root / "out").exists()


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("PRUNED", "trial 0 was stopped early after 2 of 3 epochs of final"),
        ("FAIL", "trial 0 failed after 2 of 3 epochs of final"),
        (None, "trial 0 has come no further than 2 of 3 epochs of final"),
    ],
)
def test_a_trial_that_never_became_a_network_is_refused_with_how_far_it_came(
    runs, capsys, state, told
):
    stages = stage_records({"final/y": 3.0, "final/epochs": 3}, plan=["final"], seed=0)
    end = [] if state is None else [end_record(0, state)]
    records = [
        trial_record(0, stages),
        *epoch_records(0, stages[0], lambda epoch: {"val/error": 1.0 / epoch}, upto=2),
        *end,
    ]
    write_journal(runs.study("toy").journal, records)
    assert export_there(runs, "0")[0] == 2
    said = capsys.readouterr().err
    assert told in said
    assert "never became a network" in said
    assert "replay.py" not in said
    assert not (runs.root / "out").exists()


def test_a_study_of_which_nothing_completed_is_refused(runs, capsys):
    write_journal(runs.study("toy").journal, [])
    assert export_there(runs)[0] == 2
    assert "no trial has completed yet" in capsys.readouterr().err
