"""The flow of a run around its training: data, journal, report, what follows; without Ray."""

import contextlib
import csv
import html
import json
import re
import secrets
import shlex
import socket
from typing import ClassVar

import pytest
import yaml

from sweep import execution, run
from sweep.agenda import next_due
from sweep.cluster import ClusterLost, MachineFull
from sweep.folders import RunsDir
from sweep.journal import Journal, JournalNotWritten, read_journal
from sweep.ledger import Ledger
from sweep.lock import driver_lock
from sweep.outcome import twice_as_many
from sweep.points import arm_point
from sweep.runs_lock import alone_in
from sweep.study import Search
from sweep.study_file import load_study
from sweep.tracking import MlflowTracker
from sweep.tuner import StudyInterrupted
from trainables.pool import NoSlotLeft
from trainables.sealed_json import StageFormat

STUDY = """\
question: Which?
data: {name: rendered_hands, image_px: 16, unlabelled: 1, train: 1, val: 1, test: 1}
plan: [finetune]
settings: {finetune/epochs: 2}
arms:
  low: {settings: {finetune/optimizer/lr: 0.001}}
  high: {settings: {finetune/optimizer/lr: 0.01}}
objective: {metric: finetune/val/root_epe_mm}
sizes:
  full: {settings: {finetune/epochs: 9}}
"""
ERRORS_MM = {"low": 60.0, "high": 50.0}


class NoTracker:
    """Stands in for MLflow's."""

    waiting, trouble, refused, experiment_id, owed = 0, None, (), "7", ()
    folders: ClassVar = []

    def __init__(self, **_):
        pass

    def __call__(self, record, ledger):
        pass

    def add_folder(self, folder, name):
        self.folders.append((folder.is_dir(), name))

    def close(self, timeout_s):
        return self.waiting


class Training:
    """Writes the records of trials that train nothing.

    Attributes:
        failing: Arms whose trials fail.
        error: Raised after the first trial.
    """

    def __init__(self):
        self.failing, self.error, self.runs = (), None, 0

    def __call__(self, study, *, book, machinery, whole, lineage, listeners, **_):
        self.runs += 1
        for listener in listeners:
            book.listen(listener)
        if next_due(study, book.ledger) is None:
            return book.ledger  # no session of a study that is over, as on Ray
        book.open_session(whole.model_dump(mode="json"), lineage)
        while (due := next_due(study, book.ledger)) is not None:
            self.train(study, due, book, machinery)
            if self.error is not None:
                book.end_session(interrupted=True)
                raise self.error
        book.end_session(interrupted=False)
        return book.ledger

    def train(self, study, due, book, machinery):
        number = len(book.ledger.trials)
        point = arm_point(study, due.arm, machinery.phases)
        stages = [
            {
                "label": stage.label,
                "key": stage.key,
                "phase": stage.phase,
                "epochs": stage.epochs,
                "config": stage.config,
                "seed": stage.seed,
            }
            for stage in machinery.stages_of(point, due.seed)
        ]
        begun = {"number": number, "arm": due.arm, "seed": due.seed, "settings": point.settings}
        book.write({"kind": "trial", **begun, "params": {}, "distributions": {}, "stages": stages})
        failed = due.arm in self.failing
        end = {
            "state": "FAIL" if failed else "COMPLETE",
            "objective": None if failed else ERRORS_MM[due.arm],
            "error_class": "code" if failed else None,
            "message": "ValueError: too small.\nTraceback" if failed else None,
        }
        book.write({"kind": "end", "trial": number, **end})


@pytest.fixture
def training(monkeypatch):
    training = Training()
    monkeypatch.setattr(execution, "run_study", training)
    monkeypatch.setattr(execution, "MlflowTracker", NoTracker)
    monkeypatch.setattr(NoTracker, "folders", [])
    monkeypatch.setattr(execution, "local_cluster", lambda **_: contextlib.nullcontext())
    return training


