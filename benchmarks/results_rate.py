"""What it costs trainings to report 25 times a second each, eight of them at once.

Trials of one phase whose epochs rest for 40 ms, 750 of them, so that eight trials at a time report
200 results a second. The slow-down of a trial is the mean time between its results against the same
phase iterated in a plain loop, which nobody listens to. One after another run

- this engine: every two seconds a worker saves its state and tells of the epochs since; the driver
  has them in the journal, safe from a power cut, before it decides anything, and MLflow gets all of
  it later. Results that come together have one time: those of the first two seconds do not count;
- the peer, Ray Tune with its loggers: a function that rests and reports, results in CSV, JSON and
  TensorBoard files, no state saved;
- the same with `MLflowLoggerCallback` on SQLite.

All on a cluster of one node with eight logical cores. Trials that did not run while all eight were
busy do not count.

    python benchmarks/results_rate.py [--trials 32] [--epochs 750] [--write]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import ray
import torch
import yaml
from crash_sessions import command
from logical_cluster import LogicalCluster
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from result_table import show_result

from hpe.data.catalog import data_config, open_data
from hpe.phases.catalog import PHASES
from hpe.phases.phase import PhaseInputs
from sweep.folders import RunsDir
from sweep.journal import read_journal

NAME = "results_rate"
FIRST, PHASE = "rehearse_first", "rehearse_last"
AT_A_TIME = 8
REST_S = 0.04


@dataclass(frozen=True)
class Trained:
    """A trial, with when it reported first and last, in seconds since the epoch.

    Attributes:
        after_first: How many results came after the first time.
    """

    first_s: float
    last_s: float
    after_first: int

    @property
    def pace_s(self) -> float:
        """Return the mean time between two results."""
        return (self.last_s - self.first_s) / self.after_first


def settings_of(epochs: int) -> dict[str, Any]:
    """Return the settings of a trial's phase."""
    return {"epochs": epochs, "load": {"rest_s": REST_S}}


def bare_s(epochs: int) -> float:
    """Return the seconds from first report to last of the phase in a plain loop."""
    spec = PHASES[PHASE]
    config = spec.config.model_validate(settings_of(epochs))
    nothing = open_data(data_config({"name": "none"}), Path())
    inputs = PhaseInputs(data=nothing, parents={}, seed=0, device=torch.device("cpu"))
    phase = spec.run(config, inputs, None)
    next(phase)
    begun_s = time.perf_counter()
    for _ in range(epochs - 1):
        next(phase)
    return time.perf_counter() - begun_s


def by_the_engine(address: str, folder: Path, *, trials: int, epochs: int) -> list[Trained]:
    """Run a study of such trials."""
    study = {
        "question": "What does it cost to report often?",
        "data": {"name": "none"},
        "plan": [FIRST, PHASE],
        "settings": {
            f"{FIRST}/epochs": 1,
            f"{PHASE}/epochs": epochs,
            f"{PHASE}/load/rest_s": REST_S,
        },
        "space": "rehearsal",
        "objective": {"metric": f"{PHASE}/val/error", "direction": "minimize"},
        "search": {"sampler": "tpe", "trials": trials},
        "slots": {"count": AT_A_TIME, "max": AT_A_TIME, "gpu": 0},
    }
    path, runs = folder / f"{NAME}.yaml", RunsDir(folder / "runs")
    path.write_text(yaml.safe_dump(study))
    with command(path, runs.root, options=("--address", address)) as running:
        if running.process.wait():
            sys.exit(f"the study failed: {(runs.root / 'driver.log').read_text()[-3000:]}")
    times: dict[int, list[float]] = {}
    for record in read_journal(runs.study(NAME).journal):
        if record["kind"] == "epoch" and record["label"] == PHASE:
            times.setdefault(record["trial"], []).append(record["time_s"])
    assert all(len(found) == epochs for found in times.values())
    return [
        Trained(min(found), max(found), sum(time_s > min(found) for time_s in found))
        for found in times.values()
    ]


