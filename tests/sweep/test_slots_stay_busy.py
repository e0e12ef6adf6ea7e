"""On Ray: nothing is started anew between two trials, and what a study held is free after it."""

import os
import time
from pathlib import Path

import pytest
import ray
from ray.util.placement_group import placement_group_table

from sweep.cluster import local_cluster
from sweep.conductor import Conductor
from sweep.scheduler import StudyScheduler
from tests.sweep.engine_driver import run
from tests.sweep.engine_fakes import make_study

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
CPUS = 4
WAIT_S = 60.0


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Run one cluster for the studies of this module."""
    before = dict(os.environ)
    os.environ.update(RAY_AUTH_MODE="disabled", PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    with local_cluster(cpus=CPUS):
        yield
    os.environ.clear()
    os.environ.update(before)


def test_every_slot_keeps_its_tune_actor_from_trial_to_trial(tmp_path, monkeypatch):
    take_in, pids = StudyScheduler.on_trial_result, set()

    def noting(self, controller, trial, result):
        pids.add(result["pid"])
        return take_in(self, controller, trial, result)

    monkeypatch.setattr(StudyScheduler, "on_trial_result", noting)
    ledger = run(make_study(search={"trials": 16}), tmp_path, slots=2)
    assert len(ledger.trials) == 18
    assert len(pids) == 2


def test_a_study_that_fails_gives_back_all_it_held(tmp_path, monkeypatch):
    def fail(conductor, number, attempt, reports):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Conductor, "on_reports", fail)
    with pytest.raises(OSError, match="No space left"):
        run(make_study(search={"trials": 4}), tmp_path, slots=2)
    deadline = time.monotonic() + WAIT_S
    while ray.available_resources().get("CPU") != CPUS:
        time.sleep(0.2)
        assert time.monotonic() < deadline, ray.available_resources()
    assert {group["state"] for group in placement_group_table().values()} == {"REMOVED"}
