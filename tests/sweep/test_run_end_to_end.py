"""A whole study by the command itself: two trials, and everything they leave."""

import csv
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from safetensors import safe_open

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    # MLflow 3.17 uses a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

ROOT = Path(__file__).parents[2]

CANARY = f"canary-{secrets.token_hex(8)}"  # a study keeps this file if it is changed
SECRETS = (
    "AWS_SECRET_ACCESS_KEY",
    "WANDB_API_KEY",
    "MLFLOW_TRACKING_PASSWORD",
    "MY_TOKEN",
    "RAY_AUTH_TOKEN",
)

STUDY = """\
question: Does the main road lead from end to end?
data: {name: rendered_hands, image_px: 48, unlabelled: 16, train: 16, val: 8, test: 8}
plan: [pretrain, finetune]
settings:
  pretrain/epochs: 1
  pretrain/batch_size: 8
  pretrain/image_px: 36
  pretrain/probe/labels: 8
  pretrain/encoder/width: 8
  finetune/epochs: 2
  finetune/batch_size: 8
  finetune/image_px: 36
space: composition
arms:
  simclr: {baseline: simclr}
objective: {metric: finetune/val/root_epe_mm}
search: {trials: 1}
slots: {count: 1}
"""


def command(folder, *arguments, ray_logs=None):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("RAY_AUTH_MODE", None)
    environment.pop("MLFLOW_TRACKING_URI", None)
    environment |= dict.fromkeys(SECRETS, CANARY)
    if ray_logs is not None:
        environment["RAY_TMPDIR"] = str(ray_logs)
    return subprocess.run(
        [sys.executable, str(ROOT / "sweep" / "run.py"), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.fixture(scope="module")
def ray_logs():
    """Where Ray keeps its sockets, which need a short path, and its logs."""
    with tempfile.TemporaryDirectory(prefix="ray-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_logs):
    """The folder of a finished study of one arm and one searched point, and what was said."""
    folder = tmp_path_factory.mktemp("road")
    (folder / "road.yaml").write_text(STUDY)
    return folder, command(folder, "road.yaml", ray_logs=ray_logs)


def leaderboard(folder):
    with (folder / "runs/road/report/leaderboard.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_ends_well_and_says_what_won_and_what_to_type_next(finished):
    _, said = finished
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    assert "road: 2 trials: 2 completed" in said.stdout
    assert "report        runs/road/report/index.html" in said.stdout


def test_leaderboard_optuna_and_mlflow_hold_the_same_trials(finished):
    folder, _ = finished
    rows = {int(row["trial"]): row for row in leaderboard(folder)}
    assert sorted(rows) == [0, 1]
    storage = JournalStorage(JournalFileBackend(str(folder / "runs/road/optuna.log")))
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    client = MlflowClient(f"sqlite:///{folder / 'runs/mlflow.db'}")
    experiment = client.get_experiment_by_name("road")
    found = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
    runs = {int(run.data.tags["trial"]): run for run in found}
    for number, row in rows.items():
        objective = pytest.approx(float(row["objective"]))
        assert row["state"] == "COMPLETE"
        assert trials[number].value == objective
        assert runs[number].data.tags["state"] == "COMPLETE"
    assert len(trials) == len(runs) == 2


def test_no_secret_of_the_environment_is_written_or_said(finished, ray_logs):
    folder, said = finished
    files = [path for root in (folder, ray_logs) for path in root.rglob("*") if path.is_file()]
    assert {"mlflow.db", "journal.jsonl", "study.yaml"} <= {path.name for path in files}
    assert {"raylet.out", "gcs_server.out", "dashboard.log"} <= {path.name for path in files}
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in said.stdout + said.stderr


def test_the_best_weights_open_without_pickle(finished):
    folder, _ = finished
    path = folder / "runs/road/report/best_weights.safetensors"
    with safe_open(path, framework="pt") as file:
        groups = {name.split(".")[0] for name in file.keys()}  # noqa: SIM118 - it is no dict
    assert groups == {"encoder", "head"}


def test_running_it_again_shows_the_result_without_ray(finished):
    folder, said = finished
    again = command(folder, "road.yaml")
    assert again.returncode == 0
    assert "starting Ray" not in again.stdout
    assert again.stdout in said.stdout
