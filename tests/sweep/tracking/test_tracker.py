"""The mirror in MLflow: complete, idempotent, and never in the way."""

import errno
import hashlib
import json
import time
from collections import Counter
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, text

from sweep.ledger import Ledger
from sweep.tracking import MlflowTracker, store
from sweep.tracking.faults import Refused, Unreachable
from sweep.tracking.tracker import without_credentials
from sweep.tracking.writer import journal_id
from tests.sweep.tracking.pose_weights import write_pose_weights

pytestmark = [
    pytest.mark.slow,
    # MLflow 3.17 uses a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]
LEDGER = Ledger()


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def name(request):
    return request.node.name


@pytest.fixture
def start(uri, tmp_path, name):
    def _start(past=(), **changes):
        arguments = {
            "study": name,
            "uri": uri,
            "memory": tmp_path / "tracking.json",
            "artifacts": tmp_path / "artifacts",
            "past": past,
            "pause_s": 0.05,
        }
        return MlflowTracker(**{**arguments, **changes})

    return _start


@pytest.fixture
def held(uri, name):
    """Return all runs MLflow holds of this test's study."""

    def _held(view=1):
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return []
        return list(client.search_runs([experiment.experiment_id], run_view_type=view))

    return _held


@pytest.fixture
def losses(uri, held):
    """Return step and value of every loss MLflow holds of the one phase."""

    def _losses():
        (phase,) = [run for run in held() if run.data.tags["kind"] == "phase"]
        client = MlflowClient(tracking_uri=uri)
        history = client.get_metric_history(phase.info.run_id, "train/loss")
        return sorted((point.step, point.value) for point in history)

    return _losses


def count_points(uri):
    with create_engine(uri).connect() as connection:
        return connection.execute(text("select count(*) from metrics")).scalar()


def test_mirrors_study_trial_and_phase_as_nested_runs(start, held, searched_records):
    tracker = start()
    for record in searched_records:
        tracker(record, LEDGER)
    assert tracker.close(60) == 0
    runs = held()
    by_id = {run.info.run_id: run for run in runs}
    kinds = Counter(run.data.tags["kind"] for run in runs)
    assert kinds == {"study": 1, "trial": 10, "phase": 18}  # trial 4 stopped in pretraining
    for run in runs:
        parent = by_id.get(run.data.tags.get("mlflow.parentRunId", ""))
        expected = {"study": None, "trial": "study", "phase": "trial"}[run.data.tags["kind"]]
        assert (parent.data.tags["kind"] if parent else None) == expected
    states = Counter(r.data.tags["state"] for r in runs if r.data.tags["kind"] == "trial")
    assert states == {"COMPLETE": 7, "PRUNED": 2, "FAIL": 1}


def test_a_trial_run_has_name_parameters_results_and_times(start, held, searched_records):
    start(searched_records).close(60)
    runs = {run.info.run_name: run for run in held() if run.data.tags["kind"] == "trial"}
    arm = runs["arm peclr"]
    assert arm.data.params == {"pretrain/augment/rotate/enabled": "True"}
    assert arm.data.metrics["objective"] == 54.0
    assert arm.data.metrics["finetune/val/root_epe_mm"] == 54.0
    assert arm.data.metrics["progress"] == 1.0
    assert arm.info.status == "FINISHED"
    assert arm.data.tags["mlflow.source.git.commit"] == "0123abcd" * 5
    end = next(r for r in searched_records if r["kind"] == "end" and r["trial"] == 1)
    assert arm.info.end_time == round(end["time_s"] * 1000)
    pruned, failed = runs["trial 5"], runs["trial 4"]
    assert (pruned.info.status, failed.info.status) == ("KILLED", "FAILED")
    assert "objective" not in pruned.data.metrics
    assert failed.data.tags["error_class"] == "diverged"


def test_the_experiment_says_what_it_asks_and_links_to_its_trials(
    start, uri, name, searched_records
):
    start(searched_records).close(60)
    experiment = MlflowClient(tracking_uri=uri).get_experiment_by_name(name)
    note = experiment.tags["mlflow.note.content"]
    assert note.startswith("Which augmentations help?")
    assert f"#/experiments/{experiment.experiment_id}/runs?" in note
    assert "orderByKey=metrics.%60objective%60&orderByAsc=true" in note


def test_a_reused_stage_has_a_run_with_its_key_and_its_history(start, held, searched_records):
    history = [{"epoch": 1, "metrics": {"train/loss": 4.0}}]
    start(searched_records, history=lambda key: history).close(60)
    (run,) = [run for run in held() if "reused" in run.data.tags]
    assert run.info.run_name == "pretrain"
    assert run.data.tags["reused"] == run.data.tags["stage_key"]
    assert run.data.metrics == {"train/loss": 4.0}


def test_a_trial_on_a_reused_prefix_says_whose_it_is(start, held, searched_records):
    record = next(r for r in searched_records if r["kind"] == "trial" and r["number"] == 9)
    record["prefix_of"] = {"trial": 6, "steps": 1}
    start(searched_records).close(60)
    (run,) = [run for run in held() if "prefix_of" in run.data.tags]
    assert run.data.tags["trial"] == "9"
    assert run.data.tags["prefix_of"] == "trial 6 (pretrain)"


def test_the_study_run_holds_question_lineage_and_the_report(
    start, held, searched_records, tmp_path
):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("<p>answer</p>")
    tracker = start(searched_records)
    tracker.add_folder(tmp_path / "report", "report")
    assert tracker.close(60) == 0
    (study,) = [run for run in held() if run.data.tags["kind"] == "study"]
    assert study.data.tags["question"] == "Which augmentations help?"
    assert study.data.params["data/digest"] == "d" * 64
    assert study.data.params["seeds/trials"] == "[0]"
    assert study.info.status == "FINISHED"
    stored = Path(study.info.artifact_uri.removeprefix("file://"))
    lineage = yaml.safe_load((stored / "lineage.yaml").read_text())
    assert lineage["packages"]["torch"] == "2.13.0"
    assert (stored / "report" / "index.html").read_text() == "<p>answer</p>"


def test_the_data_set_is_an_input_of_study_and_trials_once(start, held, searched_records, tmp_path):
    start(searched_records).close(60)
    (tmp_path / "tracking.json").unlink()
    assert start(searched_records).close(60) == 0
    kinds = set()
    for run in held():
        if run.data.tags["kind"] == "phase":
            assert run.inputs.dataset_inputs == []
            continue
        kinds.add(run.data.tags["kind"])
        (used,) = run.inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.digest) == ("rendered_hands", "d" * 36)
        assert json.loads(used.dataset.source) == {"name": "rendered_hands", "train": 1000}
    assert kinds > {"study"}


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred")  # MLflow's own, on import
def test_the_winner_is_registered_once_and_a_version_stays_what_it_was(
    start, uri, name, journal_script, tmp_path
):
    script = journal_script()
    script.trial(0, arm="peclr")
    for file, scale in (("first", 1.0), ("first", 1.0), ("second", 1.5)):
        weights = write_pose_weights(tmp_path / f"{file}.safetensors", scale=scale)
        (tmp_path / "tracking.json").unlink(missing_ok=True)  # the registry knows too
        tracker = start(script.records)
        tracker.add_model(weights)
        assert tracker.close(60) == 0
        assert tracker.refused == ()
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    versions = client.search_model_versions(f"name = '{name}'")
    first, second = sorted(versions, key=lambda version: int(version.version))
    for version, file in ((first, "first"), (second, "second")):
        place = Path(client.get_model_version_download_uri(name, version.version)[len("file://") :])
        (kept,) = place.rglob("*.safetensors")
        assert kept.read_bytes() == (tmp_path / f"{file}.safetensors").read_bytes()
    loaded = mlflow.pyfunc.load_model(client.get_model_version_download_uri(name, first.version))
    image = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    assert loaded.predict(image)["keypoints_px"].shape == (1, 21, 2)


