"""The drivers that `to_the_same_score.py` gives the same time: this engine's, and Ray Tune's two.

python benchmarks/score_drivers.py engine|function|trainer FOLDER SEED

They search until they are ended. `FOLDER` has the data set under `data`.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import optuna
import ray
import ray.train
import torch
from crash_drivers import run_as_the_command
from ray import tune
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from hpe.data.catalog import data_config, open_data
from hpe.phases.catalog import PHASES
from hpe.phases.phase import Artifacts, PhaseInputs
from search_spaces.augmentations import AUGMENTATIONS
from search_spaces.losses import FINETUNING_LOSS, PRETRAINING_LOSS
from search_spaces.parameters import Parts, Real
from search_spaces.space import Space
from sweep.folders import RunsDir
from sweep.points import searched_point
from sweep.study import Study
from sweep.tuner import ON_THE_HEAD, Machinery
from trainables.assignment import Stage
from trainables.slot_config import SlotShape
from trainables.stage_data import open_stage_data

SLOTS = 2
NAME = "same_score"
KEEP = 0.5  # of the trials that come to a rung
REDUCTION = round(1 / KEEP)  # what ASHA calls it
RUNGS = (0.25, 0.5)  # of a phase's epochs
EPOCHS = {"pretrain": 8, "finetune": 4}
ENDLESS = 10_000  # trials; the driver is ended long before

SEARCHED = Parts(
    (
        AUGMENTATIONS,
        PRETRAINING_LOSS,
        FINETUNING_LOSS,
        Real("finetune/optimizer/lr", 3e-5, 3e-2, log=True),
        Real("finetune/optimizer/weight_decay", 1e-7, 1e-1, log=True),
    )
)
SPACE = Space(
    suggest=SEARCHED.suggest,
    plan=("pretrain", "finetune"),
    about="augmentation composition and loss weights of both phases, and finetuning's optimizer",
    locate=SEARCHED.locate,
)
DATA = {
    "name": "rendered_hands",
    "image_px": 96,
    "unlabelled": 1000,
    "train": 1000,
    "val": 300,
    "test": 16,
}
SETTINGS = {
    "pretrain/image_px": 48,
    "pretrain/epochs": EPOCHS["pretrain"],
    "pretrain/batch_size": 128,
    "pretrain/precision": "bf16",
    "pretrain/probe/every": 1,
    "pretrain/probe/labels": 300,
    "finetune/image_px": 48,
    "finetune/train_encoder": True,
    "finetune/label_fraction": 0.3,
    "finetune/epochs": EPOCHS["finetune"],
    "finetune/steps_per_epoch": 12,
    "finetune/batch_size": 64,
    "finetune/precision": "bf16",
}
OBJECTIVE = "val/root_epe_mm"


def make_study(seed: int) -> Study:
    """Return the study that the engine runs; the peer takes its space, settings and data."""
    return Study.model_validate(
        {
            "name": NAME,
            "question": "What does a search cost that comes to the same score?",
            "data": DATA,
            "plan": list(EPOCHS),
            "settings": SETTINGS,
            "space": NAME,
            "objective": {"metric": f"finetune/{OBJECTIVE}"},
            "search": {
                "sampler": "tpe",
                "trials": ENDLESS,
                "neighbours": 0.5,
                "reuse": 0.75,
            },
            "early_stop": {
                "rule": "asha",
                "proxy": True,
                "rungs": list(RUNGS),
                "keep": KEEP,
                "grace": 2,
            },
            "seeds": {"study": seed},
        }
    )


def prepared_data(folder: Path) -> dict[str, str | dict[str, Any]]:
    """Return where the data set lies and what is in it, as stages name it."""
    config, root = data_config(DATA), folder / "data"
    digest = open_data(config, root).digest
    return {"config": config.model_dump(mode="json"), "root": str(root), "digest": digest}


def make_machinery(data: Mapping[str, Any], runs: RunsDir) -> Machinery:
    """Return two slots of one core each."""
    return Machinery(
        store_root=runs.stages,
        data=data,
        slots=SLOTS,
        shape=SlotShape(cpus_per_worker=1, threads=1),
        spaces={NAME: SPACE},
    )


def drive(folder: Path, seed: int) -> None:
    """Search as the command does, on warm slots, with journal and MLflow."""
    runs = RunsDir(folder / f"engine-{seed}")
    run_as_the_command(make_study(seed), make_machinery(prepared_data(folder), runs), runs)


class Dotted:
    """A trial whose parameters Tune will not take apart at their slashes."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def suggest_float(self, name: str, *args: Any, **more: Any) -> float:
        """Ask for a number."""
        return self._trial.suggest_float(name.replace("/", "."), *args, **more)

    def suggest_int(self, name: str, *args: Any, **more: Any) -> int:
        """Ask for a whole number."""
        return self._trial.suggest_int(name.replace("/", "."), *args, **more)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Ask for one of a few."""
        return self._trial.suggest_categorical(name.replace("/", "."), choices)


def define(trial: optuna.Trial) -> dict[str, Any]:
    """Define the space while it is asked, as Optuna says; the settings go on to the trial."""
    return {"settings": dict(SPACE.suggest(cast(optuna.Trial, Dotted(trial))))}


def train_trial(
    config: Mapping[str, Any],
    job: Mapping[str, Any],
    report: Callable[[dict[str, float]], None] = tune.report,
) -> None:
    """Train both phases one after another, and report every epoch to Tune.

    While the encoder is pretrained, the score is the probe's error: rungs see the same numbers, at
    the same epochs, as in the engine. Nothing is saved, which costs nothing.
    """
    write_down(job)
    torch.set_num_threads(1)
    data = open_stage_data(job["data"])
    parents: dict[str, Artifacts] = {}
    for stage in stages_of(job, config["settings"]):
        spec = PHASES[stage.phase]
        inputs = PhaseInputs(
            data=data,
            parents={name: parents[name] for name in stage.parents},
            seed=stage.seed,
            device=torch.device("cpu"),
        )
        watched = spec.proxy or OBJECTIVE
        running = spec.run(spec.config.model_validate(stage.config), inputs, None)
        while True:
            try:
                done = next(running)
            except StopIteration as end:
                parents[stage.phase] = end.value
                break
            score = done.metrics[watched]
            if stage.phase == "finetune" and done.epoch == done.epochs:
                write_down(job, score)
            report({"score": score, "rung_time": rung_time(stage.phase, done.epoch)})


def rung_time(phase: str, epoch: int) -> int:
    """Return a time that is a power of ASHA's reduction factor at each rung of the engine's."""
    passed = sum(epoch >= round(share * EPOCHS[phase]) for share in RUNGS)
    if phase == "finetune":
        passed += len(RUNGS)
    return int(REDUCTION ** (passed - 1))


def train_on_worker(config: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    """Train a trial on a Ray Train worker, as Ray's guide on hyperparameter optimization says."""
    write_down(job)
    TorchTrainer(
        lambda settings: train_trial({"settings": settings}, job, ray.train.report),
        train_loop_config=dict(config["settings"]),
        scaling_config=ray.train.ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
        run_config=ray.train.RunConfig(
            name=f"train-{tune.get_context().get_trial_id()}",
            storage_path=job["storage"],
            callbacks=[TuneReportCallback()],
        ),
    ).fit()


