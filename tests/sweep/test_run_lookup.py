"""From an MLflow run to the stage it tells about."""

import pytest
from mlflow import MlflowClient

from sweep.run_lookup import stage_key_of_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),  # MLflow's own use
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A trial's run with a phase's run below it, as the tracker writes them."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    client = MlflowClient(uri)
    experiment = client.create_experiment("toy")
    trial = client.create_run(experiment, tags={"kind": "trial"}, run_name="trial 3")
    tags = {"kind": "phase", "phase": "pretrain", "stage_key": "a" * 64}
    parent = {"mlflow.parentRunId": trial.info.run_id}
    phase = client.create_run(experiment, tags={**tags, **parent}, run_name="pretrain")
    return uri, trial.info.run_id, phase.info.run_id


def test_a_phases_run_and_its_trials_run_lead_to_the_stage(store):
    uri, trial, phase = store
    assert stage_key_of_run(uri, phase, "pretrain") == "a" * 64
    assert stage_key_of_run(uri, trial, "pretrain") == "a" * 64


def test_a_run_without_this_phase_is_refused(store):
    uri, trial, _ = store
    with pytest.raises(ValueError, match="the run 'trial 3' is not of finetune, nor of a trial"):
        stage_key_of_run(uri, trial, "finetune")


def test_of_several_phases_of_a_trial_the_last_one_counts(store):
    uri, trial, _ = store
    client = MlflowClient(uri)
    experiment = client.get_run(trial).info.experiment_id
    parent = {"mlflow.parentRunId": trial}
    for number, (label, key) in enumerate([("paired", "b" * 64), ("paired_2", "c" * 64)]):
        tags = {"kind": "phase", "phase": label, "stage_key": key, **parent}
        client.create_run(experiment, tags=tags, start_time=10**13 + number)
    assert stage_key_of_run(uri, trial, "finetune", "paired", "paired_2") == "c" * 64
    assert stage_key_of_run(uri, trial, "paired") == "b" * 64
    with pytest.raises(ValueError, match="not of a phase whose network can be scored"):
        stage_key_of_run(uri, trial, "generator", "body_pose")


def test_an_unknown_run_is_refused(store):
    with pytest.raises(ValueError, match="does not give this run"):
        stage_key_of_run(store[0], "0" * 32, "pretrain")


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(ValueError, match="there is no MLflow store"):
        stage_key_of_run(f"sqlite:///{tmp_path / 'none.db'}", "0" * 32, "pretrain")
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_shows_no_credentials(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ValueError, match="does not give this run") as refused:
        stage_key_of_run("http://me:secret@127.0.0.1:1", "0" * 32, "pretrain")
    assert "secret" not in str(refused.value)
