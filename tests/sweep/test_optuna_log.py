"""The copy of a study for optuna-dashboard."""

import os

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from sweep.ledger import Ledger
from sweep.optuna_log import OptunaLog
from tests.sweep.engine_fakes import Play, make_study

STUDY = make_study(
    early_stop={"rule": "asha", "grace": 2},
    search={"trials": 6},
    settings={"final/limit": 8.0},
)


@pytest.fixture(autouse=True)
def quick_syncs(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """The records of a study with a trial in every state."""
    play = Play(STUDY, tmp_path_factory.mktemp("played"))
    play.run()
    return play.records


def trials_in(path):
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.load_study(study_name="toy", storage=storage).trials


def assert_is_copy(path, records):
    trials = Ledger(records).trials
    copies = trials_in(path)
    assert [copy.number for copy in copies] == list(trials)
    for copy, trial in zip(copies, trials.values(), strict=True):
        assert copy.state.name == trial.state.value
        assert copy.params == trial.params
        assert copy.user_attrs["arm"] == trial.arm
        assert copy.intermediate_values == {rung.rung: rung.value for rung in trial.rungs}
        if trial.objective is not None:
            assert copy.value == trial.objective


def follow(log, ledger, records):
    for record in records:
        ledger.apply(record)
        log(record, ledger)


def test_optuna_reads_the_states_values_and_rungs_of_the_journal(tmp_path, records):
    ledger = Ledger()
    follow(OptunaLog(tmp_path / "optuna.log", STUDY, ledger), ledger, records)
    assert_is_copy(tmp_path / "optuna.log", records)
    assert {copy.state.name for copy in trials_in(tmp_path / "optuna.log")} == {
        "COMPLETE",
        "PRUNED",
        "FAIL",
    }


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_a_copy_that_is_behind_catches_up(tmp_path, records, share, caplog):
    path, known = tmp_path / "optuna.log", round(share * len(records))
    ledger = Ledger()
    follow(OptunaLog(path, STUDY, ledger), ledger, records[:known])
    OptunaLog(path, STUDY, Ledger(records))
    assert_is_copy(path, records)
    assert "written anew" not in caplog.text


@pytest.mark.slow
def test_f5_a_copy_torn_at_any_byte_of_its_last_record_goes_on_and_opens(tmp_path, records):
    whole = tmp_path / "whole.log"
    ledger = Ledger()
    end = next(i for i, record in enumerate(records) if record["kind"] == "end") + 1
    follow(OptunaLog(whole, STUDY, ledger), ledger, records[:end])
    data = whole.read_bytes()
    start = data.rstrip(b"\n").rindex(b"\n") + 1
    more = records[end : end + 8]
    for cut in range(start, len(data)):
        path = tmp_path / "torn.log"
        path.write_bytes(data[:cut])
        ledger = Ledger(records[:end])
        follow(OptunaLog(path, STUDY, ledger), ledger, more)
        assert_is_copy(path, records[: end + 8])


def test_a_copy_of_something_else_is_written_anew(tmp_path, records, caplog):
    path = tmp_path / "optuna.log"
    other = Play(make_study(seeds={"study": 7}), tmp_path)
    other.run()
    OptunaLog(path, STUDY, other.ledger)
    OptunaLog(path, STUDY, Ledger(records))
    assert_is_copy(path, records)
    assert "disagrees with the journal and is written anew" in caplog.text
    path.write_bytes(b"not json at all\n")
    OptunaLog(path, STUDY, Ledger(records))
    assert_is_copy(path, records)


def test_f11_the_lock_of_a_driver_that_died_keeps_nobody_waiting(tmp_path, records):
    path = tmp_path / "optuna.log"
    path.touch()
    path.with_name("optuna.log.lock").symlink_to(path)
    OptunaLog(path, STUDY, Ledger(records))
    assert_is_copy(path, records)


def test_a_trial_that_starts_again_is_copied_from_its_new_beginning(tmp_path, records):
    path, ledger = tmp_path / "optuna.log", Ledger()
    rung = next(i for i, record in enumerate(records) if record["kind"] == "rung")
    number = records[rung]["trial"]
    log = OptunaLog(path, STUDY, ledger)
    follow(log, ledger, records[: rung + 1])
    again = {"kind": "restage", "time_s": 0.0, "trial": number, "stages": []}
    follow(log, ledger, [again])
    assert trials_in(path)[number].intermediate_values == {}