def write_down(job: Mapping[str, Any], score: float | None = None) -> None:
    """Say when a trial was trained to its end; without a score, that one has begun."""
    with Path(job["scores"]).open("a") as file:
        file.write(json.dumps({"time_s": time.time(), "score": score}) + "\n")


def stages_of(job: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Stage, ...]:
    """Return what the engine would train for these settings, seeds included."""
    study = make_study(job["seed"])
    machinery = make_machinery(job["data"], RunsDir(Path()))
    return machinery.stages_of(searched_point(study, settings, PHASES), study.seeds.trials[0])


def drive_tune(role: str, folder: Path, seed: int) -> None:
    """Search as Ray's guides do: Optuna's TPE, ASHA, two trials at a time.

    Args:
        role: `function`: a trial is a function on an actor that is used again. `trainer`: it runs a
            `TorchTrainer` with a worker of its own, which is what could train on several.
        folder: Has the data.
        seed: Of search and training.
    """
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place = folder / f"{role}-{seed}"
    place.mkdir(parents=True, exist_ok=True)
    job = {
        "data": prepared_data(folder),
        "seed": seed,
        "scores": str(place / "scores.jsonl"),
        "storage": str(place),
    }
    trainable, of_driver = TRAINABLES[role]
    # Of a Train run that was stopped, Train asks the dashboard, to free its worker's core.
    ray.init(
        address="local", num_cpus=SLOTS, include_dashboard=role == "trainer", log_to_driver=False
    )
    sampler = optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, constant_liar=True
    )
    tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, job=job), of_driver),
        tune_config=tune.TuneConfig(
            metric="score",
            mode="min",
            search_alg=OptunaSearch(define, metric="score", mode="min", sampler=sampler),
            scheduler=ASHAScheduler(
                time_attr="rung_time",
                grace_period=1,
                reduction_factor=REDUCTION,
                max_t=REDUCTION ** (2 * len(RUNGS)),  # beyond the last rung
            ),
            num_samples=ENDLESS,
            max_concurrent_trials=SLOTS,
            reuse_actors=role == "function",
        ),
        run_config=tune.RunConfig(name=NAME, storage_path=str(place), verbose=0),
    ).fit()


TRAINABLES = {
    "function": (train_trial, {"CPU": 1}),
    "trainer": (train_on_worker, ON_THE_HEAD),  # which only waits for its worker, and takes no core
}


def main() -> None:
    """Be the driver that the arguments name: `engine|function|trainer FOLDER SEED`."""
    role, folder, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if role == "engine":
        drive(folder, seed)
    else:
        drive_tune(role, folder, seed)


if __name__ == "__main__":
    main()
