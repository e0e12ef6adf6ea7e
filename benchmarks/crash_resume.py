"""Kill a study again and again, and see whether it ends as if nothing had happened.

Claim: after 20 `kill -9` of the driver at random moments of one continuing study no finished trial
is lost or repeated, none is left RUNNING anywhere, unfinished trials go on from their last saved
epoch, the total is what was asked for, and, with one slot, suggestions and objectives are those of
the study that nobody killed.

Method: a driver is a process with a Ray cluster of its own, which dies with it. Kills come in turn
at a moment of its first 12 s of training and at one of its start, drawn evenly; how long a start
takes was timed before. Then the same command is given again; in the end it is left alone, and the
journal, `optuna.log` and MLflow are compared with those of the study that nobody killed. After
each kill all processes of the session must be gone within 30 s.

Beside it Ray's own way on trials of the same kind: `OptunaSearch` on Optuna's `JournalStorage`, a
function trainable with a checkpoint per epoch, one kill, `Tuner.restore`; several tries, judged
by the same criteria.

    python benchmarks/crash_resume.py [--kills 20] [--ray-tries 5] [--trials 40]
    python benchmarks/crash_resume.py --what worker|slot|raylet --kills 6 --ray-tries 0
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from crash_drivers import EPOCHS, REST_S
from crash_sessions import DRIVER_S, run_to_the_end, session, wait_until
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from sweep.folders import RunsDir
from sweep.journal import read_journal
from sweep.ledger import Ledger, Record

ORPHANS_S = 30.0
TRAINING_S = 12.0
TITLES = {"worker": "ray::RayTrainWorker", "slot": "ray::SlotActor", "raylet": "raylet/raylet"}


# This engine


@dataclass
class Toll:
    """What the kills met and cost."""

    met: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0


def records_of(runs: Path) -> list[Record]:
    """Return the journal so far."""
    path = RunsDir(runs).study("bowl").journal
    return read_journal(path) if path.exists() else []


def num_epochs(runs: Path) -> int:
    """Return how many epochs are on record."""
    return sum(record["kind"] == "epoch" for record in records_of(runs))


def kill_drivers(runs: Path, trials: int, kills: int, start_s: float, rng: random.Random) -> Toll:
    """Kill one driver after another, in turn while it trains and from its start on."""
    toll = Toll()
    for number in range(kills):
        before = num_epochs(runs)
        with session("engine", runs, trials) as running:
            if number % 2 == 0:
                wait_until(lambda n=before: num_epochs(runs) > n, running)
                time.sleep(rng.uniform(0.0, TRAINING_S))
            else:
                time.sleep(rng.uniform(0.0, start_s))
            is_over = running.process.poll() is not None
            toll.longest_s = max(toll.longest_s, running.kill())
        trained = num_epochs(runs) - before
        toll.met["the study over" if is_over else "training" if trained else "starting"] += 1
        ended = sum(entry["kind"] == "end" for entry in records_of(runs))
        print(f"  kill {number + 1}: {trained} epochs since the last; {ended} trials ended")
    return toll


def kill_members(runs: Path, trials: int, kills: int, what: str, rng: random.Random) -> Toll:
    """Kill workers, slots or raylets of drivers that go on, or are started again."""
    toll = Toll()
    while sum(toll.met.values()) < kills:
        with session("engine", runs, trials) as running:
            while sum(toll.met.values()) < kills:
                before = num_epochs(runs)
                if not wait_until(lambda n=before: num_epochs(runs) > n + EPOCHS, running):
                    break
                time.sleep(rng.uniform(0.0, EPOCHS * REST_S))
                victims = running.titled(TITLES[what])
                if not victims:
                    break
                os.kill(rng.choice(victims), signal.SIGKILL)
                toll.met[f"a {what}"] += 1
                print(f"  kill {sum(toll.met.values())}: a {what}")
            if sum(toll.met.values()) < kills and running.process.wait(DRIVER_S) == 0:
                return toll
            running.process.wait(DRIVER_S)
    return toll


Verdicts = dict[str, bool]
FINISHED = "it runs to the end"
TOTAL = "as many trials as asked for"
ONCE = "no finished trial lost or repeated"
STILL = "none left RUNNING (journal or Tune, Optuna, MLflow)"
RESUMED = "unfinished trials go on from their last saved epoch"
GONE = f"no process of a killed driver left after {ORPHANS_S:.0f} s"
SAME = "suggestions and objectives of the study nobody killed"


def verdicts_on(
    runs: Path, whole: Path, trials: int, *, ended_well: bool, gone_s: float
) -> Verdicts:
    """Judge the study that was killed by its journal, its copies, and the one nobody killed."""
    records, ledger = records_of(runs), Ledger(records_of(runs))
    ends = Counter(record["trial"] for record in records if record["kind"] == "end")
    epochs = Counter(
        (record["trial"], record["label"], record["epoch"])
        for record in records
        if record["kind"] == "epoch"
    )
    copies = _optuna_states(RunsDir(runs).study("bowl").optuna_log)
    return {
        FINISHED: ended_well,
        TOTAL: len(ledger.trials) == trials == sum(copies.values()),
        ONCE: sorted(ends) == list(ledger.trials)
        and set(ends.values()) == {1}
        and set(epochs.values()) == {1},
        STILL: all(trial.state == "COMPLETE" for trial in ledger.trials.values())
        and copies["RUNNING"] == 0
        and "RUNNING" not in _mlflow_states(runs),
        RESUMED: _go_on_where_they_were(records),
        GONE: gone_s <= ORPHANS_S,
        SAME: _outcome(ledger) == _outcome(Ledger(records_of(whole))),
    }


def _outcome(ledger: Ledger) -> list[tuple[Any, ...]]:
    return [
        (dict(trial.params), str(trial.state), trial.objective) for trial in ledger.trials.values()
    ]


def _go_on_where_they_were(records: Sequence[Record]) -> bool:
    """Say whether every start of a stage was after the last epoch on record, at least."""
    reached: Counter[int] = Counter()
    for record in records:
        if record["kind"] == "epoch":
            reached[record["trial"]] = record["epoch"]
        is_start = record["kind"] == "stage" and record["status"] == "running"
        if is_start and record["resumed_from"] < reached[record["trial"]]:
            return False
    return True


def _optuna_states(path: Path) -> Counter[str]:
    storage = JournalStorage(JournalFileBackend(str(path)))
    return Counter(
        t.state.name for t in optuna.load_study(study_name="bowl", storage=storage).trials
    )


def _mlflow_states(runs: Path) -> Counter[str]:
    from mlflow import MlflowClient  # noqa: PLC0415  it takes seconds to import

    client = MlflowClient(tracking_uri=RunsDir(runs).mlflow_uri)
    experiment = client.get_experiment_by_name("bowl")
    return Counter(run.info.status for run in client.search_runs([experiment.experiment_id]))


# Ray's own way


def try_ray(
    runs: Path, whole: Sequence[Mapping[str, float]], trials: int, rng: random.Random
) -> Verdicts:
    """Kill one driver of Ray's own way at a random moment of training, restore, and judge."""
    log = runs / "epochs.jsonl"
    with session("ray", runs, trials) as running:
        wait_until(log.exists, running)
        time.sleep(rng.uniform(0.0, trials * EPOCHS * REST_S))
        gone_s = running.kill()
    before = _told(log)
    ended_well = run_to_the_end("ray", runs, trials)
    results_path = runs / "results.json"
    results = json.loads(results_path.read_text()) if results_path.exists() else []
    states = _optuna_states(runs / "optuna.log")
    trained = Counter((entry["trial"], entry["epoch"]) for entry in _told(log))
    again = Counter(trial for (trial, _), times in trained.items() if times > 1)
    finished_before = {entry["trial"] for entry in before if entry["epoch"] == EPOCHS}
    return {
        FINISHED: ended_well,
        TOTAL: len(results) == trials == sum(states.values()),
        ONCE: not finished_before & again.keys() and len(results) >= len(finished_before),
        STILL: ended_well and states["RUNNING"] == 0,
        # The epoch it was in may have been logged and not yet checkpointed.
        RESUMED: all(times <= 1 for times in again.values()),
        GONE: gone_s <= ORPHANS_S,
        SAME: results == whole,
    }


