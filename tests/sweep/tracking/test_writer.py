"""From records to runs, in a store that is a dict."""

import csv
import errno
import io
from pathlib import Path

import pytest
import yaml

from sweep.tracking.faults import Refused
from sweep.tracking.pictures import STUDY, phase_picture
from sweep.tracking.writer import RunWriter
from trainables.manifest import CorruptStage


class FakeStore:
    """Holds the last picture of every run."""

    def __init__(self):
        self.runs, self.texts, self.refusing, self.folders = {}, {}, set(), []

    def write(self, picture):
        self.runs[picture.key] = picture

    def write_text(self, key, text, name):
        if key in self.refusing:
            raise Refused("the run was deleted")
        self.texts[key] = text

    def write_folder(self, key, folder, name):
        self.folders.append((key, folder, name))


def flushed(records, history=None):
    writer, store = RunWriter(history), FakeStore()
    for record in records:
        writer.fold(record)
    writer.flush(store)
    return writer, store


@pytest.fixture
def script_without_stages(journal_script):
    """The plan refused what trial 0 suggests, so it has no stage; trial 1 is like any other."""
    script = journal_script()
    script.trial(0, plan=())
    script.records[-1].update(state="FAIL", objective=None, error_class="code", message="refused")
    script.trial(1)
    return script


def test_a_trial_without_a_stage_is_a_run_like_any_other(script_without_stages):
    writer, store = flushed(script_without_stages.records)
    assert set(store.runs) == {STUDY, "0", "1", "1/pretrain", "1/finetune"}
    assert store.runs["0"].status == "FAILED"
    assert [(point.key, point.value) for point in store.runs["0"].points] == [
        ("progress", 0.0),
        ("duration_s", 0.0),
    ]
    assert writer.refused == []


def test_the_studys_run_has_few_columns_and_all_of_its_lineage_as_a_file(journal_script):
    script = journal_script()
    lineage = script.records[0]["lineage"]
    lineage["packages"] = {f"library_{number}": "1.0" for number in range(43)}
    lineage["data"]["card"] = {"counts": {"train": 1000}, "licence": "CC0"}
    lineage["slots"] = {"workers": 2, "gpus_per_worker": 0.5}
    _, store = flushed(script.records)
    assert set(store.runs[STUDY].params) == {
        "plan",
        "objective",
        "space",
        "seeds/study",
        "seeds/trials",
        "git/commit",
        "git/dirty",
        "data/digest",
    }
    assert yaml.safe_load(store.texts[STUDY]) == lineage


def test_a_lineage_is_kept_once_and_again_when_it_changes_or_the_store_lost_it(journal_script):
    script, written = journal_script(), []
    writer, store = RunWriter(None), FakeStore()
    store.write_text = lambda key, text, name: written.append((key, name, yaml.safe_load(text)))
    first = script.records[0]["lineage"]
    second = {**first, "git": {"commit": "f" * 40, "dirty": True}}
    for record in script.records:
        writer.fold(record)
    writer.flush(store)
    writer.fold({"kind": "session", "time_s": 9e9, "event": "interrupted", "host": "x", "pid": 1})
    writer.flush(store)
    writer.fold({**script.records[0], "lineage": second})
    writer.flush(store)
    store.runs.clear()
    writer.flush(store)
    assert written == [(STUDY, "lineage.yaml", told) for told in (first, second, second)]


def test_a_trial_that_starts_again_without_a_stage_stops_no_other(script_without_stages):
    script = script_without_stages
    script.trial(2, state="FAIL")
    end = script.records.pop()
    script.write("restage", trial=2, stages=[])
    script.records.append(end)
    store = FakeStore()
    store.discard = lambda key: store.runs.pop(key, None)
    writer = RunWriter(None)
    for record in script.records:
        writer.fold(record)
    writer.flush(store)
    assert {"0", "1", "2"} <= set(store.runs)


def test_a_run_that_cannot_be_described_is_told_once_and_stops_no_other(journal_script):
    script = journal_script()
    script.trial(0, reused=("pretrain",))
    script.trial(1)

    def history(key):
        raise ArithmeticError(f"no epochs of {key[:10]}")

    writer, store = flushed(script.records, history)
    expected = ["MLflow goes without run 0/pretrain: ArithmeticError: no epochs of 00pretrain"]
    assert writer.refused == expected
    assert set(store.runs) == {STUDY, "0", "0/finetune", "1", "1/pretrain", "1/finetune"}
    writer.mark_all()
    writer.flush(store)
    assert writer.refused == expected


def test_a_stage_that_cannot_be_read_just_now_stops_no_other_and_is_told_of_later(journal_script):
    script = journal_script()
    script.trial(0, reused=("pretrain",))
    script.trial(1)
    answers = [OSError(errno.EREMOTEIO, "Remote I/O error"), [{"epoch": 1, "metrics": {"a": 1.0}}]]

    def history(key):
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    writer, store = RunWriter(history), FakeStore()
    for record in script.records:
        writer.fold(record)
    assert "Remote I/O error" in str(writer.flush(store))
    assert set(store.runs) == {STUDY, "0", "0/finetune", "1", "1/pretrain", "1/finetune"}
    assert writer.flush(store) is None
    assert [point.value for point in store.runs["0/pretrain"].points] == [1.0]
    assert writer.refused == []