def test_a_report_that_mlflow_did_not_take_is_owed_until_it_has_it(
    start, held, searched_records, tmp_path, monkeypatch
):
    start(searched_records).close(60)
    report = tmp_path / "report"
    report.mkdir()
    (report / "index.html").write_text("<p>answer</p>")
    opened, tries = store.open_store, []

    def sometimes(**arguments):
        tries.append(1)
        if len(tries) == 1:
            raise Unreachable("no answer")
        return opened(**arguments)

    monkeypatch.setattr(store, "open_store", sometimes)
    away = start(searched_records)
    away.add_folder(report, "report")
    assert away.close(0.1) == 1
    assert away.owed == ("the report",)
    for _ in range(2):
        back = start(searched_records)
        back.add_folder(report, "report")
        assert (back.close(60), back.owed) == (0, ())
    assert len(tries) == 2  # the second time there was nothing to ask for
    (study,) = [run for run in held() if run.data.tags["kind"] == "study"]
    stored = Path(study.info.artifact_uri.removeprefix("file://"))
    lineage = yaml.safe_load((stored / "lineage.yaml").read_text())
    assert lineage["packages"]["torch"] == "2.13.0"
    assert (stored / "report" / "index.html").read_text() == "<p>answer</p>"


def test_runs_that_a_slow_server_made_twice_are_one_in_the_end(
    start, held, journal_script, monkeypatch
):
    create_run, calls = MlflowClient.create_run, []

    def slow(self, *args, **kwargs):
        calls.append((args, kwargs))
        if len(calls) == 2:
            raise MlflowException("timed out")
        if len(calls) == 4:  # what had been asked for is made only now
            create_run(self, *calls[1][0], **calls[1][1])
        return create_run(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "create_run", slow)
    script = journal_script()
    script.trial(0, arm="peclr")
    assert start(script.records).close(60) == 0
    assert Counter(run.data.tags["run_key"] for run in held()) == dict.fromkeys(
        ("study", "0", "0/pretrain", "0/finetune"), 1
    )
    status = {run.data.tags["run_key"]: run.info.status for run in held()}
    assert status["0"] == "FINISHED"