def by_tune(address: str, folder: Path, *, mlflow: bool, trials: int, epochs: int) -> list[Trained]:
    """Run as many trials under Ray Tune, in a process of their own."""
    said = subprocess.run(
        [
            *(sys.executable, __file__, "--peer", address, "--folder", str(folder)),
            *("--trials", str(trials), "--epochs", str(epochs), *["--mlflow"] * mlflow),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [Trained(*times, after_first=epochs - 1) for times in json.loads(said.splitlines()[-1])]


def report_often(config: Mapping[str, Any]) -> None:
    """Rest and report, as the phase does."""
    first_s = 0.0
    for epoch in range(1, config["epochs"] + 1):
        time.sleep(REST_S)
        now_s = time.time()
        first_s = first_s or now_s
        error = (config["x"] - 0.3) ** 2 + 1 / epoch
        tune.report({"train_loss": error, "error": error, "first_s": first_s, "now_s": now_s})


def run_peer(options: argparse.Namespace) -> None:
    """Be the peer's driver."""
    ray.init(address=options.peer, log_to_driver=False)
    uri = f"sqlite:///{options.folder}/mlflow.db"
    callbacks = [MLflowLoggerCallback(tracking_uri=uri, experiment_name=NAME)]
    results = tune.Tuner(
        tune.with_resources(report_often, {"CPU": 1}),
        param_space={"x": tune.uniform(0.0, 1.0), "epochs": options.epochs},
        tune_config=tune.TuneConfig(
            num_samples=options.trials, max_concurrent_trials=AT_A_TIME, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            storage_path=str(options.folder),
            name=f"peer-{options.mlflow}",
            verbose=0,
            callbacks=callbacks if options.mlflow else [],
        ),
    ).fit()
    ray.shutdown()
    assert results.num_errors == 0
    times = [(result.metrics["first_s"], result.metrics["now_s"]) for result in results]
    print(json.dumps(times))


def among_eight(trained: Sequence[Trained]) -> list[Trained]:
    """Return the trials that ran while all places were taken: not before, nor at the end."""
    began = sorted(trial.first_s for trial in trained)[AT_A_TIME - 1]
    ended = sorted(trial.last_s for trial in trained)[-AT_A_TIME]
    return [trial for trial in trained if trial.first_s >= began and trial.last_s <= ended]


def row(name: str, trained: Sequence[Trained], *, epochs: int, bare: float) -> str:
    """Return a line of the table."""
    counted = among_eight(trained)
    paces = [trial.pace_s for trial in counted]
    rate = AT_A_TIME / statistics.mean(paces)
    slower = [pace * (epochs - 1) / bare - 1 for pace in paces]
    return (
        f"| {name} | {len(counted)} | {rate:.0f} | {statistics.mean(slower):.1%} | "
        f"{min(slower):.1%} to {max(slower):.1%} |"
    )


def main() -> None:
    """Run all three and print a table."""
    options = _options()
    if options.peer:
        run_peer(options)
        return
    sizes = {"trials": options.trials, "epochs": options.epochs}
    bare = bare_s(options.epochs)
    lines = [
        f"{options.trials} trials of {options.epochs} results, {AT_A_TIME} at a time; in a plain "
        f"loop one takes {bare:.1f} s, {AT_A_TIME * (options.epochs - 1) / bare:.0f} results/s of "
        f"{AT_A_TIME}.",
        "",
        "| | trials counted | results/s while eight run | slow-down, mean | least to most |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="rate-") as name:
        folder = Path(name)
        with LogicalCluster(folder / "ray", nodes=1, cores=AT_A_TIME) as cluster:
            address = cluster.address
            found = {"this engine": by_the_engine(address, folder, **sizes)}
            for mlflow in (False, True):
                title = f"Ray Tune with {'MLflow on SQLite' if mlflow else 'its loggers'}"
                found[title] = by_tune(address, folder, mlflow=mlflow, **sizes)
    for title, trained in found.items():
        lines.append(row(title, trained, epochs=options.epochs, bare=bare))
    show_result(NAME, __doc__, lines, write=options.write)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=750)
    parser.add_argument("--write", action="store_true", help="write the table to results/")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--mlflow", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