def test_a_stage_that_can_never_be_read_is_given_up_and_told(journal_script):
    script = journal_script()
    script.trial(0, reused=("pretrain",))

    def history(key):
        raise PermissionError(errno.EACCES, "Permission denied")

    writer, store = RunWriter(history), FakeStore()
    for record in script.records:
        writer.fold(record)
    assert writer.flush(store) is None
    assert "0/finetune" in store.runs
    (message,) = writer.refused
    assert message.startswith("MLflow goes without run 0/pretrain: PermissionError")


def test_settings_that_are_refused_stop_no_other(journal_script):
    script = journal_script()
    script.trial(0)
    script.trial(1)
    writer, store = RunWriter(None), FakeStore()
    store.refusing = {"0"}
    for record in script.records:
        writer.fold(record)
    writer.flush(store)
    assert writer.refused == ["MLflow refuses the settings of run 0: the run was deleted"]
    assert "0" not in store.texts
    assert "1" in store.texts


def test_a_reused_stage_that_is_gone_has_a_run_without_epochs(journal_script):
    script = journal_script()
    script.trial(0, reused=("pretrain",))

    def history(key):
        raise CorruptStage(key)

    writer, store = flushed(script.records, history)
    trial = writer.ledger.trials[0]
    assert store.runs["0/pretrain"] == phase_picture(
        trial, trial.stages[0], reused_s=trial.created_s + 2, reused_epochs=[]
    )


def test_what_an_epoch_drew_is_kept_once_and_not_before_the_epoch_is_known(journal_script):
    script = journal_script()
    script.trial(0)
    records = script.records
    for stage in next(r for r in records if r["kind"] == "trial")["stages"]:
        if stage["label"] == "finetune":
            stage["config"] = {"pictures_every": 1}
            key = stage["key"]
    folders = {epoch: Path(f"/stages/{key}/pictures/{epoch:05d}") for epoch in (1, 2)}
    writer, store = RunWriter(None, {key: folders}.__getitem__), FakeStore()
    first = next(
        i for i, r in enumerate(records) if r["kind"] == "epoch" and r["label"] == "finetune"
    )
    for record in records[: first + 1]:
        writer.fold(record)
    writer.flush(store)
    assert store.folders == [("0/finetune", folders[1], "pictures/00001")]
    for record in records[first + 1 :]:
        writer.fold(record)
        writer.flush(store)
    assert store.folders[1:] == [("0/finetune", folders[2], "pictures/00002")]
    writer.mark_all()
    writer.flush(store)
    assert sorted(store.folders[2:]) == sorted(store.folders[:2]), "a store that lost them"


def test_the_run_of_a_phase_that_starts_again_gets_pictures_of_its_own(journal_script):
    script = journal_script()
    script.trial(0)
    begun = next(i for i, r in enumerate(script.records) if r["kind"] == "trial")
    stages = [{**s, "config": {"pictures_every": 1}} for s in script.records[begun]["stages"]]
    script.records[begun]["stages"] = stages
    writer, store = RunWriter(None, lambda key: {1: Path(key)}), FakeStore()
    store.discard = lambda key: store.runs.pop(key, None)
    end = next(i for i, r in enumerate(script.records) if r["kind"] == "end")
    for record in script.records[:end]:
        writer.fold(record)
    writer.flush(store)
    lighter = [{**stage, "key": f"{stage['key'][:-1]}f"} for stage in stages]
    script.write("restage", trial=0, stages=lighter)
    told = [r for r in script.records[begun + 1 : end] if r["kind"] in ("stage", "epoch")]
    for record in (script.records[-1], *told):
        writer.fold(record)
    writer.flush(store)
    assert [folder for key, folder, _ in store.folders if key == "0/finetune"] == [
        Path(stages[-1]["key"]),
        Path(lighter[-1]["key"]),
    ]


def test_all_that_a_phase_measured_is_kept_once_it_has_ended(journal_script):
    script = journal_script()
    script.trial(0, arm="peclr")
    for record in script.records:
        if record["kind"] == "epoch":
            extra = {f"train/term_{i}": record["epoch"] + i / 64 for i in range(40)}
            record["metrics"] = {**record["metrics"], **extra}
    last = next(i for i, r in enumerate(script.records) if r.get("label") == "finetune")
    _, unfinished = flushed(script.records[:last])
    writer, store = flushed(script.records)
    rows = list(csv.DictReader(io.StringIO(store.texts["0/finetune"])))
    epochs = writer.ledger.trials[0].stage("finetune").epochs
    assert [int(row["epoch"]) for row in rows] == [epoch.epoch for epoch in epochs]
    for row, epoch in zip(rows, epochs, strict=True):
        assert {key: float(row[key]) for key in epoch.metrics} == epoch.metrics
    assert len(rows[0]) > 40
    assert "0/finetune" not in unfinished.texts
    store.texts.clear()
    writer.fold(script.records[-1])
    writer.flush(store)
    assert not store.texts  # it has not changed
    writer.mark_all()
    writer.flush(store)
    assert set(store.texts) == {STUDY, "0", "0/pretrain", "0/finetune"}


def test_what_a_reused_phase_measured_is_kept_with_its_run(searched_records):
    history = [{"epoch": 1, "metrics": {"a": 4.0}}, {"epoch": 2, "metrics": {"a": 3.0, "b": 1.0}}]
    _, store = flushed(searched_records, history=lambda _: history)
    (reused,) = [run.key for run in store.runs.values() if "reused" in run.tags]
    assert store.texts[reused] == "epoch,a,b\n1,4.0,\n2,3.0,1.0\n"
