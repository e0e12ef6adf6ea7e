"""The listener that keeps the copy for optuna-dashboard."""

import os
import threading

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from sweep import optuna_log
from sweep.ledger import Ledger
from sweep.optuna_copy import OptunaCopy
from sweep.optuna_log import OptunaLog
from tests.sweep.engine_fakes import Play, make_study

STUDY = make_study(search={"trials": 3})


@pytest.fixture(autouse=True)
def quick_syncs(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """The records of a study that ran to its end."""
    play = Play(STUDY, tmp_path_factory.mktemp("played"))
    play.run()
    return play.records


def states_in(path):
    storage = JournalStorage(JournalFileBackend(str(path)))
    return [t.state.name for t in optuna.load_study(study_name="toy", storage=storage).trials]


class Gated(OptunaCopy):
    """A copy whose writing takes until a test lets it go on.

    Attributes:
        anew: How often it was written as a whole.
    """

    gate = threading.Event()
    reached = threading.Event()
    anew = 0

    def follow(self, trials):
        type(self).reached.set()
        assert type(self).gate.wait(60)
        super().follow(trials)

    def _write_anew(self, pictures):
        type(self).anew += 1
        super()._write_anew(pictures)


@pytest.fixture
def gated(monkeypatch):
    Gated.gate, Gated.reached, Gated.anew = threading.Event(), threading.Event(), 0
    monkeypatch.setattr(optuna_log, "OptunaCopy", Gated)
    return Gated


def test_the_past_and_what_follows_are_in_the_copy_once_it_is_closed(tmp_path, records):
    path, half = tmp_path / "optuna.log", len(records) // 2
    log = OptunaLog(path, STUDY, records[:half])
    for record in records[half:]:
        log(record, Ledger())
    log.close(60)
    assert states_in(path) == ["COMPLETE"] * 5


def test_a_copy_is_compared_with_the_journal_without_a_new_record(tmp_path, records):
    path = tmp_path / "optuna.log"
    path.write_bytes(b"not json at all\n")
    OptunaLog(path, STUDY, records).close(60)
    assert states_in(path) == ["COMPLETE"] * 5


def test_the_driver_waits_for_no_copy_and_restages_are_written_once(tmp_path, records, gated):
    path = tmp_path / "optuna.log"
    begun = next(i for i, record in enumerate(records) if record["kind"] == "trial") + 1
    trial = records[begun - 1]
    rung = {"kind": "rung", "time_s": 0.0, "trial": 0, "label": "final", "rung": 1, "epoch": 1}
    reported = {**rung, "value": 1.0, "decision": "continue"}
    gated.gate.set()
    OptunaLog(path, STUDY, [*records[:begun], reported]).close(60)
    gated.gate.clear()
    gated.reached.clear()
    log = OptunaLog(path, STUDY, [*records[:begun], reported])
    assert gated.reached.wait(60), "it is at work on the copy from now on"
    for number in range(50):
        stages = [{**stage, "key": f"{number}"} for stage in trial["stages"]]
        log({"kind": "restage", "time_s": 0.0, "trial": 0, "stages": stages}, Ledger())
    assert gated.anew == 0
    gated.gate.set()
    log.close(60)
    assert gated.anew == 1
    assert states_in(path) == ["RUNNING"]


def test_a_copy_that_cannot_be_written_is_told_to_the_journal_and_the_study_goes_on(
    tmp_path, monkeypatch
):
    def full(self, trials):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(OptunaCopy, "follow", full)
    play = Play(STUDY, tmp_path)
    log = OptunaLog(tmp_path / "optuna.log", STUDY)
    log._thread.join(60)
    play.book.listen(log)
    play.run()
    log.close()
    notes = [note["message"] for note in play.ledger.notes]
    assert notes == [
        "OptunaLog follows this session no further (OSError: [Errno 28] No space left on device); "
        "the study goes on."
    ]
    assert [str(trial.state) for trial in play.ledger.trials.values()] == ["COMPLETE"] * 5


def test_a_copy_that_failed_at_last_is_told_when_it_is_closed(tmp_path, monkeypatch, caplog):
    def full(self, trials):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(OptunaCopy, "follow", full)
    OptunaLog(tmp_path / "optuna.log", STUDY).close(60)
    assert "is behind the journal ([Errno 28] No space left on device)" in caplog.text


def test_closing_waits_no_longer_than_it_may(tmp_path, records, gated, caplog):
    log = OptunaLog(tmp_path / "optuna.log", STUDY, records)
    assert gated.reached.wait(60)
    log.close(0.01)
    assert "is behind the journal (not in time); the same command brings it up" in caplog.text
    gated.gate.set()
    log._thread.join(60)
    assert not log._thread.is_alive()