def test_no_run_has_more_metrics_than_can_be_compared(start, held, journal_script):
    script = journal_script()
    script.trial(0, arm="peclr")
    for record in script.records:
        if record["kind"] == "epoch":
            extra = {f"train/term_{record['epoch']}_{i}": 1.0 for i in range(20)}
            record["metrics"] = {**record["metrics"], **extra}
    assert start(script.records).close(60) == 0
    for run in held():
        assert len(run.data.metrics) <= 30
    (scored,) = [run for run in held() if run.info.run_name == "finetune"]
    assert "val/root_epe_mm" in scored.data.metrics


@pytest.mark.parametrize("loss", ["nothing", "the cursor", "half the cursor"])
def test_a_second_driver_writes_only_what_is_missing(
    start, held, uri, searched_records, tmp_path, loss
):
    half = len(searched_records) // 2
    assert start(searched_records[:half]).close(60) == 0
    memory = tmp_path / "tracking.json"
    if loss == "the cursor":
        memory.unlink()
    elif loss == "half the cursor":
        memory.write_text(json.dumps({**json.loads(memory.read_text()), "written": half // 2}))
    before = count_points(uri)
    assert start(searched_records).close(60) == 0
    after = count_points(uri)
    assert len(held()) == 1 + 10 + 18
    memory.unlink()
    assert start(searched_records).close(60) == 0
    assert count_points(uri) == after > before
    assert len(held()) == 1 + 10 + 18


SAME = [(1, 3.0), (2, 2.0), (3, 1.5), (4, 1.0)]
OTHER = [(1, 3.0), (2, 2.0), (2, 2.1), (3, 1.5), (3, 1.6), (4, 1.1)]


@pytest.mark.parametrize(("again", "points"), [([2.0, 1.5, 1.0], SAME), ([2.1, 1.6, 1.1], OTHER)])
def test_f5_of_what_a_journal_tells_again_only_other_values_are_new(
    start, losses, journal_script, again, points
):
    script = begun(journal_script(), loss=3.0)
    tracker = start(script.records)
    for epoch, loss in ((2, 2.0), (3, 1.5)):  # of which the journal will know nothing
        tracker(later_epoch(script, epoch, loss), LEDGER)
    assert tracker.close(60) == 0
    tracker = start(script.records)
    for epoch, loss in enumerate(again, start=2):
        tracker(later_epoch(script, epoch, loss, wait_s=60.0), LEDGER)
    assert tracker.close(60) == 0
    assert losses() == points


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {"keys": {"pretrain": "b" * 64}}),
        ({"params": {"pretrain/x": 0.1}}, {"params": {"pretrain/x": 0.5}}),
        ({}, {"arm": "peclr"}),
    ],
)
def test_what_stands_for_a_forgotten_trial_is_put_away(
    start, losses, held, tmp_path, journal_script, old, new
):
    assert start(begun(journal_script(), loss=3.0, **old).records).close(60) == 0
    (tmp_path / "tracking.json").unlink()  # it came back from an older copy, as the journal
    assert start(begun(journal_script(), loss=2.5, **new).records).close(60) == 0
    assert losses() == [(1, 2.5)]
    runs = {run.data.tags["kind"]: run for run in held()}
    assert len(held()) == len(runs) == 3
    assert runs["phase"].data.tags["mlflow.parentRunId"] == runs["trial"].info.run_id
    assert runs["trial"].data.params == {k: str(v) for k, v in new.get("params", {}).items()}


