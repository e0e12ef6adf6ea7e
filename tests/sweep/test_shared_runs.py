"""Two drivers in one runs folder: what both need is trained once, even while it is in training."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from sweep.cluster import local_cluster
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.trials import TrialState
from tests.sweep.engine_driver import run
from tests.sweep.engine_fakes import make_study
from trainables.stages import StageStore

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
EPOCHS = 8


@pytest.fixture(scope="module", autouse=True)
def address():
    """Run one cluster for all drivers."""
    before = dict(os.environ)
    os.environ.update(RAY_AUTH_MODE="disabled", PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    with local_cluster(cpus=4):
        yield ray.get_runtime_context().gcs_address
    os.environ.clear()
    os.environ.update(before)


def ledger_of(runs, name):
    return Ledger(read_journal(runs / name / "journal.jsonl"))


def test_two_studies_that_start_together_share_an_unfinished_stage(tmp_path, address):
    settings = {"final/y": 3.0, "final/epochs": EPOCHS, "final/rest_s": 0.5}
    studies = [
        make_study(
            name=name,
            arms={"shared": {"plan": ["final"], "settings": settings}},
            search={"trials": 0},
        )
        for name in ("first", "second")
    ]
    drivers = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.sweep.engine_driver"),
                *(study.model_dump_json(), str(tmp_path), address),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for study in studies
    ]
    assert [driver.wait(timeout=240) for driver in drivers] == [0, 0]
    ledgers = [ledger_of(tmp_path, study.name) for study in studies]
    (one, other) = (ledger.trials[0] for ledger in ledgers)
    assert one.stages[0].key == other.stages[0].key
    assert {one.stages[0].status, other.stages[0].status} == {"done", "reused"}
    assert one.objective == other.objective is not None
    assert {one.state, other.state} == {TrialState.COMPLETE}
    metrics = [[e.metrics for e in trial.stages[0].epochs] for trial in (one, other)]
    assert metrics[0] == metrics[1]
    assert len(metrics[0]) == EPOCHS
    assert not list((tmp_path / "stages" / ".claims").iterdir())


@pytest.mark.soak
def test_a_parent_that_was_damaged_since_it_was_trained_is_trained_again(tmp_path, address):
    """F6 for a finished stage: the second study needs what the first one left, and it is broken."""

    def study(name, y):
        settings = {"draft/x": 1.0, "final/y": y}
        return make_study(name=name, arms={"a": {"settings": settings}}, search={"trials": 0})

    first = run(study("first", 1.0), tmp_path)
    draft = first.trials[0].stages[0]
    store = StageStore(tmp_path / "stages")
    file = store.folder(draft.key) / "net.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    second = run(study("second", 2.0), tmp_path).trials[0]
    assert second.state is TrialState.COMPLETE
    assert second.stages[0].key == draft.key
    assert second.stages[0].status == "done"
    assert second.attempt == 2, "its last phase could not begin, so it was handed out again"
    assert store.set_aside(draft.key) is None, "it is whole again"
    assert len(list(store.root.glob(f"{draft.key}.corrupt-*"))) == 1
