"""Strike a study with a fault every 20 seconds, then compare it with one that nobody disturbed.

Claim: whatever happens to workers, driver, journal, checkpoints, tracking server and databases, the
study ends as the fault-free one of the same seeds does, field by field: suggestions, decisions at
rungs, every metric of every epoch, objectives, the weights bit by bit, Optuna's copy, and of
MLflow's runs which there are, their status, parameters, tags, data sets, metrics with every point
and the names of all artifacts. Times and counts of attempts are left out.

Method: `python sweep/run.py` on a study of rendered hands (pretraining and finetuning, TPE, cohorts
of synchronous successive halving) tracks on an MLflow server. Faults come at exponentially
distributed intervals, drawn evenly from these:

    F1   a training worker is killed; where none has come yet, the first that does
    F2   the driver is killed, and the command is given again
    F5   the same, and the journal's last record and the newest saved state are torn somewhere
    F10  the MLflow server is killed, or stops answering, for 5 to 15 s
    F11  somebody holds MLflow's database and Optuna's file for 5 to 15 s
    F14  the driver gets SIGTERM; it has 10 s; the command is given again

With `--nodes` the struck study runs on a Ray cluster of so many nodes of one core beside its head,
the undisturbed one on this machine as ever, and to the faults come

    F3   a node is killed with all that runs on it, and another comes; or head and nodes are, the
         cluster is brought up anew, and the command is given again

A study that ends before the time is over is followed by the next, of another seed. After the time
the last one is left alone to its end.

    python benchmarks/soak.py [--minutes 30] [--every 20] [--seed 0] [--trials 24] [--nodes 0]
"""

import argparse
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import yaml
from crash_sessions import Session, command, family, titled
from logical_cluster import LogicalCluster
from result_table import show_result
from soak_comparison import Comparison, compare, table_of
from tracking_server import TrackingServer

from sweep.execution import CANNOT_GO_ON
from sweep.folders import RunsDir

NAME = "soak"
NOTICE_S = 10.0
OUTAGE_S = (5.0, 15.0)
LOG_CHARS = 3000
LOST_S = 300.0  # for a driver to notice that its cluster is gone
STRUCK = (-signal.SIGKILL, 128 + signal.SIGTERM)
"""What the command ends with that was killed or terminated."""
LOST = (CANNOT_GO_ON, 2)
"""What it ends with that lost its cluster: it says so, or is refused where it had not begun."""
SLOTS = 2
WORKER = "ray::RayTrainWorker"
WORKER_COMES_S = 120  # after the driver was started again, at the latest


def study_of(trials: int, seed: int) -> dict[str, Any]:
    """Return a study that trains for seconds, and whose decisions are free of timing."""
    return {
        "question": "Does a study end as if nothing had happened?",
        "data": {
            "name": "rendered_hands",
            "image_px": 48,
            "unlabelled": 512,
            "train": 256,
            "val": 128,
            "test": 32,
        },
        "plan": ["pretrain", "finetune"],
        "settings": {
            "pretrain/image_px": 40,
            "pretrain/epochs": 6,
            "pretrain/batch_size": 64,
            "pretrain/probe/labels": 64,
            "finetune/image_px": 40,
            "finetune/epochs": 6,
            "finetune/steps_per_epoch": 8,
            "finetune/batch_size": 32,
        },
        "space": "composition",
        "arms": {"simclr": {"baseline": "simclr"}},
        "objective": {"metric": "finetune/val/root_epe_mm", "direction": "minimize"},
        "search": {"sampler": "tpe", "trials": trials},
        "early_stop": {"rule": "sync", "cohort": 6, "rungs": [0.34, 0.67], "proxy": True},
        "seeds": {"study": seed},
        "slots": {"count": SLOTS},
    }


