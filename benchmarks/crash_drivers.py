"""The drivers that `crash_resume.py` kills: this engine's, and one written as Ray's guides say.

python benchmarks/crash_drivers.py engine|ray RUNS_FOLDER TRIALS
"""

import json
import logging
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import ray
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from ray import tune
from ray.tune.search.optuna import OptunaSearch

from hpe.config import Config
from hpe.data.hands import HandData
from hpe.phases.keep import KeepConfig
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, PhaseSpec, State
from search_spaces.space import Space
from sweep.book import open_book
from sweep.cluster import ClusterLost, local_cluster
from sweep.folders import RunsDir
from sweep.study import Study
from sweep.tracking import MlflowTracker
from sweep.tuner import Machinery, run_study
from trainables.slot_config import SlotShape

EPOCHS = 6
REST_S = 0.25
SEED = 0


class BowlConfig(Config):
    """Where to stand in a bowl whose lowest point is (1, 2)."""

    epochs: int = EPOCHS
    x: float = 0.0
    y: float = 0.0
    rest_s: float = REST_S
    keep: KeepConfig = KeepConfig()


def bowl_error(x: float, y: float, epoch: int) -> float:
    """Return the height at a place, which sinks with the epochs."""
    return (x - 1) ** 2 + (y - 2) ** 2 + 1 / epoch


def bowl(config: BowlConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:  # noqa: ARG001
    """Rest and report the height."""
    for epoch in range(1 if resume is None else resume["epoch"] + 1, config.epochs + 1):
        time.sleep(config.rest_s)
        yield EpochReport(
            epoch=epoch,
            epochs=config.epochs,
            metrics={"val/error": bowl_error(config.x, config.y, epoch)},
            state=lambda epoch=epoch: {"epoch": epoch},
            artifacts=Artifacts,
        )
    return Artifacts()


PHASES: Mapping[str, PhaseSpec] = {
    "bowl": PhaseSpec(
        config=BowlConfig,
        run=bowl,
        metrics=lambda _: ("val/error",),
        epochs=lambda config: int(config.epochs),
    )
}


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """Choose a place."""
    return {name: trial.suggest_float(name, 0.0, 10.0) for name in ("bowl/x", "bowl/y")}


def open_nothing(data: Mapping[str, Any]) -> HandData:
    """Open an empty data set."""
    return HandData(name="nothing", digest=data["digest"], splits={}, card={})


def make_study(trials: int) -> Study:
    """Return a study of the bowl."""
    return Study.model_validate(
        {
            "name": "bowl",
            "question": "Where is the lowest point?",
            "data": {"name": "nothing"},
            "plan": ["bowl"],
            "space": "bowl",
            "objective": {"metric": "bowl/val/error"},
            "search": {"sampler": "tpe", "trials": trials},
            "seeds": {"study": SEED},
        }
    )


def drive(runs: Path, trials: int) -> None:
    """Run what is left of the study as the command does, with a phase that computes a formula."""
    study, folders = make_study(trials), RunsDir(runs)
    machinery = Machinery(
        store_root=folders.stages,
        data={"config": {}, "root": "", "digest": "0" * 8},
        slots=1,
        shape=SlotShape(cpus_per_worker=1),
        phases=PHASES,
        phases_at="crash_drivers:PHASES",
        spaces={"bowl": Space(suggest=suggest, plan=("bowl",), about="a place in the bowl")},
        opener="crash_drivers:open_nothing",
    )
    run_as_the_command(study, machinery, folders)


def run_as_the_command(study: Study, machinery: Machinery, runs: RunsDir) -> None:
    """Run what is left of a study on two cores of this machine, with journal and MLflow."""
    folder = runs.study(study.name)
    with open_book(folder) as book, local_cluster(cpus=2):
        tracker = MlflowTracker(
            study=study.name,
            uri=runs.mlflow_uri,
            memory=folder.tracking,
            artifacts=runs.mlflow_artifacts.absolute(),
            past=book.past,
        )
        try:
            run_study(
                study,
                book=book,
                machinery=machinery,
                folder=folder,
                lineage={},
                listeners=[tracker],
            )
        except ClusterLost as error:
            sys.exit(str(error))
        finally:
            tracker.close(60.0)


def bowl_trial(config: Mapping[str, Any]) -> None:
    """Do what `bowl` does, as a Tune function with a checkpoint per epoch."""
    checkpoint, start = tune.get_checkpoint(), 0
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            start = json.loads((Path(folder) / "state.json").read_text())["epoch"]
    trial = tune.get_context().get_trial_id()
    for epoch in range(start + 1, EPOCHS + 1):
        time.sleep(REST_S)
        with Path(config["log"]).open("a") as log:
            log.write(json.dumps({"trial": trial, "epoch": epoch}) + "\n")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "state.json").write_text(json.dumps({"epoch": epoch}))
            error = bowl_error(config["bowl/x"], config["bowl/y"], epoch)
            tune.report({"error": error}, checkpoint=tune.Checkpoint.from_directory(folder))


def drive_ray(runs: Path, trials: int) -> None:
    """Run what is left the way Ray's guides do, and write down what Tune says of it."""
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    path = runs / "bowl"
    if tune.Tuner.can_restore(str(path)):
        tuner = tune.Tuner.restore(str(path), trainable=bowl_trial, resume_unfinished=True)
    else:
        search = OptunaSearch(
            {name: optuna.distributions.FloatDistribution(0, 10) for name in ("bowl/x", "bowl/y")},
            metric="error",
            mode="min",
            seed=SEED,
            storage=_ray_storage(runs),
            study_name="bowl",
        )
        tuner = tune.Tuner(
            bowl_trial,
            param_space={"log": str(runs / "epochs.jsonl")},
            tune_config=tune.TuneConfig(
                search_alg=search, num_samples=trials, max_concurrent_trials=1
            ),
            run_config=tune.RunConfig(name="bowl", storage_path=str(runs), verbose=0),
        )
    results = tuner.fit()
    told = [
        {"x": r.config["bowl/x"], "y": r.config["bowl/y"], "error": r.metrics["error"]}
        for r in results
        if r.error is None
    ]
    (runs / "results.json").write_text(json.dumps(told))


def _ray_storage(runs: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(runs / "optuna.log")))


def main() -> None:
    """Be the driver that the arguments name: `engine|ray RUNS_FOLDER TRIALS`."""
    role, folder, trials = sys.argv[1:]
    {"engine": drive, "ray": drive_ray}[role](Path(folder), int(trials))
