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
from sweep.ledger import TrialState
from tests.faults.processes import descendants, is_running, kill, titled, wait_until
from tests.faults.walk_driver import journal_of, make_study, outcome, run

pytestmark = [pytest.mark.ray, pytest.mark.slow]

WORKER = "ray::RayTrainWorker"
RAYS_OWN = ("ray::IDLE", "ray::_AutoscalingCoordinatorActor")
"""What Ray keeps for the next task, and Ray Train one of for each driver, until it ends."""


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Run one cluster for all studies of this module."""
    before = dict(os.environ)
    os.environ.update(RAY_AUTH_MODE="disabled", OMP_NUM_THREADS="1")
    os.environ["PYTHONPATH"] = str(Path.cwd())
    with local_cluster(cpus=4):
        yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory):
    """The outcome of the study to which nothing happens."""
    return outcome(run(make_study(settings={}), tmp_path_factory.mktemp("undisturbed")))


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


def test_f1_a_worker_killed_at_a_random_step_costs_no_reported_epoch_and_changes_no_bit(
    tmp_path, undisturbed
):
    rng = random.Random(1)
    moment = at(
        lambda: kill(titled(WORKER, under=os.getpid())[0]),
        trial=rng.randrange(3),
        epoch=rng.randrange(1, 5),
    )
    ledger = run(make_study(), tmp_path, listeners=[moment])
    assert outcome(ledger) == undisturbed
    (loss,) = [note["message"] for note in ledger.notes if "loss 1 of 3" in note["message"]]
    assert "a worker group was lost with trial" in loss
    records = journal_of(tmp_path)
    epochs = [(r["trial"], r["epoch"]) for r in records if r["kind"] == "epoch"]
    assert len(epochs) == len(set(epochs)) == 3 * 5
    assert sum(record["kind"] == "end" for record in records) == 3


def test_f15_a_worker_that_hangs_is_noticed_by_its_lack_of_progress_and_replaced(
    tmp_path, undisturbed
):
    frozen = []

    def freeze():
        frozen.append(titled(WORKER, under=os.getpid())[0])
        kill(frozen[0], signal.SIGSTOP)

    ledger = run(make_study(), tmp_path, listeners=[at(freeze, trial=1, epoch=2)], watchdog_s=4.0)
    assert outcome(ledger) == undisturbed
    assert any("no progress" in note["message"] for note in ledger.notes)
    wait_until(lambda: not is_running(frozen[0]))


def test_f9_out_of_memory_is_a_class_of_its_own_and_other_trials_do_not_feel_it(
    tmp_path, undisturbed
):
    hungry = {"walk/lr": 0.01, "walk/trouble": "memory"}
    study = make_study(
        arms={"slow": {"settings": {"walk/lr": 0.01}}, "hungry": {"settings": hungry}}, settings={}
    )
    ledger = run(study, tmp_path)
    failed = ledger.trials[1]
    assert (failed.state, failed.error_class) == (TrialState.FAIL, "out_of_memory")
    assert "cannot take another 40 GB" in failed.message
    others = [told for number, told in enumerate(outcome(ledger)) if number != 1]
    assert [state for _, _, state, *_ in others] == ["COMPLETE"] * 3
    assert others[0] == undisturbed[0]


def test_f8_weights_that_are_nan_are_divergence_and_are_never_saved(tmp_path):
    study = make_study(
        arms={"blind": {"settings": {"walk/lr": 0.01, "walk/trouble": "nan_weights"}}},
        search={"trials": 1},
        settings={},
    )
    ledger = run(study, tmp_path)
    failed, other = ledger.trials.values()
    assert (failed.state, failed.error_class) == (TrialState.FAIL, "diverged")
    assert "weights" in failed.message
    assert [epoch.epoch for epoch in failed.stages[0].epochs] == [1]
    assert other.state is TrialState.COMPLETE


def test_two_slots_stay_warm_while_the_searcher_has_nothing_for_ten_seconds(tmp_path, monkeypatch):
    real, idle_since, workers = Conductor.next_config, [], []

    def next_config(self):
        ended = len(self._book.ledger.in_state(TrialState.COMPLETE))
        if ended >= 2 and not idle_since:
            idle_since.append(time.monotonic())
            workers.append(titled(WORKER, under=os.getpid()))
        if idle_since and time.monotonic() - idle_since[0] < 10.0:
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


def test_no_process_no_actor_no_placement_group_and_no_scratch_is_left(tmp_path):
    before = set(descendants(os.getpid()))
    run(make_study(search={"trials": 3}, settings={}), tmp_path, slots=2)

    def left():
        new = set(descendants(os.getpid())) - before
        return [
            pid
            for pid in new
            if is_running(pid) and pid not in titled("ray::IDLE", under=os.getpid())
        ]

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