@pytest.fixture
def called(training, tmp_path, monkeypatch, capsys):
    """Call the command on the study above."""
    path = tmp_path / "mine.yaml"
    path.write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(*arguments):
        code = run.main(["mine.yaml", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    call.folder = RunsDir(tmp_path / "runs").study("mine")
    return call


pytestmark = pytest.mark.slow


def test_a_run_leaves_study_journal_and_report_and_says_what_to_type_next(called):
    code, out, _ = called()
    assert code == 0
    assert "preparing rendered_hands: 4 of 4 (100 %)" in out
    assert out.index("starting Ray") < out.index("arm high: ")
    for line in (
        r"report +runs/mine/report/index\.html",
        r"MLflow +mlflow ui --backend-store-uri sqlite:///runs/mlflow\.db --host 127\.0\.0\.1",
        r"all trials +http://127\.0\.0\.1:5000/#/experiments/7/runs\?searchFilter=\S+",
        r"best alone +python \S+/run\.py runs/mine/report/best\.yaml",
        r"larger +python \S+/run\.py mine\.yaml --size full --set name=mine_full",
    ):
        assert re.search(f"^{line}$", out, re.MULTILINE)
    with (called.folder.report / "leaderboard.csv").open() as file:
        assert [row["arm"] for row in csv.DictReader(file)] == ["high", "low"]
    lineage = Ledger(read_journal(called.folder.journal)).lineage
    assert len(lineage["data"]["digest"]) == 64
    assert lineage["slots"]["workers"] == 1


def test_the_resolved_study_is_a_study_file(called):
    called("--set", "finetune/epochs=3")
    resolved = load_study(str(called.folder.resolved))
    assert resolved.name == "mine"
    assert resolved.settings == {"finetune/epochs": 3}
    assert yaml.safe_load(called.folder.resolved.read_text())["search"]["sampler"] == "tpe"


def test_running_a_finished_study_again_shows_it_and_starts_nothing(called, training):
    first = called()[1]
    page = (called.folder.report / "index.html").stat()
    code, again, _ = called()
    assert code == 0
    assert training.runs == 1
    assert "starting Ray" not in again
    assert again.split("mine: ")[-1] == first.split("mine: ")[-1]
    assert (called.folder.report / "index.html").stat() == page


def test_a_report_that_was_lost_is_written_again(called, training):
    called()
    page = called.folder.report / "index.html"
    page.unlink()
    assert called()[0] == 0
    assert page.exists()
    assert training.runs == 1


def test_one_arm_alone_runs_now_and_the_others_later(called):
    called("--arm", "low")
    ledger = Ledger(read_journal(called.folder.journal))
    assert len(ledger.trials) == 1
    assert list(ledger.study["arms"]) == ["low", "high"], "the whole study is on record"
    assert called()[0] == 0
    ledger = Ledger(read_journal(called.folder.journal))
    assert [trial.arm for trial in ledger.trials.values()] == ["low", "high"]
    assert called("--arm", "low")[0] == 0


def test_a_changed_study_is_refused_with_both_ways_on(called, training):
    called()
    code, _, err = called("--set", "finetune/epochs=5")
    assert code == 2
    assert "\n  settings/finetune/epochs: 2 -> 5\n" in err
    assert "put this back to continue it, or start it over with --fresh --yes" in err
    assert called("--set", "finetune/epochs=5", "--set", "name=mine_2")[0] == 0
    assert training.runs == 2


def test_fresh_needs_yes_and_then_starts_over(called, training):
    called()
    code, _, err = called("--fresh", "--set", "finetune/epochs=5")
    assert code == 2
    assert "add --yes if that is meant" in err
    assert called("--fresh", "--yes", "--set", "finetune/epochs=5")[0] == 0
    study = Ledger(read_journal(called.folder.journal)).study
    assert study is not None
    assert study["settings"]["finetune/epochs"] == 5
    assert training.runs == 2


def test_more_failed_trials_than_allowed_end_with_1(called, training):
    training.failing = ("low", "high")
    code, out, _ = called()
    assert code == 1
    assert "failed as code (trials 0, 1): ValueError: too small.\n" in out
    assert "2 trials failed, the study allows 1 (max_failed)." in out
    assert called("--set", "max_failed=2")[0] == 0


def test_a_failed_trial_that_is_allowed_is_told_and_ends_with_0(called, training):
    training.failing = ("low",)
    code, out, _ = called()
    assert code == 0
    assert "failed as code (trials 0): ValueError: too small.\n" in out
    assert called("--set", "max_failed=0")[0] == 1


@pytest.mark.parametrize(
    ("search", "trials"),
    [
        (Search(), None),
        (Search(trials=6), 12),
        (Search(sampler="grid", grid={"finetune/epochs": [1, 2, 3]}), None),
        (Search(sampler="grid", grid={"finetune/epochs": [1, 2, 3]}, trials=1), 2),
        (Search(sampler="grid", grid={"finetune/epochs": [1, 2, 3]}, trials=2), 3),
    ],
)
def test_no_more_trials_are_offered_than_a_grid_has(search, trials):
    assert twice_as_many(search) == trials


@pytest.mark.parametrize(("signum", "code"), [(2, 130), (15, 143)])
def test_an_interrupted_study_goes_on_where_it_was(signum, code, called, training):
    training.error = StudyInterrupted(signum)
    found, out, _ = called()
    assert found == code
    assert "Stopped. To continue: python " in out
    training.error = None
    assert called()[0] == 0
    assert len(Ledger(read_journal(called.folder.journal)).trials) == 2


@pytest.mark.parametrize(
    "error", [NoSlotLeft, ClusterLost, MachineFull, StageFormat, JournalNotWritten]
)
def test_a_run_that_cannot_go_on_ends_with_the_reason_and_how_to_continue(called, training, error):
    training.error = error("every slot is broken: no core.")
    code, out, _ = called()
    assert code == 1
    assert "every slot is broken: no core.\nTo continue: python " in out


def test_hooks_are_told_that_a_study_cannot_go_on(called, training, tmp_path):
    heard = tmp_path / "heard.jsonl"
    training.error = NoSlotLeft("every slot is broken: no core.")
    called("--notify", shlex.join(["sh", "-c", f"sleep 1.5; (cat; echo) >> {heard}"]))
    event = json.loads(heard.read_text().splitlines()[-1])
    assert event["event"] == "failed"
    assert event["text"].endswith(" cannot go on: every slot is broken: no core.")
    assert "trial" not in event


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoSlotLeft("every slot is broken."), "every slot is broken."),
        (RuntimeError("a fault of ours"), "RuntimeError: a fault of ours"),
    ],
)
def test_whatever_ends_a_session_is_on_its_page_which_refreshes_no_more(
    called, training, error, said
):
    training.error = error
    with contextlib.suppress(RuntimeError):
        called()
    page = html.unescape(called.folder.status.read_text())
    assert f": {said}</p>" in page
    assert "To continue: <code>python " in page
    assert 'http-equiv="refresh"' not in page