@dataclass
class Soak:
    """One study under faults."""

    folder: Path
    study: Path
    server: TrackingServer
    rng: random.Random
    cluster: LogicalCluster | None = None
    is_lost: bool = False
    met: Counter[str] = field(default_factory=Counter)
    longest_notice_s: float = 0.0
    outages: list[threading.Thread] = field(default_factory=list)

    @property
    def runs(self) -> Path:
        """Return its runs folder."""
        return self.folder / "runs"

    def drive(self, until_s: float, every_s: float) -> None:
        """Run the study to its end, with faults until a moment of the monotonic clock.

        Raises:
            RuntimeError: If the command ends in another way than faults make it end.
        """
        faults: list[Callable[[Session], None]] = [
            self.kill_worker,
            self.kill_driver,
            self.tear,
            self.take_server_away,
            self.hold_databases,
            self.terminate,
        ]
        if self.cluster is not None:
            faults += [self.lose_node, self.lose_head]
        while True:
            uri = {"MLFLOW_TRACKING_URI": self.server.uri}
            self.is_lost = False
            with command(self.study, self.runs, uri, options=self._address) as running:
                while not running.ends_within(self.rng.expovariate(1 / every_s)):
                    if time.monotonic() < until_s:
                        self.rng.choice(faults)(running)
                code = running.process.wait()
            if code == 0:
                break
            if code not in (LOST if self.is_lost else STRUCK):
                said = (self.runs / "driver.log").read_text()[-LOG_CHARS:]
                raise RuntimeError(f"the command ended with {code}:\n{said}")
        for outage in self.outages:
            outage.join()

    @property
    def _address(self) -> list[str]:
        if self.cluster is None:
            return []
        return ["--address", self.cluster.address, "--nodes", str(1 + self.cluster.nodes)]

    def lose_node(self, running: Session) -> None:  # noqa: ARG002 - the cluster's fault
        """F3, of a node."""
        assert self.cluster is not None
        self.cluster.replace_node(self.rng)
        self.met["F3 a node killed, another added"] += 1

    def lose_head(self, running: Session) -> None:
        """F3, of the head."""
        assert self.cluster is not None
        self.is_lost = True
        self.cluster.kill()
        running.process.wait(LOST_S)
        self.cluster.restart()
        self.met["F3 head and nodes killed, brought up anew"] += 1

    def kill_worker(self, running: Session) -> None:
        """F1."""
        owner = running.process.pid if self.cluster is None else os.getpid()
        for _ in range(WORKER_COMES_S):
            if victims := titled(WORKER, family(owner)):
                with suppress(ProcessLookupError):
                    os.kill(self.rng.choice(victims), signal.SIGKILL)
                self.met["F1 a worker killed"] += 1
                return
            if running.ends_within(1.0):
                return

    def kill_driver(self, running: Session) -> None:
        """F2."""
        running.kill()
        self.met["F2 the driver killed"] += 1

    def tear(self, running: Session) -> None:
        """F5."""
        running.kill()
        self.met["F5 the driver killed, journal and newest state torn"] += 1
        journal = RunsDir(self.runs).study(NAME).journal
        if journal.exists():
            _tear_last_line(journal, self.rng)
        states = list(RunsDir(self.runs).stages.glob("**/state/*.safetensors"))
        if states:
            newest = max(states, key=lambda path: path.stat().st_mtime_ns)
            os.truncate(newest, self.rng.randrange(newest.stat().st_size))

    def take_server_away(self, running: Session) -> None:  # noqa: ARG002 - the server's fault
        """F10."""
        if self.rng.random() < 0.5:
            self._for_a_while(
                lambda: self.server.signal(signal.SIGSTOP),
                lambda: self.server.signal(signal.SIGCONT),
            )
            self.met["F10 the MLflow server silent"] += 1
        else:
            self._for_a_while(self.server.stop, self.server.start)
            self.met["F10 the MLflow server gone"] += 1

    def hold_databases(self, running: Session) -> None:  # noqa: ARG002 - the files' fault
        """F11."""
        lock = RunsDir(self.runs).study(NAME).optuna_log.with_name("optuna.log.lock")
        connection = sqlite3.connect(self.server.database, check_same_thread=False, timeout=60.0)

        def hold() -> None:
            with suppress(sqlite3.OperationalError):
                connection.execute("BEGIN EXCLUSIVE")
            with suppress(OSError):
                lock.symlink_to("optuna.log")

        def let_go() -> None:
            connection.close()
            lock.unlink(missing_ok=True)

        self._for_a_while(hold, let_go)
        self.met["F11 the databases held"] += 1

    def terminate(self, running: Session) -> None:
        """F14."""
        running.process.send_signal(signal.SIGTERM)
        sent_s = time.monotonic()
        code = running.process.wait()
        self.longest_notice_s = max(self.longest_notice_s, time.monotonic() - sent_s)
        self.met["F14 the driver terminated"] += 1
        if code not in (0, 128 + signal.SIGTERM):
            raise RuntimeError(f"SIGTERM ended the command with {code}, not with 143")
        if self.longest_notice_s > NOTICE_S:
            raise RuntimeError(f"after SIGTERM the command took {self.longest_notice_s:.1f} s")

    def _for_a_while(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        """Have something last for some seconds, beside whatever comes meanwhile."""
        for outage in self.outages:
            outage.join()  # one at a time: what holds a database may not outlive its server
        begin()
        lasts_s = self.rng.uniform(*OUTAGE_S)

        def last() -> None:
            time.sleep(lasts_s)
            end()

        self.outages = [threading.Thread(target=last)]
        self.outages[0].start()


def _folder_of_ray() -> tempfile.TemporaryDirectory[str]:
    """Return a folder of its own, in which agents may write that outlive their node by a while."""
    return tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)


