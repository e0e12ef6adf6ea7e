"""Whole studies on Ray: real slots, Tune and workers, with phases that compute a formula."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
import ray
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from ray.util.placement_group import placement_group_table
from ray.util.state import list_actors

from sweep.cluster import local_cluster
from sweep.conductor import Conductor
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.lock import StudyInUse
from sweep.scheduler import StudyScheduler
from sweep.trials import TrialState
from sweep.tuner import StudyInterrupted
from tests.sweep.engine_driver import run
from tests.sweep.engine_fakes import Play, make_study
from trainables.pool import NoSlotLeft

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
ASHA = {"rule": "asha", "rungs": [0.34, 0.67], "keep": 0.5, "grace": 2}
SLOW = {"final/rest_s": 0.3}
WAIT_S = 120.0
CPUS = 4


@pytest.fixture(scope="module", autouse=True)
def address():
    """Run one cluster for all studies of this module."""
    before = dict(os.environ)
    os.environ.update(RAY_AUTH_MODE="disabled", PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    with local_cluster(cpus=CPUS):
        yield ray.get_runtime_context().gcs_address
    os.environ.clear()
    os.environ.update(before)


def outcome(ledger):
    """Return what must not depend on what happened on the way."""
    return [
        (
            trial.arm,
            dict(trial.params),
            trial.state,
            trial.objective,
            [(rung.rung, rung.value, rung.decision) for rung in trial.rungs],
            [[epoch.epoch for epoch in stage.epochs] for stage in trial.stages],
        )
        for trial in ledger.trials.values()
    ]


def played(study, tmp_path):
    """Return the outcome of the same study in this process, without Ray."""
    folder = tmp_path / "played"
    folder.mkdir()
    return outcome(Play(study, folder).run())


def journal_of(tmp_path):
    return read_journal(tmp_path / "toy" / "journal.jsonl")


def once(kind, action, **values):
    """Return a listener that acts at the first record of this kind and content."""
    waiting = [action]

    def listen(record, ledger):
        fits = all(record.get(name) == value for name, value in values.items())
        if waiting and record["kind"] == kind and fits:
            waiting.pop()()

    return listen


def test_a_study_on_one_slot_is_what_follows_from_its_seed_though_a_tune_actor_is_killed(
    tmp_path, address
):
    def kill_actor():
        actors = list_actors(address=address, filters=[("state", "=", "ALIVE")], detail=True)
        (actor,) = [actor for actor in actors if "Trainable" in actor.class_name]
        os.kill(actor.pid, signal.SIGKILL)

    study = make_study(early_stop=ASHA, search={"trials": 6}, settings={"final/limit": 9.0, **SLOW})
    ledger = run(study, tmp_path, listeners=[once("epoch", kill_actor, trial=1, epoch=1)])
    assert outcome(ledger) == played(study, tmp_path)
    assert ledger.in_state(TrialState.PRUNED)
    assert [t.attempt for t in ledger.trials.values()] == [1, 2, 1, 1, 1, 1, 1, 1]
    assert "trial 1, attempt 1: its Tune actor, or its slot, was lost." in [
        note["message"] for note in ledger.notes
    ]
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "toy" / "optuna.log")))
    copies = optuna.load_study(study_name="toy", storage=storage).trials
    assert [copy.state.name for copy in copies] == [t.state.value for t in ledger.trials.values()]
    records = journal_of(tmp_path)
    assert outcome(run(study, tmp_path)) == outcome(ledger)
    assert journal_of(tmp_path) == records, "a finished study is not run again"


def test_two_slots_need_no_more_actors_than_two_and_a_finished_study_leaves_nothing(
    tmp_path, monkeypatch
):
    take_in, pids = StudyScheduler.on_trial_result, set()

    def noting(self, controller, trial, result):
        pids.add(result["pid"])
        return take_in(self, controller, trial, result)

    monkeypatch.setattr(StudyScheduler, "on_trial_result", noting)
    study = make_study(early_stop=ASHA, search={"trials": 6}, seeds={"trials": [0, 1]})
    ledger = run(study, tmp_path, slots=2)
    assert len(ledger.trials) == 2 * 2 + 6 * 2
    assert not ledger.in_state(TrialState.RUNNING)
    assert 1 <= len(pids) <= 2  # one may pass on the reports of both slots until the other comes
    ends = [record["trial"] for record in journal_of(tmp_path) if record["kind"] == "end"]
    assert sorted(ends) == list(ledger.trials)
    assert all(group["state"] == "REMOVED" for group in placement_group_table().values())


@pytest.mark.soak
def test_a_study_that_fails_gives_back_all_it_held(tmp_path, monkeypatch):
    def fail(conductor, number, attempt, reports):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Conductor, "on_reports", fail)
    with pytest.raises(OSError, match="No space left"):
        run(make_study(search={"trials": 4}), tmp_path, slots=2)
    wait_until(lambda: ray.available_resources().get("CPU") == CPUS)
    assert {group["state"] for group in placement_group_table().values()} == {"REMOVED"}


@pytest.mark.soak
def test_more_trials_pause_than_there_are_slots_and_the_study_goes_on(tmp_path):
    rules = {"rule": "asha", "promote": True, "rungs": [0.34, 0.67], "keep": 0.4}
    study = make_study(early_stop=rules, arms={}, search={"trials": 8, "sampler": "random"})
    most_paused = [0]

    def count(record, ledger):
        most_paused[0] = max(most_paused[0], sum(t.paused for t in ledger.trials.values()))

    ledger = run(study, tmp_path, slots=2, listeners=[count])
    assert most_paused[0] > 2
    ends = Counter(record["trial"] for record in journal_of(tmp_path) if record["kind"] == "end")
    assert ends == Counter(range(8))
    assert {trial.state for trial in ledger.trials.values()} == {
        TrialState.COMPLETE,
        TrialState.PRUNED,
    }
    promoted = [t for t in ledger.trials.values() if t.rungs and t.rungs[0].promoted]
    assert promoted
    for trial in promoted:
        assert trial.stage("final").resumed_from >= 1, "it goes on from the epoch that was saved"


def test_f14_sigterm_ends_the_session_within_its_notice_and_the_study_continues(tmp_path):
    study = make_study(search={"trials": 1}, settings=SLOW)
    told = []

    def interrupt():
        told.append(time.monotonic())
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()

    with pytest.raises(StudyInterrupted) as end:
        run(study, tmp_path, listeners=[once("epoch", interrupt, trial=1, epoch=1)])
    assert time.monotonic() - told[0] < 30.0
    assert end.value.signum == signal.SIGTERM
    interrupted = Ledger(journal_of(tmp_path))
    assert interrupted.sessions[-1]["event"] == "interrupted"
    assert [trial.state for trial in interrupted.trials.values()] == [
        TrialState.COMPLETE,
        TrialState.RUNNING,
    ]
    ledger = run(study, tmp_path)
    assert outcome(ledger) == played(study, tmp_path)
    assert ledger.trials[1].stages[0].resumed_from >= 1


@pytest.mark.soak
def test_slots_that_cannot_work_end_the_session_with_the_reason(tmp_path):
    with pytest.raises(NoSlotLeft, match="no_such_module"):
        run(make_study(), tmp_path, phases_at="no_such_module:PHASES")
    sessions = [record for record in journal_of(tmp_path) if record["kind"] == "session"]
    assert sessions[-1]["event"] == "interrupted"


def test_f2_a_driver_killed_twice_loses_and_repeats_nothing(tmp_path, address):
    study = make_study(early_stop=ASHA, search={"trials": 4}, settings=SLOW)
    journal = tmp_path / "toy" / "journal.jsonl"
    for records in (12, 40):
        driver = start_driver(study, tmp_path, address)
        with driver:
            wait_until(lambda n=records: journal.exists() and len(read_journal(journal)) >= n)
            with pytest.raises(StudyInUse, match=f"by process {driver.pid} "):
                run(study, tmp_path)
            driver.send_signal(signal.SIGKILL)
    ledger = run(study, tmp_path)
    assert outcome(ledger) == played(study, tmp_path)
    assert [session["event"] for session in ledger.sessions] == ["opened"] * 3 + ["closed"]
    records = journal_of(tmp_path)
    ends = [record["trial"] for record in records if record["kind"] == "end"]
    assert sorted(ends) == list(ledger.trials), "no finished trial is lost or repeated"
    reached = Counter()
    for record in records:
        if record["kind"] == "epoch":
            reached[record["trial"], record["label"]] = record["epoch"]
        if record["kind"] == "stage" and record["status"] == "running":
            assert record["resumed_from"] >= reached[record["trial"], record["label"]]
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "toy" / "optuna.log")))
    copies = optuna.load_study(study_name="toy", storage=storage).trials
    assert [copy.state.name for copy in copies] == [t.state.value for t in ledger.trials.values()]


def start_driver(study, tmp_path, address):
    command = [sys.executable, "-m", "tests.sweep.engine_driver", study.model_dump_json()]
    return subprocess.Popen(
        [*command, str(tmp_path), address],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_until(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.soak
def test_a_prefix_that_is_taken_over_trains_nothing_again(tmp_path):
    study = make_study(arms={}, search={"trials": 8, "reuse": 1.0})
    ledger = run(study, tmp_path)
    reusing = [trial for trial in ledger.trials.values() if trial.prefix_of is not None]
    assert len(reusing) >= 3
    stages = [record for record in journal_of(tmp_path) if record["kind"] == "stage"]
    statuses: dict[tuple[int, str], list[str]] = {}
    for record in stages:
        statuses.setdefault((record["trial"], record["label"]), []).append(record["status"])
    for trial in reusing:
        assert statuses[trial.number, "draft"] == ["reused"]
        assert statuses[trial.number, "final"] == ["running", "done"]
    trained = sum(record["status"] == "done" for record in stages if record["label"] == "draft")
    assert trained == len(ledger.trials) - len(reusing)
    assert outcome(ledger) == played(study, tmp_path)