def test_hooks_are_told_of_a_fault_of_our_own(called, training, tmp_path):
    heard = tmp_path / "heard.jsonl"
    training.error = RuntimeError("a fault of ours")
    with pytest.raises(RuntimeError):
        called("--notify", shlex.join(["sh", "-c", f"(cat; echo) >> {heard}"]))
    event = json.loads(heard.read_text().splitlines()[-1])
    assert event["event"] == "failed"
    assert event["message"] == "RuntimeError: a fault of ours"


def test_f14_mlflow_gets_no_more_time_than_the_notice_of_a_signal_leaves(
    called, training, monkeypatch
):
    patience_s = []
    monkeypatch.setattr(NoTracker, "close", lambda self, timeout_s: patience_s.append(timeout_s))
    training.error = StudyInterrupted(15)
    assert called()[0] == 143
    training.error = None
    assert called()[0] == 0
    assert patience_s == [3.0, 60.0]


@pytest.mark.parametrize("between", ["-", "/@"])
def test_no_password_of_a_tracking_uri_is_written_or_said(called, monkeypatch, tmp_path, between):
    parts = secrets.token_hex(8), secrets.token_hex(8)  # a study keeps this file if it is changed
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{between.join(parts)}@{nobody}")
    monkeypatch.setattr(execution, "MlflowTracker", MlflowTracker)
    monkeypatch.setattr(execution, "TRACKER_PATIENCE_S", 0.5)
    code, out, err = called()
    assert code == 0
    assert "MLflow has not taken the last" in out
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"leaderboard" in text for text in texts)
    for part in parts:
        assert part not in out + err
        assert not any(part.encode() in text for text in texts)


def test_f12_a_second_driver_is_refused(called):
    called.folder.root.mkdir(parents=True)
    with driver_lock(called.folder.lock):
        code, _, err = called()
    assert code == 2
    assert "this study is being run on" in err


def test_f19_other_data_than_the_study_began_with_is_refused(called, training, monkeypatch):
    training.error = StudyInterrupted(2)
    called()
    opened = execution.open_data

    def open_other(config, root):
        data = opened(config, root)
        return type(data)(data.name, "0" * 64, data.splits, data.card)

    monkeypatch.setattr(execution, "open_data", open_other)
    code, _, err = called()
    assert code == 2
    assert "the data set is not the one this study began with" in err
    assert training.runs == 1


