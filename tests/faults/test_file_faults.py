"""Files of a study that are torn, flipped or locked: the journal and its copies."""

import os
import resource
import sqlite3
import time
from contextlib import contextmanager
from functools import partial

import optuna
import pytest
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from sweep.journal import DamagedJournal, Journal, read_journal
from sweep.ledger import Ledger
from sweep.optuna_copy import OptunaCopy
from sweep.optuna_log import OptunaLog
from sweep.tracking import MlflowTracker
from tests.sweep.engine_fakes import Play, make_study
from trainables.saved_states import read_last_state, write_state

STUDY = make_study(search={"trials": 2})


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


def last_record(data):
    """Return where the last line of a file starts."""
    return len(data.rstrip(b"\n").rpartition(b"\n")[0]) + 1


@contextmanager
def files_of_at_most(size_bytes):
    """Have the system refuse to write more into any file, as it does where a disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size_bytes", [0, 100, 3000])
def test_f4_a_state_that_the_disk_does_not_take_is_the_systems_trouble_and_leaves_the_one_before(
    tmp_path, size_bytes
):
    small, large = {"w": torch.ones(4)}, {"w": torch.ones(1000)}
    write_state(tmp_path, small, epoch=1, history=[{"epoch": 1}], rank=0)
    before = sorted(path.name for path in tmp_path.iterdir())
    with files_of_at_most(size_bytes), pytest.raises(OSError, match="File too large"):
        write_state(tmp_path, large, epoch=2, history=[{"epoch": 1}, {"epoch": 2}], rank=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    saved = read_last_state(tmp_path, key="0" * 64)
    assert saved.epoch == 1
    assert torch.equal(saved.state["w"], small["w"])


def test_f5_journal_and_copy_are_torn_at_every_byte_of_their_last_record_appended_to_and_reopened(
    tmp_path,
):
    path, log = tmp_path / "journal.jsonl", tmp_path / "optuna.log"
    play = Play(STUDY, tmp_path)
    copy = OptunaLog(log, STUDY, pause_s=0)
    play.book.listen(copy)
    play.open().hand_out()
    for _ in range(3):
        play.step(0)
    copy.close(60)
    play.journal.close()
    written, copied = path.read_bytes(), log.read_bytes()
    start, copied_start = last_record(written), last_record(copied)
    for end in range(start, len(written) + 1):
        path.write_bytes(written[:end])
        log.write_bytes(copied[: copied_start + (end - start) % (len(copied) - copied_start)])
        again = Play(STUDY, tmp_path, stages=play.stages)
        copy = OptunaLog(log, STUDY, again.book.past, pause_s=0)
        again.book.listen(copy)
        again.open().hand_out()
        while 0 in again.training:
            again.step(0)
        copy.close(60)
        again.journal.close()
        reopened = Ledger(read_journal(path))
        assert reopened.trials[0].objective == again.ledger.trials[0].objective is not None
        assert len(reopened.trials[0].stages[0].epochs) == 3
        assert states_in(log) == [str(trial.state) for trial in reopened.trials.values()]


def test_f6_a_bit_flipped_in_the_journal_is_never_read_as_something_else(tmp_path, records):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.open()
        journal.append(records)
    data = path.read_bytes()
    refused = 0
    for byte in range(0, len(data), 31):
        flipped = bytearray(data)
        flipped[byte] ^= 1 << byte % 8
        path.write_bytes(flipped)
        try:
            assert read_journal(path) == records[:-1]
        except DamagedJournal:
            refused += 1
    assert refused > 50


@pytest.mark.slow
def test_f6_a_copy_with_a_flipped_bit_is_right_again_once_it_was_opened(tmp_path, records):
    path = tmp_path / "optuna.log"
    trials = Ledger(records).trials
    OptunaCopy(path, STUDY).follow(trials)
    data, states = path.read_bytes(), states_in(path)
    for byte in range(0, len(data), 97):
        flipped = bytearray(data)
        flipped[byte] ^= 1 << byte % 8
        path.write_bytes(flipped)
        OptunaCopy(path, STUDY).follow(trials)
        assert states_in(path) == states


def test_f11_a_copy_whose_lock_somebody_holds_keeps_no_driver_waiting_and_loses_nothing(
    tmp_path, records
):
    path = tmp_path / "optuna.log"
    OptunaLog(path, STUDY, records[:3]).close(60)
    log = OptunaLog(path, STUDY, records[:3], pause_s=0)
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    before = path.read_bytes()
    for record in records[3:]:
        log(record, Ledger())
    assert path.read_bytes() == before, "all were taken, none is written yet"
    lock.release()
    log.close(60)
    assert states_in(path) == ["COMPLETE"] * len(Ledger(records).trials)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
def test_f11_a_locked_mlflow_database_delays_rows_and_loses_and_doubles_none(tmp_path, records):
    database = tmp_path / "mlflow.db"
    tracker_of = partial(
        MlflowTracker,
        study="toy",
        uri=f"sqlite:///{database}?timeout=0.2",
        memory=tmp_path / "tracking.json",
        artifacts=tmp_path / "artifacts",
        pause_s=0.05,
    )
    half = len(records) // 2
    assert tracker_of(past=records[:half]).close(240) == 0, "a new database takes MLflow a while"
    reader = sqlite3.connect(database, isolation_level=None)
    reader.execute("BEGIN EXCLUSIVE")
    tracker = tracker_of(past=records[:half])
    for record in records[half:]:
        tracker(record, Ledger())
    while tracker.trouble is None:
        time.sleep(0.02)
    assert "database is locked" in tracker.trouble
    reader.execute("COMMIT")
    reader.close()
    assert tracker.close(240) == 0
    with sqlite3.connect(database) as connection:
        runs = connection.execute("select name, status from runs").fetchall()
        points = connection.execute("select count(*) from metrics").fetchone()
    assert len(runs) == len(set(runs) - {("draft", "FINISHED"), ("final", "FINISHED")}) + 7
    assert {status for _, status in runs} == {"FINISHED"}
    epochs = sum(record["kind"] == "epoch" for record in records)
    trials = sum(record["kind"] == "end" for record in records)
    assert points == (epochs + 4 * trials,), "an epoch has one metric, a trial four results"
