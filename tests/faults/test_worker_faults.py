"""Workers that are killed, frozen or out of memory while a study runs on Ray."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
import ray
from ray.util.placement_group import placement_group_table
from ray.util.state import list_actors

from sweep.cluster import local_cluster
from sweep.conductor import Conductor
from sweep.trials import TrialState
from tests.faults.processes import descendants, is_running, kill, titled, wait_until
from tests.faults.walk_driver import is_undisturbed, journal_of, make_study, run

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
]

WORKER = "ray::RayTrainWorker"
IDLE_S = 5.0


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Run one cluster for all studies of this module; give what SIGTERM meant before."""
    before = dict(os.environ)
    os.environ.update(RAY_AUTH_MODE="disabled", OMP_NUM_THREADS="1")
    os.environ["PYTHONPATH"] = str(Path.cwd())
    sigterm = signal.getsignal(signal.SIGTERM)
    with local_cluster(cpus=4):
        yield sigterm
    os.environ.clear()
    os.environ.update(before)


def at(action, *, trial, epoch):
    """Return a listener that acts once, when this epoch is on record."""
    waiting = [action]

    def listen(record, ledger):
        is_due = (record["kind"], record.get("trial"), record.get("epoch")) == (
            "epoch",
            trial,
            epoch,
        )
        if waiting and is_due:
            waiting.pop()()

    return listen


def test_sigterm_means_what_it_did_before_ray_was_started(cluster):
    assert signal.getsignal(signal.SIGTERM) is cluster


def test_f1_a_worker_killed_at_a_random_step_costs_no_reported_epoch_and_changes_no_bit(
    tmp_path,
):
    rng = random.Random(1)
    moment = at(
        lambda: kill(titled(WORKER, under=os.getpid())[0]),
        trial=rng.randrange(3),
        epoch=rng.randrange(1, 5),
    )
    ledger = run(make_study(), tmp_path, listeners=[moment])
    assert all(map(is_undisturbed, ledger.trials.values()))
    (loss,) = [note["message"] for note in ledger.notes if "loss 1 of 3" in note["message"]]
    assert "a worker group was lost with trial" in loss
    records = journal_of(tmp_path)
    epochs = [(r["trial"], r["epoch"]) for r in records if r["kind"] == "epoch"]
    assert len(epochs) == len(set(epochs)) == 3 * 5
    assert sum(record["kind"] == "end" for record in records) == 3


@pytest.mark.soak
def test_f8_f9_weights_that_are_nan_and_memory_that_is_out_are_failures_others_do_not_feel(
    tmp_path,
):
    troubles = {"hungry": "memory", "blind": "nan_weights"}
    study = make_study(
        arms={
            name: {"settings": {"walk/lr": 0.01, "walk/trouble": trouble}}
            for name, trouble in troubles.items()
        },
        settings={},
    )
    hungry, blind, *others = run(study, tmp_path).trials.values()
    assert (hungry.state, hungry.error_class) == (TrialState.FAIL, "out_of_memory")
    assert "cannot take another 40 GB" in hungry.message
    assert (blind.state, blind.error_class) == (TrialState.FAIL, "diverged")
    assert "weights" in blind.message
    assert [epoch.epoch for epoch in blind.stages[0].epochs] == [1], "never saved"
    assert [trial.state for trial in others] == [TrialState.COMPLETE] * 2
    assert all(map(is_undisturbed, others))


@pytest.mark.soak
def test_two_slots_stay_warm_while_there_is_nothing_to_do_and_leave_nothing_in_the_end(
    tmp_path, monkeypatch
):
    before = set(descendants(os.getpid()))
    real, idle_since, workers = Conductor.next_config, [], []

    def next_config(self):
        ended = len(self._book.ledger.in_state(TrialState.COMPLETE))
        if ended >= 2 and not idle_since:
            idle_since.append(time.monotonic())
            workers.append(titled(WORKER, under=os.getpid()))
        if idle_since and time.monotonic() - idle_since[0] < IDLE_S:
            return None
        return real(self)

    def at_the_end(record, ledger):
        if record["kind"] == "session" and record["event"] == "closed":
            workers.append(titled(WORKER, under=os.getpid()))

    monkeypatch.setattr(Conductor, "next_config", next_config)
    study = make_study(search={"trials": 3}, settings={})
    ledger = run(study, tmp_path, slots=2, listeners=[at_the_end])
    assert len(ledger.in_state(TrialState.COMPLETE)) == 4
    assert sorted(workers[0]) == sorted(workers[1]), "the same processes served to the end"
    assert len(workers[0]) == 2
    assert not ledger.notes

    def left():
        kept = titled("ray::IDLE", under=os.getpid())
        new = set(descendants(os.getpid())) - before
        return [pid for pid in new if is_running(pid) and pid not in kept]

    wait_until(lambda: not left(), patience_s=30.0)
    address = ray.get_runtime_context().gcs_address
    alive = list_actors(address=address, filters=[("state", "=", "ALIVE")])
    assert {actor.class_name for actor in alive} <= {"_AutoscalingCoordinatorActor"}
    assert all(group["state"] == "REMOVED" for group in placement_group_table().values())
    assert sorted(path.name for path in (tmp_path / "walk").iterdir()) == [
        "driver.lock",
        "journal.jsonl",
        "optuna.log",
    ]
