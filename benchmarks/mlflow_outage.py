"""Take the MLflow server away for ten minutes and see what it has in the end, and what that cost.

Claim: nothing is lost, nothing comes twice, and training does not wait.

Method: two studies of the same seeds run side by side, each on one slot and each tracking on an
MLflow server of its own. Their phases rest instead of training, so that neither takes the other's
cores. When the first has ended its first trial its server is killed, and started again after the
outage. In the end both are compared field by field: journal, weights, Optuna's copy, and every run,
parameter and metric with all its points in MLflow. The slow-down is the ratio of the times from
each study's first epoch to its last.

    python benchmarks/mlflow_outage.py [--minutes 10] [--write]
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from crash_sessions import command, wait_until
from result_table import show_result
from soak_comparison import compare, table_of
from tracking_server import TrackingServer

from sweep.folders import RunsDir
from sweep.journal import read_journal
from sweep.ledger import Record

NAME = "mlflow_outage"
EPOCHS = 10
REST_S = 1.0
TRIAL_S = 2 * EPOCHS * REST_S
ENDS_LATER = 5
"""Trials that are to be trained when the server is there again, the first one among them."""


def study_of(trials: int) -> dict[str, Any]:
    """Return a study whose phases rest; one slot after the other, its points know no timing."""
    settings = {
        f"{phase}/{name}": value
        for phase in ("rehearse_first", "rehearse_last")
        for name, value in (("epochs", EPOCHS), ("load/rest_s", REST_S), ("load/noise", 0.01))
    }
    return {
        "question": "Does training wait for MLflow?",
        "data": {"name": "none"},
        "plan": ["rehearse_first", "rehearse_last"],
        "settings": settings,
        "space": "rehearsal",
        "objective": {"metric": "rehearse_last/val/error", "direction": "minimize"},
        "search": {"sampler": "tpe", "trials": trials},
        "slots": {"count": 1},
    }


def main() -> None:
    """Run both studies, compare them, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="that the server is away")
    parser.add_argument("--write", action="store_true", help="write the table to results/")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="outage-"))
    try:
        lines, is_clean = outage(folder, options.minutes)
    finally:
        shutil.rmtree(folder)
    show_result(NAME, __doc__, lines, write=options.write)
    if not is_clean:
        sys.exit("the study whose server was away does not equal the other one.")


def outage(folder: Path, minutes: float) -> tuple[list[str], bool]:
    """Return the table's lines, and whether both studies are equal."""
    trials = round(60 * minutes / TRIAL_S) + ENDS_LATER
    study = folder / f"{NAME}.yaml"
    study.write_text(yaml.safe_dump(study_of(trials)))
    servers = [TrackingServer(folder / "server-there"), TrackingServer(folder / "server-away")]
    there, away = (RunsDir(folder / name) for name in ("there", "away"))
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.await_answer()
        uris = [{"MLFLOW_TRACKING_URI": server.uri} for server in servers]
        with command(study, there.root, uris[0]) as one, command(study, away.root, uris[1]) as two:
            if not wait_until(lambda: "end" in _kinds(away), two):
                sys.exit(f"no trial ended: {(away.root / 'driver.log').read_text()[-2000:]}")
            servers[1].stop()
            gone_s = time.time()
            time.sleep(60 * minutes)
            servers[1].start()
            back_s = time.time()
            if one.process.wait() or two.process.wait():
                sys.exit("a study failed.")
            ended_s = time.time()
    finally:
        for server in servers:
            server.stop()
    comparison = compare(
        there,
        away,
        NAME,
        whole_uri=f"sqlite:///{servers[0].database}",
        struck_uri=f"sqlite:///{servers[1].database}",
    )
    for difference in comparison.differences:
        sys.stderr.write(f"{difference}\n")
    meanwhile = sum(gone_s < record["time_s"] < back_s for record in _epochs(away))
    return [
        f"{trials} trials of {2 * EPOCHS} epochs; the server was away for {back_s - gone_s:.0f} s, "
        f"in which {meanwhile} epochs were reported. The command ended {ended_s - back_s:.0f} s "
        "after it was started again.",
        "",
        "| | server there | server away |",
        "|---|---|---|",
        f"| first epoch to last | {_lasted_s(there):.1f} s | {_lasted_s(away):.1f} s |",
        f"| ratio | 1 | {_lasted_s(away) / _lasted_s(there):.4f} |",
        "",
        *table_of([comparison]),
    ], not comparison.differences


def _kinds(runs: RunsDir) -> set[str]:
    journal = runs.study(NAME).journal
    return {record["kind"] for record in read_journal(journal)} if journal.exists() else set()


def _epochs(runs: RunsDir) -> list[Record]:
    return [
        record for record in read_journal(runs.study(NAME).journal) if record["kind"] == "epoch"
    ]


def _lasted_s(runs: RunsDir) -> float:
    times = [record["time_s"] for record in _epochs(runs)]
    return float(max(times) - min(times))


if __name__ == "__main__":
    main()
