"""Results that come as fast as workers on several machines can report them."""

from pathlib import Path

import optuna
import pytest
import ray
from mlflow import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from ray.util.state import list_actors

from benchmarks.logical_cluster import LogicalCluster
from sweep.folders import RunsDir
from sweep.tracking import MlflowTracker
from tests.faults.processes import wait_until
from tests.faults.walk_driver import is_undisturbed, make_study, run

pytestmark = [
    pytest.mark.ray,
    pytest.mark.soak,
    # MLflow 3.17 uses a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

EPOCHS = 100
SLOTS = 4
CORES = 2  # in all; a slot of these tests takes half a core
PATIENCE_S = 60.0


@pytest.fixture(params=[1, 2], ids=["one machine", "two machines"])
def machines(request, tmp_path_factory, monkeypatch):
    """Bring up a cluster with room for four slots on so many machines; return their number."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    folder = tmp_path_factory.mktemp("ray")
    with LogicalCluster(folder, nodes=request.param, cores=CORES // request.param) as cluster:
        ray.init(address=cluster.address, log_to_driver=False)
        try:
            yield request.param
        finally:
            ray.shutdown()


def machines_of_all_workers():
    """Wait until every slot has its worker, and return where they live."""
    of_ours = [("class_name", "=", "RayTrainWorker"), ("state", "=", "ALIVE")]
    wait_until(lambda: len(list_actors(filters=of_ours)) == SLOTS, patience_s=PATIENCE_S)
    return {actor.node_id for actor in list_actors(filters=of_ours)}


def test_f16_results_that_come_as_fast_as_workers_can_report_are_all_exact_up_to_mlflow(
    tmp_path, machines
):
    runs, seen = RunsDir(tmp_path), set()

    def hold_up_at_the_first(record, ledger):
        if record["kind"] == "epoch" and not seen:  # meanwhile workers report to nobody
            seen.update(machines_of_all_workers())

    tracker = MlflowTracker(
        study="walk",
        uri=runs.mlflow_uri,
        memory=runs.study("walk").tracking,
        artifacts=runs.mlflow_artifacts.absolute(),
    )
    # Beside two that are searched.
    arms = {f"arm_{i}": {"settings": {"walk/lr": 0.01 * 2**i}} for i in range(SLOTS - 2)}
    study = make_study(arms=arms, settings={"walk/epochs": EPOCHS})
    ledger = run(study, tmp_path, slots=SLOTS, listeners=[tracker, hold_up_at_the_first])
    assert tracker.close(PATIENCE_S) == 0
    assert len(seen) == machines
    assert len(ledger.trials) == SLOTS
    assert all(map(is_undisturbed, ledger.trials.values())), "every one of the results, bit by bit"
    storage = JournalStorage(JournalFileBackend(str(runs.study("walk").optuna_log)))
    copies = optuna.load_study(study_name="walk", storage=storage).trials
    client = MlflowClient(tracking_uri=runs.mlflow_uri)
    experiment = client.get_experiment_by_name("walk").experiment_id
    phases = client.search_runs([experiment], "tags.kind = 'phase'")
    mirrored = {int(phase.data.tags["trial"]): phase for phase in phases}
    for number, trial in ledger.trials.items():
        (stage,) = trial.stages
        errors = [epoch.metrics["val/error"] for epoch in stage.epochs]
        assert len(errors) == EPOCHS
        assert trial.objective == copies[number].value == errors[-1]
        phase = mirrored[number]
        points = client.get_metric_history(phase.info.run_id, "val/error")
        assert phase.data.metrics["val/error"] == errors[-1]
        assert min(point.value for point in points) == min(errors)
        assert [point.value for point in points] == errors