def test_runs_of_trials_that_an_older_copy_of_the_journal_does_not_know_are_put_away(
    start, held, tmp_path, journal_script
):
    script = journal_script()
    script.trial(0)
    for number in (1, 2):
        script.trial(number, params={"pretrain/x": number / 10})
    assert start(script.records).close(60) == 0
    (tmp_path / "tracking.json").unlink()
    older = journal_script()
    older.trial(0)
    older.trial(1, params={"pretrain/x": 0.5}, state="PRUNED", stop_at=("pretrain", 1))
    assert start(older.records).close(60) == 0
    keys = {run.data.tags["run_key"] for run in held()}
    assert keys == {"study", "0", "0/pretrain", "0/finetune", "1", "1/pretrain"}
    ids = {run.info.run_id for run in held()}
    parents = {run.data.tags.get("mlflow.parentRunId") for run in held()}
    assert parents - {None} <= ids


def test_a_report_gets_there_though_a_stage_is_out_of_reach(start, held, tmp_path, journal_script):
    script = journal_script()
    script.trial(0, reused=("pretrain",))
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("found")

    def history(key):
        raise OSError(errno.ESTALE, "Stale file handle")

    tracker = start(script.records, history=history)
    tracker.add_folder(tmp_path / "report", "report")
    assert tracker.close(3) > 0
    assert tracker.owed == (f"the last {len(script.records)} records",)
    assert "Stale file handle" in tracker.trouble


def begun(script, *, loss, **trial):
    """Return a journal whose trial 0 has told of an epoch of pretraining, and no more."""
    script.trial(0, stop_at=("pretrain", 1), **trial)
    del script.records[-2:]
    script.records[-1]["metrics"] = {"train/loss": loss}
    return script


def later_epoch(script, epoch, loss, *, wait_s=0.0):
    """Return the record of a later epoch of that pretraining."""
    last = script.records[-1]
    told = {"epoch": epoch, "metrics": {"train/loss": loss}}
    return {**last, **told, "time_s": last["time_s"] + epoch + wait_s}


def test_an_emptied_store_is_filled_again_from_the_journal(start, held, uri, searched_records):
    assert start(searched_records).close(60) == 0
    points = sum(len(run.data.metrics) for run in held())
    with create_engine(uri).begin() as connection:
        for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
            connection.execute(text(f"delete from {table}"))
    assert held() == []
    searched_records.append({"kind": "note", "time_s": 2e9, "message": "again"})
    assert start(searched_records).close(60) == 0
    assert len(held()) == 1 + 10 + 18
    assert sum(len(run.data.metrics) for run in held()) == points > 0


def test_a_deleted_database_is_noticed_without_a_new_record(start, searched_records, tmp_path):
    uri = f"sqlite:///{tmp_path / 'never_made.db'}"
    memory = {
        "journal_id": journal_id(searched_records[0]),
        "store": hashlib.sha256(uri.encode()).hexdigest()[:16],
        "written": len(searched_records),
    }
    (tmp_path / "tracking.json").write_text(json.dumps(memory))
    tracker = start(searched_records, uri=uri)
    assert tracker.waiting == len(searched_records)
    assert tracker.close(60) == 0


def test_a_fresh_journal_puts_the_runs_of_the_old_one_in_the_bin(start, held, journal_script):
    old = journal_script()
    old.trial(0, arm="peclr")
    start(old.records).close(60)
    new = journal_script(question="Which augmentations help now?")
    new.trial(0, arm="peclr")
    start(new.records).close(60)
    assert len(held()) == 1 + 1 + 2
    assert len(held(view=2)) == 1 + 1 + 2  # deleted ones, which MLflow can restore


def test_a_trial_that_starts_over_with_other_stages_has_new_phase_runs(start, held, journal_script):
    script = journal_script()
    script.trial(0, arm="peclr", stop_at=("pretrain", 2))
    (first,) = [r for r in script.records if r["kind"] == "trial"]
    script.records.pop()  # it had not ended
    tracker = start(script.records)
    while tracker.waiting:
        time.sleep(0.02)
    stages = [{**stage, "key": "f" * 64} for stage in first["stages"]]
    script.write("restage", trial=0, stages=stages)
    script.write("stage", trial=0, label="pretrain", status="running", resumed_from=0)
    script.write("epoch", trial=0, label="pretrain", epoch=1, metrics={"train/loss": 1.0})
    for record in script.records[-3:]:
        tracker(record, LEDGER)
    assert tracker.close(60) == 0
    (phase,) = [run for run in held() if run.data.tags["kind"] == "phase"]
    assert phase.data.tags["stage_key"] == "f" * 64
    assert phase.data.metrics == {"train/loss": 1.0}