def test_a_study_that_cannot_be_kept_is_refused(called, training, monkeypatch):
    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "open", full)
    code, _, err = called()
    assert code == 2
    assert err == (
        "runs/mine: the study cannot be kept there: [Errno 28] No space left on device\n"
    )
    assert training.runs == 0


def meanwhile(monkeypatch, what):
    """Have something happen once, while the next run prepares its data."""
    prepare, due = execution.prepare_data, [what]

    def prepare_slowly(*args, **kwargs):
        if due:
            due.pop()()
        prepare(*args, **kwargs)

    monkeypatch.setattr(execution, "prepare_data", prepare_slowly)


def test_f12_a_study_that_another_driver_began_otherwise_meanwhile_is_refused(
    called, training, monkeypatch
):
    others = []
    meanwhile(monkeypatch, lambda: others.append(called("--set", "finetune/epochs=3")))
    code, _, err = called()
    assert others[0][0] == 0
    assert code == 2
    assert "\n  settings/finetune/epochs: 3 -> 2\n" in err
    assert training.runs == 1
    assert load_study(str(called.folder.resolved)).settings == {"finetune/epochs": 3}


def test_f19_data_that_another_driver_began_with_meanwhile_keep_others_out(
    called, training, monkeypatch
):
    opened, digests = execution.open_data, ["0" * 64, "1" * 64]

    def open_other(config, root):
        data = opened(config, root)
        return type(data)(data.name, digests.pop(), data.splits, data.card)

    monkeypatch.setattr(execution, "open_data", open_other)
    meanwhile(monkeypatch, called)
    code, _, err = called()
    assert code == 2
    assert f"its digest was {'1' * 16}, now it is {'0' * 16}" in err
    assert training.runs == 1


def test_a_study_that_another_driver_ended_meanwhile_is_shown(called, training, monkeypatch):
    others = []
    meanwhile(monkeypatch, lambda: others.append(called()))
    code, out, _ = called()
    assert (code, others[0][0]) == (0, 0)
    assert out.split("mine: ")[-1] == others[0][1].split("mine: ")[-1]
    assert len(Ledger(read_journal(called.folder.journal)).trials) == 2


def test_records_that_mlflow_has_not_taken_are_told(called, monkeypatch):
    monkeypatch.setattr(NoTracker, "waiting", 3)
    monkeypatch.setattr(NoTracker, "owed", ("the last 2 records", "the report"))
    monkeypatch.setattr(NoTracker, "trouble", "no answer")
    code, out, _ = called()
    assert code == 0
    told = "MLflow has not taken the last 2 records, the report (no answer); the same command sends"
    assert told in out


def test_a_finished_study_tells_too_what_mlflow_has_not_taken(called, training, monkeypatch):
    called()
    assert NoTracker.folders == [(True, "report")]
    monkeypatch.setattr(NoTracker, "waiting", 1)
    monkeypatch.setattr(NoTracker, "owed", ("the report",))
    monkeypatch.setattr(NoTracker, "refused", ("MLflow refuses the run 'arm high': deleted",))
    code, out, _ = called()
    assert (code, training.runs) == (0, 1)
    assert NoTracker.folders == 2 * [(True, "report")]  # it may not have got there before
    assert "MLflow has not taken the report (not in time)" in out
    assert "MLflow refuses the run 'arm high': deleted" in out


def test_with_a_server_the_steps_name_its_address(called, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@head:5000/")
    out = called()[1]
    assert re.search(r"^MLflow +http://head:5000$", out, re.MULTILINE)
    assert "http://head:5000/#/experiments/7/runs?" in out
    assert "secret" not in out


def test_a_run_without_room_on_the_disk_is_refused_before_any_work(called, training):
    (code, _, err) = called("--set", "storage/reserve_gb=1e9")
    assert code == 2
    assert "storage/reserve_gb keeps 1e+09 GB of it free" in err
    assert training.runs == 0


def test_a_run_is_refused_while_stages_are_collected(called, training):
    with alone_in(RunsDir(called.folder.root.parent)):
        (code, _, err) = called()
    assert code == 2
    assert "--gc is clearing up there" in err
    assert training.runs == 0
