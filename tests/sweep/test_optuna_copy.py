"""The file that optuna-dashboard opens."""

import os

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from sweep.ledger import Ledger
from sweep.optuna_copy import OptunaCopy
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


def follow(copy, ledger, records):
    for record in records:
        ledger.apply(record)
        copy.follow(ledger.trials)


def brought_up(path, records, study=STUDY):
    """Return the copy of a study as the next session leaves it when it starts."""
    copy = OptunaCopy(path, study)
    copy.follow(Ledger(records).trials)
    return copy


def test_optuna_reads_the_states_values_and_rungs_of_the_journal(tmp_path, records):
    ledger = Ledger()
    follow(OptunaCopy(tmp_path / "optuna.log", STUDY), ledger, records)
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
    follow(OptunaCopy(path, STUDY), ledger, records[:known])
    brought_up(path, records)
    assert_is_copy(path, records)
    assert "written anew" not in caplog.text


@pytest.mark.slow
def test_f5_a_copy_torn_at_any_byte_of_its_last_record_goes_on_and_opens(tmp_path, records):
    whole = tmp_path / "whole.log"
    ledger = Ledger()
    end = next(i for i, record in enumerate(records) if record["kind"] == "end") + 1
    follow(OptunaCopy(whole, STUDY), ledger, records[:end])
    data = whole.read_bytes()
    start = data.rstrip(b"\n").rindex(b"\n") + 1
    more = records[end : end + 8]
    for cut in range(start, len(data)):
        path = tmp_path / "torn.log"
        path.write_bytes(data[:cut])
        ledger = Ledger(records[:end])
        follow(OptunaCopy(path, STUDY), ledger, more)
        assert_is_copy(path, records[: end + 8])


def test_a_copy_of_something_else_is_written_anew(tmp_path, records, caplog):
    path = tmp_path / "optuna.log"
    other = Play(make_study(seeds={"study": 7}), tmp_path)
    other.run()
    brought_up(path, other.records)
    brought_up(path, records)
    assert_is_copy(path, records)
    assert "disagrees with the journal and is written anew" in caplog.text
    path.write_bytes(b"not json at all\n")
    brought_up(path, records)
    assert_is_copy(path, records)


def test_f11_the_lock_of_a_driver_that_died_keeps_nobody_waiting(tmp_path, records):
    path = tmp_path / "optuna.log"
    path.touch()
    path.with_name("optuna.log.lock").symlink_to(path)
    brought_up(path, records)
    assert_is_copy(path, records)


def test_a_trial_that_starts_again_is_copied_from_its_new_beginning(tmp_path, records, caplog):
    path, ledger = tmp_path / "optuna.log", Ledger()
    rung = next(i for i, record in enumerate(records) if record["kind"] == "rung")
    number = records[rung]["trial"]
    copy = OptunaCopy(path, STUDY)
    follow(copy, ledger, records[: rung + 1])
    again = {"kind": "restage", "time_s": 0.0, "trial": number, "stages": []}
    follow(copy, ledger, [again])
    assert trials_in(path)[number].intermediate_values == {}
    assert_is_copy(path, [*records[: rung + 1], again])
    assert "disagrees" not in caplog.text, "nobody did anything wrong"


def test_what_changed_is_appended_with_one_sync_and_what_did_not_is_not_written(
    tmp_path, records, monkeypatch
):
    path, syncs = tmp_path / "optuna.log", []
    copy = brought_up(path, records[:2])
    monkeypatch.setattr(os, "fsync", syncs.append)
    copy.follow(Ledger(records).trials)
    assert len(syncs) == 1
    before = path.stat()
    copy.follow(Ledger(records).trials)
    assert path.stat() == before


def test_a_copy_that_somebody_else_changes_meanwhile_is_put_right(tmp_path, records, caplog):
    path, half = tmp_path / "optuna.log", len(records) // 2
    copy = brought_up(path, records[:half])
    storage = JournalStorage(JournalFileBackend(str(path)))
    optuna.load_study(study_name="toy", storage=storage).ask()
    copy.follow(Ledger(records).trials)
    assert_is_copy(path, records)
    assert "disagrees with the journal and is written anew" in caplog.text
    path.unlink()
    copy.follow(Ledger(records).trials)
    assert_is_copy(path, records)


def test_a_note_of_somebody_else_is_kept(tmp_path, records, caplog):
    path, half = tmp_path / "optuna.log", len(records) // 2
    copy = brought_up(path, records[:half])
    storage = JournalStorage(JournalFileBackend(str(path)))
    optuna.load_study(study_name="toy", storage=storage).set_user_attr("note", "look at 3")
    copy.follow(Ledger(records).trials)
    assert_is_copy(path, records)
    study = optuna.load_study(
        study_name="toy", storage=JournalStorage(JournalFileBackend(str(path)))
    )
    assert study.user_attrs == {"note": "look at 3"}
    assert "written anew" not in caplog.text


SEVERAL = make_study(
    objective={
        "metric": "final/val/error",
        "also": [{"metric": "cost/slot_s", "direction": "minimize"}],
        "constraints": [
            {"metric": "cost/epochs", "at_most": 5.0},
            {"metric": "final/val/error", "at_most": 100.0},
        ],
    },
    early_stop={"rule": "asha", "grace": 2, "metric": "final/val/error"},
)


@pytest.fixture(scope="module")
def judged_records(records):
    """The same trials as another study would have ended them, which asks for more."""
    changed = []
    for record in records:
        if record["kind"] == "end" and record["state"] == "COMPLETE":
            others = {"cost/slot_s": 2.0 + record["trial"], "cost/epochs": 6.0}
            record = {**record, "others": others}
        changed.append(record)
    return changed


def test_values_and_constraints_are_where_optuna_and_its_dashboard_read_them(
    tmp_path, judged_records
):
    path = tmp_path / "optuna.log"
    follow(OptunaCopy(path, SEVERAL), ledger := Ledger(), judged_records)
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.load_study(study_name="toy", storage=storage)
    assert [d.name for d in study.directions] == ["MINIMIZE", "MINIMIZE"]
    assert study.metric_names == ["final/val/error", "cost/slot_s"]
    complete = [copy for copy in study.trials if copy.state.name == "COMPLETE"]
    assert complete
    for copy in complete:
        trial = ledger.trials[copy.number]
        assert copy.values == [trial.objective, 2.0 + copy.number]
        assert copy.system_attrs["constraints"] == [1.0, trial.objective - 100]  # the dashboard's
        assert list(copy.constraints.values()) == [1.0, trial.objective - 100]  # Optuna 5's
    assert study.best_trials == []  # none is feasible
    assert all(copy.intermediate_values == {} for copy in study.trials)


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_a_copy_with_several_objectives_catches_up_too(tmp_path, judged_records, share, caplog):
    path, known = tmp_path / "optuna.log", round(share * len(judged_records))
    ledger = Ledger()
    follow(OptunaCopy(path, SEVERAL), ledger, judged_records[:known])
    brought_up(path, judged_records, SEVERAL)
    assert "written anew" not in caplog.text
    assert [copy.state.name for copy in trials_in(path)] == [
        trial.state.value for trial in Ledger(judged_records).trials.values()
    ]


def test_a_copy_without_the_constraints_is_written_anew(tmp_path, judged_records, caplog):
    path, ledger = tmp_path / "optuna.log", Ledger()
    fewer = SEVERAL.objective.model_copy(update={"constraints": []})
    without = SEVERAL.model_copy(update={"objective": fewer})
    follow(OptunaCopy(path, without), ledger, judged_records)
    brought_up(path, judged_records, SEVERAL)
    assert "written anew" in caplog.text
