"""What a trial costs beside its training: seconds of a slot per additional trial.

Runs the study `overhead`, whose phases do nothing, through the whole command on two slots. Each
trial takes the whole road: two stages committed, three MLflow runs, its records in the journal. The
cost is the time from the end of one of the first trials to the end of the last, times two slots, by
the number of trials between. What is paid once, such as starting the slots, is not in it; how long
a slot waited for its next trial is told by the slot's worker.

Beside it, in the same run and on the same cores, the documented pattern does the same empty work
under Tune with `OptunaSearch`, two trials at a time: as a function per trial, without and with
actors reused, and as a `TorchTrainer` per trial. None of these writes stages, MLflow or a journal.

    python benchmarks/overhead.py [--trials 70]
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
FIRST_TRIALS = 10  # of the study, and of functions: whatever is slow only once is over then
FUNCTION_TRIALS = 40
FIRST_TORCH_TRIALS, TORCH_TRIALS = 2, 6


@dataclass(frozen=True)
class Run:
    """A finished study.

    Attributes:
        ends_s: When each trial ended, in order.
        idle_s: How long a slot waited for each trial but its first.
        closing_s: From the last trial's end to that of the command.
    """

    ends_s: Sequence[float]
    idle_s: Sequence[float]
    closing_s: float


def cost(ends_s: Sequence[float], *, first: int) -> float:
    """Return slot-seconds per trial after the first ones."""
    return SLOTS * (ends_s[-1] - ends_s[first - 1]) / (len(ends_s) - first)


def ours(trials: int) -> Run:
    """Run the study with this many searched trials."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "sweep" / "run.py"), "overhead"]
        command += ["--runs-dir", folder, "--trials", str(trials)]
        command += ["--set", f"slots/count={SLOTS}", "--set", "slots/gpu=0"]
        environment = {name: v for name, v in os.environ.items() if name != "RAY_AUTH_MODE"}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        ended_s = time.time()
        records = read_journal(Path(folder) / "overhead" / "journal.jsonl")
        ends_s = [record["time_s"] for record in records if record["kind"] == "end"]
        return Run(ends_s, _idle(Path(folder) / "stages"), ended_s - ends_s[-1])


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


class Ends(tune.Callback):  # type: ignore[misc]  # Ray leaves it untyped
    """Remembers when trials ended."""

    def __init__(self) -> None:
        self.times_s: list[float] = []

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:  # noqa: ARG002  Tune's interface
        """Take note of the time."""
        self.times_s.append(time.monotonic())


def theirs(trainable: Callable[..., None], trials: int, *, reuse_actors: bool) -> list[float]:
    """Run trials under Tune with Optuna, as documented; return when each ended."""
    ends = Ends()
    with tempfile.TemporaryDirectory() as folder:
        space = {
            "x": tune.uniform(0.0, 1.0),
            "y": tune.uniform(0.0, 1.0),
            "rate": tune.loguniform(1e-4, 1.0),
            "storage": folder,
        }
        search = OptunaSearch(sampler=optuna.samplers.TPESampler(seed=0))
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
            run_config=tune.RunConfig(
                storage_path=folder, name="documented", verbose=0, callbacks=[ends]
            ),
        ).fit()
    assert results.num_errors == 0
    return ends.times_s


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=70, help="of the study")
    arguments = parser.parse_args()
    run = ours(arguments.trials)
    print(f"slot-seconds per trial, {SLOTS} trials at a time, {os.cpu_count()} cores")
    ours_s = cost(run.ends_s, first=FIRST_TRIALS)
    _print_row("study overhead, on warm slots", ours_s)
    _print_row("  of it, a slot waits for its next trial (median)", statistics.median(run.idle_s))
    _print_row("  of it, longest", max(run.idle_s))
    for name, seconds in documented().items():
        _print_row(name, seconds)
    print(
        f"from the last trial to the end of the command, MLflow and report: {run.closing_s:.1f} s"
    )
    if ours_s > MOST_SLOT_SECONDS:
        sys.exit(f"a trial should cost at most {MOST_SLOT_SECONDS} slot-seconds.")


def documented() -> dict[str, float]:
    """Measure the named alternatives on one Ray instance."""
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ray.init(address="local", num_cpus=2 * SLOTS, include_dashboard=True, log_to_driver=False)
    seconds = {}
    for reuse in (False, True):
        ends_s = theirs(empty_function, FUNCTION_TRIALS, reuse_actors=reuse)
        name = f"Tune, a function per trial, reuse_actors={reuse}"
        seconds[name] = cost(ends_s, first=FIRST_TRIALS)
    ends_s = theirs(empty_torch_trainer, TORCH_TRIALS, reuse_actors=False)
    seconds["Tune, a TorchTrainer per trial"] = cost(ends_s, first=FIRST_TORCH_TRIALS)
    ray.shutdown()
    return seconds


def _print_row(name: str, seconds: float) -> None:
    print(f"{name:<52} {seconds:>8.3f}")


if __name__ == "__main__":
    main()
