"""Drivers with a Ray cluster of their own, killed, interrupted, or robbed of their raylet."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from sweep.ledger import Ledger
from tests.faults.processes import descendants, is_running, kill, titled, wait_until
from tests.faults.walk_driver import is_undisturbed, journal_of, make_study

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
GONE_S = 30.0
RAY_AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


@contextmanager
def driver(study, runs):
    """Start the command; whatever the test does, it is dead in the end."""
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    with (runs / "stderr.txt").open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.walk_driver", study.model_dump_json(), str(runs)],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def epochs_on_record(runs):
    return sum(record["kind"] == "epoch" for record in journal_of(runs))


def kill_and_see_all_go(process):
    """Kill the driver; everything it started must end within half a minute.

    But for Ray's two agents: they give themselves a minute to tell a head node that died as well
    that their raylet did. They hold nothing.
    """
    members = descendants(process.pid)
    agents = {pid for title in RAY_AGENTS for pid in titled(title, under=process.pid)}
    assert len(agents) == len(RAY_AGENTS) < len(members)
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_running, set(members) - agents)), patience_s=GONE_S)


def assert_as_if_nothing_had_happened(runs):
    """Compare with what nobody disturbs: journal, its copy, nothing left over."""
    records, ledger = journal_of(runs), Ledger(journal_of(runs))
    assert list(ledger.trials) == [0, 1, 2]
    assert all(map(is_undisturbed, ledger.trials.values()))
    ends = Counter(record["trial"] for record in records if record["kind"] == "end")
    assert ends == dict.fromkeys(ledger.trials, 1), "no finished trial is lost or repeated"
    reached = Counter()
    for record in records:
        if record["kind"] == "epoch":
            reached[record["trial"]] = record["epoch"]
        if record["kind"] == "stage" and record["status"] == "running":
            assert record["resumed_from"] >= reached[record["trial"]]
    storage = JournalStorage(JournalFileBackend(str(runs / "walk" / "optuna.log")))
    copies = optuna.load_study(study_name="walk", storage=storage).trials
    assert [copy.state.name for copy in copies] == ["COMPLETE"] * len(ledger.trials)
    with sqlite3.connect(runs / "mlflow.db") as connection:
        mirrored = connection.execute("select name, status from runs").fetchall()
    assert {status for _, status in mirrored} == {"FINISHED"}
    assert len(mirrored) == 1 + 2 * len(ledger.trials), "one run each for study, trials and phases"
    assert not (runs / "walk" / ".scratch").exists()


@pytest.mark.soak
def test_f2_f3_a_driver_killed_and_one_whose_raylet_is_killed_leave_a_study_that_goes_on(
    tmp_path,
):
    """F2: kill -9 of the driver leaves no orphan. F3: without its raylet it ends and says so."""
    study = make_study(settings={"walk/rest_s": 2.0})
    with driver(study, tmp_path) as process:
        wait_until(lambda: epochs_on_record(tmp_path) >= 2)
        kill_and_see_all_go(process)
    with driver(study, tmp_path) as process:
        # Ray takes 15 s to miss a raylet; what runs without it goes on for so long.
        wait_until(lambda: epochs_on_record(tmp_path) >= 3)
        members = descendants(process.pid)
        kill(titled("raylet/raylet", under=process.pid)[0])
        assert process.wait(120) == 1
        assert "Ray's processes on this machine are gone" in (tmp_path / "stderr.txt").read_text()
        wait_until(lambda: not any(map(is_running, members)), patience_s=GONE_S)
    assert Ledger(journal_of(tmp_path)).sessions[-1]["event"] == "interrupted"
    with driver(study, tmp_path) as process:
        assert process.wait(240) == 0, (tmp_path / "stderr.txt").read_text()
    assert_as_if_nothing_had_happened(tmp_path)


@pytest.mark.soak
def test_f14_a_second_sigint_ends_at_once_with_130(tmp_path):
    slow = make_study(settings={"walk/rest_s": 60.0})
    with driver(slow, tmp_path) as process:
        wait_until(lambda: any(record["kind"] == "stage" for record in journal_of(tmp_path)))
        members = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        time.sleep(1.0)  # signals of one kind that come together are one
        process.send_signal(signal.SIGINT)
        # At once: nobody waits for an epoch that takes a minute.
        assert process.wait(50) == 130, (tmp_path / "stderr.txt").read_text()
        wait_until(lambda: not any(map(is_running, members)), patience_s=GONE_S)