def test_an_interrupted_study_runs_again_when_it_is_continued(start, held, journal_script):
    script = journal_script()
    script.write("session", event="interrupted", host="lab", pid=1)
    start(script.records).close(60)
    assert [run.info.status for run in held()] == ["KILLED"]
    script.write("session", event="opened", host="lab", pid=2)
    start(script.records).close(60)
    assert [run.info.status for run in held()] == ["RUNNING"]


def test_f10_a_store_that_is_away_costs_nothing_and_loses_nothing(
    start, held, uri, searched_records, caplog, monkeypatch
):
    opened = store.open_store
    away = [True]

    def sometimes(**arguments):
        if away[0]:
            raise Unreachable("no answer from http://me:secret@head:5000")
        return opened(**arguments)

    monkeypatch.setattr(store, "open_store", sometimes)
    tracker = start()
    longest_s = 0.0
    for record in searched_records:
        begin_s = time.monotonic()
        tracker(record, LEDGER)
        longest_s = max(longest_s, time.monotonic() - begin_s)
    assert longest_s < 0.1
    assert tracker.close(0.5) == len(searched_records)
    assert tracker.trouble == "no answer from http://head:5000"
    assert "secret" not in caplog.text
    assert "Training goes on" in caplog.text
    assert held() == []
    away[0] = False
    assert start(searched_records).close(60) == 0
    assert len(held()) == 1 + 10 + 18


def test_f10_a_failing_write_is_tried_again_and_doubles_nothing(
    start, held, uri, searched_records, monkeypatch
):
    log_batch = MlflowClient.log_batch
    calls = [0]

    def flaky(self, *args, **kwargs):
        calls[0] += 1
        log_batch(self, *args, **kwargs)
        if calls[0] == 8:
            raise MlflowException("database is locked")  # after it was written

    monkeypatch.setattr(MlflowClient, "log_batch", flaky)
    assert start(searched_records).close(60) == 0
    assert len(held()) == 1 + 10 + 18


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (Refused("name must not be empty"), "name must not be empty"),
        (KeyError("run_key"), "KeyError: 'run_key'"),
        (AttributeError("a page is no list"), "AttributeError: a page is no list"),
    ],
    ids=["refused", "broken answer", "bug"],
)
def test_whatever_mlflow_raises_tracking_goes_on_once_it_is_mended(
    start, held, searched_records, monkeypatch, caplog, error, trouble
):
    opened, broken = store.open_store, [True]

    def sometimes(**arguments):
        if broken[0]:
            raise error
        return opened(**arguments)

    monkeypatch.setattr(store, "open_store", sometimes)
    tracker = start(searched_records)
    while tracker.trouble is None:
        time.sleep(0.02)
    assert tracker.trouble == trouble
    broken[0] = False
    assert tracker.close(60) == 0
    assert (tracker.trouble, len(held())) == (None, 1 + 10 + 18)
    assert caplog.text.count("Training goes on") == 1


def test_a_run_that_was_deleted_in_the_ui_stops_no_other(start, held, journal_script, uri):
    script = journal_script()
    script.trial(0, arm="peclr")
    tracker = start(script.records)
    while tracker.waiting:
        time.sleep(0.02)
    (trial,) = [run for run in held() if run.data.tags["kind"] == "trial"]
    MlflowClient(tracking_uri=uri).delete_run(trial.info.run_id)
    script.write("attempt", trial=0, attempt=2)
    tracker(script.records[-1], LEDGER)
    script.trial(1)
    for record in script.records[-20:]:
        if record.get("trial", record.get("number")) == 1:
            tracker(record, LEDGER)
    assert tracker.close(60) == 0
    assert "refuses the run 'arm peclr'" in tracker.refused[0]
    assert "trial 1" in {run.info.run_name for run in held()}


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:secret@head:5000/x", "http://head:5000/x"),
        ("http://head:5000", "http://head:5000"),
        ("http://me:s@e/cret@head:5000/x", "http://head:5000/x"),
        (
            "postgresql://me:secret@head/x at http://you:secret@head",
            "postgresql://head/x at http://head",
        ),
    ],
)
def test_shows_no_credentials(uri, shown):
    assert without_credentials(uri) == shown