def _told(log: Path) -> list[dict[str, Any]]:
    """Return the epochs that were trained; the last line may be torn."""
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    return [json.loads(line) for line in lines]


# The table


def main() -> None:
    """Kill, judge, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--ray-tries", type=int, default=5)
    parser.add_argument("--ray-trials", type=int, default=10)
    parser.add_argument("--what", choices=["driver", *TITLES], default="driver")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--role", choices=["engine", "ray"], help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crash-resume-") as folder:
        compare(options, Path(folder))


def compare(options: argparse.Namespace, folder: Path) -> None:
    """Run both ways and print how they fared."""
    rng = random.Random(options.seed)
    started_s = time.monotonic()
    start_s = run_undisturbed(folder / "whole", options.trials)
    print(f"undisturbed: the first epoch after {start_s:.1f} s")
    runs = folder / "killed"
    if options.what == "driver":
        toll = kill_drivers(runs, options.trials, options.kills, start_s, rng)
    else:
        toll = kill_members(runs, options.trials, options.kills, options.what, rng)
    ended_well = run_to_the_end("engine", runs, options.trials)
    ours = verdicts_on(
        runs,
        folder / "whole",
        options.trials,
        ended_well=ended_well,
        gone_s=toll.longest_s,
    )
    ours_s = time.monotonic() - started_s
    theirs = compare_ray(options, folder, rng)
    met = ", ".join(f"{count} met {what}" for what, count in toll.met.items())
    print(f"\n{sum(toll.met.values())} kills of a {options.what} of one study of ", end="")
    print(f"{options.trials} trials in {ours_s / 60:.1f} min: {met};")
    print(f"all processes of a killed driver were gone within {toll.longest_s:.1f} s\n")
    print_table(ours, theirs)
    if not all(ours.values()):
        kept = shutil.copytree(runs, Path.cwd() / f"crash-resume-{os.getpid()}")
        sys.exit(f"a crash left a trace; the study is kept in {kept}.")


def run_undisturbed(runs: Path, trials: int) -> float:
    """Run the study that nobody kills; return the seconds from its start to its first epoch."""
    started_s = time.monotonic()
    with session("engine", runs, trials) as running:
        if not wait_until(lambda: num_epochs(runs) > 0, running):
            sys.exit(f"no epoch was trained; see {(runs / 'driver.log').read_text()[-2000:]}")
        start_s = time.monotonic() - started_s
        running.process.wait(DRIVER_S)
    return start_s


def compare_ray(options: argparse.Namespace, folder: Path, rng: random.Random) -> list[Verdicts]:
    """Return how each try of Ray's own way went."""
    if options.ray_tries == 0:
        return []
    run_to_the_end("ray", folder / "ray-whole", options.ray_trials)
    whole = json.loads((folder / "ray-whole" / "results.json").read_text())
    tries = []
    for number in range(options.ray_tries):
        tries.append(try_ray(folder / f"ray-{number}", whole, options.ray_trials, rng))
        print(f"  Ray's own way, try {number + 1}: {'clean' if all(tries[-1].values()) else 'not'}")
    return tries


def print_table(ours: Verdicts, theirs: Sequence[Verdicts]) -> None:
    """Print one line per criterion."""
    print(f"{'':<55} {'this engine':>12} {'OptunaSearch, Tuner.restore':>28}")
    rows = [*((name, ours[name], [v[name] for v in theirs]) for name in ours)]
    rows.append(("all of these", all(ours.values()), [all(v.values()) for v in theirs]))
    for name, mine, others in rows:
        told = f"{sum(others)} of {len(others)} tries" if others else "not tried"
        print(f"{name:<55} {'yes' if mine else 'NO':>12} {told:>28}")


if __name__ == "__main__":
    main()
