"""Time a trial's start: on a warm slot, and as Ray documents it (a `TorchTrainer` in every trial).

Both run under Tune, one trial after another, one worker each, on the same Ray instance. Counted are
the seconds from the moment the searcher hands a configuration to Tune to the first line of training
code. Starting the slot itself is paid once and shown apart.

    python benchmarks/trial_start.py [--trials 4] [--documented-trials 3]
"""

import argparse
import hashlib
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import ray
import ray.train
from ray import tune
from ray.train.torch import TorchTrainer

from hpe.config import Config
from hpe.data.hands import HandData
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, PhaseSpec, State
from trainables.assignment import Assignment, Stage
from trainables.pool import SlotPool
from trainables.slot_config import SlotShape
from trainables.trial import TrialTrainable

ON_THE_HEAD = {"node:__internal_head__": 0.001}


class StampConfig(Config):
    """Write the time of the first line of training to a file."""

    path: str


def stamp(config: StampConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:  # noqa: ARG001
    """Train nothing."""
    Path(config.path).write_text(repr(time.time()))
    nothing = Artifacts()
    yield EpochReport(epoch=1, epochs=1, metrics={}, state=dict, artifacts=lambda: nothing)
    return nothing


PHASES: Mapping[str, PhaseSpec] = {
    "stamp": PhaseSpec(
        config=StampConfig, run=stamp, metrics=lambda _: (), epochs=lambda _: 1, proxy=None
    )
}


def open_nothing(data: Mapping[str, Any]) -> HandData:  # noqa: ARG001  a data opener
    """Open an empty data set."""
    return HandData(name="nothing", digest="", splits={}, card={})


def documented_trial(config: Mapping[str, Any]) -> None:
    """Do what Ray's guide on hyperparameter optimization does: a Train run inside the trial."""
    TorchTrainer(
        lambda: Path(config["path"]).write_text(repr(time.time())) and None,
        scaling_config=ray.train.ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
        run_config=ray.train.RunConfig(
            name=f"train-{ray.tune.get_context().get_trial_id()}", storage_path=config["storage"]
        ),
    ).fit()


class Stamped(tune.search.Searcher):
    """Hand out these configurations and remember when."""

    def __init__(self, configs: list[dict[str, Any]]) -> None:
        super().__init__()
        self.configs = list(configs)
        self.handed_out_s: list[float] = []

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # noqa: ARG002  Tune's interface
        """Return the next configuration."""
        if not self.configs:
            return str(self.FINISHED)
        self.handed_out_s.append(time.time())
        return self.configs.pop(0)

    def on_trial_complete(self, *args: Any, **kwargs: Any) -> None:
        """Learn nothing."""

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Take nothing."""


def start_times(trainable: Any, configs: list[dict[str, Any]], folder: Path) -> list[float]:
    """Run the trials one after another; return each one's seconds to its first training line."""
    searcher = Stamped(configs)
    tune.Tuner(
        tune.with_resources(trainable, ON_THE_HEAD),
        tune_config=tune.TuneConfig(
            search_alg=searcher, num_samples=-1, max_concurrent_trials=1, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            verbose=0,
            stop=lambda _, result: bool(result.get("ended", False)),
        ),
    ).fit()
    first_lines = [float(Path(config["path"]).read_text()) for config in configs]
    return [line - out for line, out in zip(first_lines, searcher.handed_out_s, strict=True)]


def warm_start_times(trials: int, folder: Path) -> tuple[float, list[float]]:
    """Return the seconds to start one slot, and those of each trial on it."""
    store = folder / "stages"
    pool = SlotPool(
        count=1,
        shape=SlotShape(),
        store_root=store,
        phases="trial_start:PHASES",
        opener="trial_start:open_nothing",
    )
    started = time.monotonic()
    pool.start()
    while (slot := pool.lend()) is None:
        pool.poll()
        time.sleep(0.05)
    ready_s = time.monotonic() - started
    configs = [_slot_config(number, slot, store, folder) for number in range(trials)]
    times = start_times(TrialTrainable, configs, folder / "warm")
    pool.close()
    return ready_s, times


def _slot_config(number: int, slot: str, store: Path, folder: Path) -> dict[str, Any]:
    path = str(folder / f"warm-{number}.txt")
    stage = Stage(
        key=hashlib.sha256(path.encode()).hexdigest(),
        label="stamp",
        phase="stamp",
        config={"path": path},
        parents={},
        data={"config": {}, "root": "", "digest": ""},
        seed=number,
        epochs=1,
    )
    job = Assignment(trial=number, attempt=1, stage=stage)
    return {
        "path": path,
        "trial": number,
        "attempt": 1,
        "slot": slot,
        "store": str(store),
        "assignments": [job.to_json()],
    }


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=4, help="on the slot")
    parser.add_argument("--documented-trials", type=int, default=3)
    arguments = parser.parse_args()
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    ray.init(
        address="local",
        num_cpus=max(2, os.cpu_count() or 2),
        include_dashboard=True,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}},
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready_s, warm = warm_start_times(arguments.trials, folder)
        configs = [
            {"path": str(folder / f"documented-{number}.txt"), "storage": str(folder / "train")}
            for number in range(arguments.documented_trials)
        ]
        documented = start_times(documented_trial, configs, folder / "documented")
    ray.shutdown()
    _print_table(ready_s, warm, documented)


def _print_table(ready_s: float, warm: list[float], documented: list[float]) -> None:
    print("seconds from the configuration to the first training line, one worker per trial")
    print(f"{'trial':>16} {'warm slot':>10} {'a TorchTrainer per trial':>25}")
    for number in range(max(len(warm), len(documented))):
        cells = [f"{t[number]:.3f}" if number < len(t) else "" for t in (warm, documented)]
        print(f"{number + 1:>16} {cells[0]:>10} {cells[1]:>25}")
    later_warm, later_documented = (statistics.median(t[1:]) for t in (warm, documented))
    print(f"{'median from 2':>16} {later_warm:>10.3f} {later_documented:>25.3f}")
    print(f"{'once, the slot':>16} {ready_s:>10.3f} {'':>25}")
    print(f"a trial starts {later_documented / later_warm:.0f} times sooner on a warm slot")
    if later_warm >= 1.0:
        sys.exit("a warm slot should start a trial in under a second.")


if __name__ == "__main__":
    main()