def _tear_last_line(path: Path, rng: random.Random) -> None:
    """Cut the last line of a file somewhere within it."""
    content = path.read_bytes()
    start = content.rstrip(b"\n").rfind(b"\n") + 1
    os.truncate(path, rng.randrange(start, len(content)))


def main() -> None:
    """Strike, compare, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=20.0, help="mean seconds between faults")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0, help="of faults, and of the first study")
    parser.add_argument("--nodes", type=int, default=0, help="of a cluster, 2 or more")
    parser.add_argument("--keep", type=Path, help="keep the folders there")
    parser.add_argument("--write", action="store_true", help="write the table under results/")
    options = parser.parse_args()
    if options.nodes and options.nodes < SLOTS:
        parser.error(f"--nodes must be at least {SLOTS}, one for each slot; got {options.nodes}.")
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        lines, is_clean = soak(options, folder)
    finally:
        if options.keep:
            shutil.copytree(folder, options.keep, symlinks=True)
        shutil.rmtree(folder)
    show_result(
        NAME if not options.nodes else f"{NAME}_on_nodes", __doc__, lines, write=options.write
    )
    if not is_clean:
        sys.exit("the study does not equal the undisturbed one.")


def soak(options: argparse.Namespace, folder: Path) -> tuple[list[str], bool]:
    """Return the table's lines, and whether all studies equal the undisturbed ones."""
    rng = random.Random(options.seed)
    met: Counter[str] = Counter()
    started_s = time.monotonic()
    struck_s = longest_notice_s = 0.0
    comparisons: list[Comparison] = []
    for seed in range(options.seed, options.seed + 1000):
        study = folder / str(seed) / f"{NAME}.yaml"
        study.parent.mkdir()
        study.write_text(yaml.safe_dump(study_of(options.trials, seed)))
        whole = study.parent / "whole"
        with command(study, whole) as running:
            if running.process.wait() != 0:
                sys.exit(f"the undisturbed study failed: {(whole / 'driver.log').read_text()}")
        server = TrackingServer(study.parent / "server")
        struck = Soak(study.parent / "struck", study, server, rng)
        shutil.copytree(RunsDir(whole).data, RunsDir(struck.runs).data)
        with ExitStack() as stack:
            if options.nodes:
                cores = max(1, (os.cpu_count() or 1) // SLOTS)  # as many as a slot has without
                place = Path(stack.enter_context(_folder_of_ray()))
                cluster = LogicalCluster(place, nodes=options.nodes, cores=cores)
                struck.cluster = stack.enter_context(cluster)
            server.start()
            stack.callback(server.stop)
            server.await_answer()
            begun_s = time.monotonic()
            try:
                struck.drive(begun_s + 60.0 * options.minutes - struck_s, options.every)
            finally:
                struck_s += time.monotonic() - begun_s
            comparison = compare(
                RunsDir(whole),
                RunsDir(struck.runs),
                NAME,
                whole_uri=RunsDir(whole).mlflow_uri,
                struck_uri=server.uri,
            )
        met += struck.met
        longest_notice_s = max(longest_notice_s, struck.longest_notice_s)
        comparisons.append(comparison)
        for difference in comparison.differences:
            sys.stderr.write(f"seed {seed}: {difference}\n")
        if struck_s >= 60.0 * options.minutes:
            break
    minutes = (time.monotonic() - started_s) / 60
    return table(met, comparisons, struck_s, longest_notice_s, minutes), not any(
        comparison.differences for comparison in comparisons
    )


def table(
    met: Mapping[str, int],
    comparisons: list[Comparison],
    struck_s: float,
    longest_notice_s: float,
    minutes: float,
) -> list[str]:
    """Return the result as lines of Markdown."""
    return [
        f"{len(comparisons)} studies, {struck_s / 60:.1f} min under faults, {minutes:.1f} min with "
        f"the undisturbed ones; {sum(met.values())} faults. After SIGTERM the driver was gone in "
        f"{longest_notice_s:.1f} s at most (notice: {NOTICE_S:.0f} s).",
        "",
        "| fault | times |",
        "|---|---|",
        *(f"| {name} | {times} |" for name, times in sorted(met.items())),
        "",
        *table_of(comparisons),
    ]


if __name__ == "__main__":
    main()
