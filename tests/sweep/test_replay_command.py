"""`sweep/replay.py` on real phases: what it prints, and its exit codes."""

import pytest
import torch

from hpe.data.catalog import data_config, data_root, open_data, prepare_data
from hpe.phases.catalog import PHASES
from sweep import replay
from sweep.folders import RunsDir
from tests.hpe.evaluation.untrained import ENCODER
from tests.sweep.recorded_trials import (
    STUDY,
    end_record,
    epoch_records,
    lineage,
    stage_records,
    trial_record,
    write_journal,
)
from trainables.assignment import Assignment, Directive, Stage
from trainables.clean_room import CleanRoom
from trainables.stages import StageStore
from trainables.training import Seat, train_stage

HANDS = {"name": "rendered_hands", "image_px": 96, "unlabelled": 1, "train": 4, "val": 2, "test": 1}
SETTINGS = {
    "finetune/encoder/name": ENCODER.name,
    "finetune/encoder/width": ENCODER.width,
    "finetune/image_px": 48,
    "finetune/epochs": 2,
    "finetune/batch_size": 2,
}


@pytest.fixture
def runs(tmp_path):
    return RunsDir(tmp_path / "runs")


class Notes:
    """A desk that writes down what a worker reports."""

    def __init__(self):
        self.epochs = {}

    def begin(self, _epoch, _history):
        return Directive.CONTINUE

    def working(self, _beat, _on_batches):
        pass

    def report(self, epochs):
        self.epochs |= {epoch: dict(metrics) for epoch, metrics in epochs}
        return Directive.CONTINUE

    def finish(self, _history):
        pass


def train_and_record(runs, *, data, plan, settings, metric):
    """Train one trial as a worker does, and write the journal that its study would have."""
    config = data_config(data)
    root = data_root(config, data_dir=None, made_dir=runs.data)
    prepare_data(config, root, processes=1, progress=lambda _done, _total: None)
    opened = open_data(config, root)
    stages = stage_records(settings, plan=plan, seed=3, phases=PHASES, digest=opened.digest)
    records, store, parents = [trial_record(0, stages, seed=3)], StageStore(runs.stages), {}
    for stage in stages:
        CleanRoom(threads=1).restore(stage["seed"])
        notes = Notes()
        given = {"config": data, "root": str(root), "digest": opened.digest}
        train_stage(
            Assignment(0, 1, Stage(**stage, parents=dict(parents), data=given)),
            store=store,
            phases=PHASES,
            open_data=lambda _: opened,
            desk=notes,
            seat=Seat(0, 1, torch.device("cpu")),
            lineage={},
        )
        parents[stage["phase"]] = stage["key"]
        records += epoch_records(0, stage, notes.epochs.__getitem__)
    last = records[-2]["metrics"]
    records.append(end_record(0, "COMPLETE", objective=last[metric.split("/", 1)[1]]))
    study = {**STUDY, "data": data, "plan": plan, "arms": {}, "objective": {"metric": metric}}
    about = lineage(data={"digest": opened.digest})
    write_journal(runs.study("toy").journal, records, study=study, lineage_of=about)
    return records


def replay_there(runs, *more):
    return replay.main(["toy", "0", "--runs-dir", str(runs.root), *more])


def rehearse(runs):
    return train_and_record(
        runs,
        data={"name": "none"},
        plan=["rehearse_first", "rehearse_last"],
        settings={"rehearse_first/epochs": 2, "rehearse_last/epochs": 2},
        metric="rehearse_last/val/error",
    )


@pytest.mark.slow
def test_a_finetuned_network_is_bit_equal_and_leaves_nothing_behind(runs, capsys):
    train_and_record(
        runs,
        data=HANDS,
        plan=["finetune"],
        settings=SETTINGS,
        metric="finetune/val/root_epe_mm",
    )
    before = sorted(runs.stages.iterdir())
    assert replay_there(runs) == 0
    shown = capsys.readouterr().out
    assert "finetune/val/root_epe_mm" in shown
    assert "are bit-equal." in shown
    assert "OTHER" not in shown
    assert sorted(runs.stages.iterdir()) == before


def test_the_exit_code_is_one_where_a_number_differs(runs, capsys):
    records = rehearse(runs)
    assert replay_there(runs) == 0
    records[-1]["objective"] += 1e-9
    journal = runs.study("toy").journal
    study = {**STUDY, "data": {"name": "none"}, "arms": {}}
    study |= {"plan": ["rehearse_first", "rehearse_last"]}
    study |= {"objective": {"metric": "rehearse_last/val/error"}}
    journal.unlink()
    write_journal(journal, records, study=study, lineage_of=lineage(data={"digest": "0" * 64}))
    assert replay_there(runs) == 1
    assert "NOT reproduced: trial 0, seed 3 of toy differs in objective." in capsys.readouterr().out


def test_what_was_kept_is_gone_on_from(runs, tmp_path, capsys):
    rehearse(runs)
    store = StageStore(tmp_path / "kept")
    assert replay_there(runs, "--store", str(store.root)) == 0
    committed = [path.name for path in store.root.iterdir() if len(path.name) == 64]
    assert len(committed) == 2
    assert all(store.is_committed(key) for key in committed)
    assert replay_there(runs, "--store", str(store.root)) == 0
    assert capsys.readouterr().out.count("Reproduced: all 9 numbers") == 2


def test_bad_input_ends_with_two(runs, capsys):
    rehearse(runs)
    assert replay.main(["toy", "9", "--runs-dir", str(runs.root)]) == 2
    assert "there is no trial 9" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        replay_there(runs, "--tolerance", "2")
