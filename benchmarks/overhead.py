"""What a trial costs beside its training: seconds of a slot per additional trial.

Runs the study `overhead`, whose phases do nothing, through the whole command on two slots, with few
and with more trials; what the additional ones add, times two slots, is the cost of a trial. Each
takes the whole road: two stages committed, three MLflow runs, its records in the journal. Counted
are the seconds from the first trial's start to the last one's end, and those of the whole command,
which also waits for MLflow and draws the report.

Beside it, in the same run and on the same two cores, the documented pattern does the same empty
work under Tune with `OptunaSearch`, two trials at a time: as a function per trial, without and with
actors reused, and as a `TorchTrainer` per trial. None of these writes stages, MLflow or a journal.

    python benchmarks/overhead.py [--trials 10 70]
"""

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import optuna
import ray
import ray.train
from ray import tune
from ray.train.torch import TorchTrainer
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

from sweep.journal import read_journal

ROOT = Path(__file__).resolve().parent.parent
SLOTS = 2
MOST_SLOT_SECONDS = 1.0
FUNCTION_TRIALS = (6, 18)
TORCH_TRIALS = (2, 4)


@dataclass(frozen=True)
class Run:
    """A finished study.

    Attributes:
        trials: How many it ran.
        busy_s: From the first trial's start to the last one's end.
        command_s: All of the command.
        idle_s: For each trial but the first ones, how long its slot had waited for it.
    """

    trials: int
    busy_s: float
    command_s: float
    idle_s: Sequence[float] = ()


def slope(small: Run, large: Run, seconds: Callable[[Run], float]) -> float:
    """Return slot-seconds per additional trial."""
    return SLOTS * (seconds(large) - seconds(small)) / (large.trials - small.trials)


def ours(trials: int) -> Run:
    """Run the study with this many searched trials."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "sweep" / "run.py"), "overhead"]
        command += ["--runs-dir", folder, "--trials", str(trials)]
        command += ["--set", f"slots/count={SLOTS}", "--set", "slots/gpu=0"]
        environment = {name: v for name, v in os.environ.items() if name != "RAY_AUTH_MODE"}
        started = time.monotonic()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        command_s = time.monotonic() - started
        records = read_journal(Path(folder) / "overhead" / "journal.jsonl")
        first = min(record["time_s"] for record in records if record["kind"] == "attempt")
        ends = [record["time_s"] for record in records if record["kind"] == "end"]
        return Run(len(ends), max(ends) - first, command_s, _idle(Path(folder) / "stages"))


def _idle(stages: Path) -> list[float]:
    """Return the seconds that a slot waited for each trial, the first one on each slot aside."""
    lineages = [json.loads(p.read_text())["lineage"] for p in stages.glob("*/manifest.json")]
    waited: dict[str, dict[int, float]] = {}
    for lineage in lineages:
        of_slot = waited.setdefault(lineage["slot"], {})
        of_slot[lineage["trial"]] = max(of_slot.get(lineage["trial"], 0.0), lineage["waited_s"])
    return [s for of_slot in waited.values() for _, s in sorted(of_slot.items())[1:]]


def empty_function(config: dict[str, Any]) -> None:
    """Do what the study's phases do: report once for each of two phases."""
    for epoch in (1, 2):
        tune.report({"error": (config["x"] - 0.3) ** 2 + 1 / epoch})


def empty_torch_trainer(config: dict[str, Any]) -> None:
    """Do the same on a Ray Train worker, as Ray's guide on hyperparameter optimization says."""
    TorchTrainer(
        lambda: None,
        scaling_config=ray.train.ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
        run_config=ray.train.RunConfig(
            name=f"train-{tune.get_context().get_trial_id()}", storage_path=config["storage"]
        ),
    ).fit()
    tune.report({"error": (config["x"] - 0.3) ** 2})


def theirs(trainable: Callable[..., None], trials: int, *, reuse_actors: bool) -> Run:
    """Run as many trials under Tune with Optuna, as documented."""
    with tempfile.TemporaryDirectory() as folder:
        space = {
            "x": tune.uniform(0.0, 1.0),
            "y": tune.uniform(0.0, 1.0),
            "rate": tune.loguniform(1e-4, 1.0),
            "storage": folder,
        }
        search = OptunaSearch(sampler=optuna.samplers.TPESampler(seed=0))
        started = time.monotonic()
        results = tune.Tuner(
            tune.with_resources(trainable, {"CPU": 1}),
            param_space=space,
            tune_config=tune.TuneConfig(
                metric="error",
                mode="min",
                search_alg=ConcurrencyLimiter(search, max_concurrent=SLOTS),
                num_samples=trials,
                reuse_actors=reuse_actors,
            ),
            run_config=tune.RunConfig(storage_path=folder, name="documented", verbose=0),
        ).fit()
        whole_s = time.monotonic() - started
        assert results.num_errors == 0
        return Run(trials, whole_s, whole_s)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs=2, default=(10, 70), help="of the study")
    arguments = parser.parse_args()
    small, large = (ours(trials) for trials in arguments.trials)
    print(f"slot-seconds per additional trial, {SLOTS} trials at a time, {os.cpu_count()} cores")
    busy = slope(small, large, lambda run: run.busy_s)
    _print_row("study overhead, a warm slot", busy)
    _print_row("  the whole command", slope(small, large, lambda run: run.command_s))
    median, worst = statistics.median(large.idle_s), max(large.idle_s)
    _print_row("  a slot between two trials, median", median)
    _print_row("  a slot between two trials, longest", worst)
    for name, (few, many) in documented().items():
        _print_row(name, slope(few, many, lambda run: run.command_s))
    if busy > MOST_SLOT_SECONDS:
        sys.exit(f"a trial should cost at most {MOST_SLOT_SECONDS} slot-seconds.")


def documented() -> dict[str, list[Run]]:
    """Run the named alternatives, two sizes of each, on one Ray instance."""
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ray.init(address="local", num_cpus=2 * SLOTS, include_dashboard=True, log_to_driver=False)
    runs = {}
    for reuse in (False, True):
        name = f"Tune, a function per trial, reuse_actors={reuse}"
        runs[name] = [theirs(empty_function, n, reuse_actors=reuse) for n in FUNCTION_TRIALS]
    runs["Tune, a TorchTrainer per trial"] = [
        theirs(empty_torch_trainer, n, reuse_actors=False) for n in TORCH_TRIALS
    ]
    ray.shutdown()
    return runs


def _print_row(name: str, seconds: float) -> None:
    print(f"{name:<48} {seconds:>8.3f}")


if __name__ == "__main__":
    main()
