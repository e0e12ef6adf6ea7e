"""What a driver does with a slot, for tests: make assignments, step a trial, look for events."""

import hashlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
import slot_phases

from trainables.assignment import Assignment, Stage
from trainables.pool import SlotPool
from trainables.slot_config import SlotShape
from trainables.trial import TrialTrainable

Report = dict[str, Any]
PATIENCE_S = 150.0


def small_pool(store: Path, **options: Any) -> SlotPool:
    """Make a pool of one slot for the tiny phases; options are `SlotPool`'s."""
    usual = {
        "count": 1,
        "shape": SlotShape(cpus_per_worker=0.5),
        "phases": "slot_phases:PHASES",
        "opener": "slot_phases:open_nothing",
    }
    return SlotPool(store_root=store, **{**usual, **options})


def assignment(
    trial: int,
    phase: str = "count",
    *,
    decisions: tuple[int, ...] = (),
    parents: dict[str, str] | None = None,
    root: str = "",
    seed: int | None = None,
    **config: Any,
) -> Assignment:
    """Make the assignment of a stage that no other trial has."""
    settings = slot_phases.PHASES[phase].config.model_validate(config)
    key = hashlib.sha256(f"{trial} {phase} {settings} {parents}".encode()).hexdigest()
    stage = Stage(
        key=key,
        label=phase,
        phase=phase,
        config=settings.model_dump(mode="json"),
        parents=parents or {},
        data=slot_phases.stage_data(root),
        seed=trial if seed is None else seed,
        epochs=slot_phases.PHASES[phase].epochs(settings),
    )
    return Assignment(trial=trial, attempt=1, stage=stage, decision_epochs=decisions)


def trial_config(slot: str, store: Path, jobs: Sequence[Assignment]) -> dict[str, Any]:
    """Return what Tune hands to the trainable."""
    return {
        "trial": jobs[0].trial,
        "attempt": jobs[0].attempt,
        "slot": slot,
        "store": str(store),
        "assignments": [job.to_json() for job in jobs],
    }


class Trial:
    """A trial that the test steps by hand."""

    def __init__(self, slot: str, store: Path, *jobs: Assignment) -> None:
        self.trainable = TrialTrainable(trial_config(slot, store, jobs))
        self.reports: list[Report] = []
        self.ended = False
        self.longest_step_s = 0.0

    def reset(self, slot: str, store: Path, *jobs: Assignment) -> "Trial":
        """Hand the same actor another trial, as Tune does."""
        assert self.trainable.reset_config(trial_config(slot, store, jobs))
        self.reports, self.ended = [], False
        return self

    def step(self) -> list[Report]:
        started = time.monotonic()
        result = self.trainable.step()
        self.longest_step_s = max(self.longest_step_s, time.monotonic() - started)
        self.reports += result["reports"]
        self.ended = result["ended"]
        return list(result["reports"])

    def until(self, seen: Callable[[Report], bool]) -> Report:
        """Step until a report is seen."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for report in self.step():
                if seen(report):
                    return report
            assert not self.ended, self.reports
        raise AssertionError(f"not seen within {PATIENCE_S:.0f} s: {self.reports}")

    def run(self) -> list[Report]:
        """Step to the end."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.ended:
            self.step()
            assert time.monotonic() < deadline, self.reports
        return self.reports

    def events(self) -> list[tuple[str, int]]:
        return [(report["event"], report["epoch"]) for report in self.reports]

    def epochs(self) -> list[int]:
        return [report["epoch"] for report in self.reports if report["event"] == "epoch"]

    def pids(self) -> list[int]:
        """Return the processes that reported, in order."""
        pids = [int(r["metrics"]["val/pid"]) for r in self.reports if r["event"] == "epoch"]
        return list(dict.fromkeys(pids))


def lend(pool: SlotPool) -> str:
    """Wait for a slot."""
    deadline = time.monotonic() + PATIENCE_S
    while (slot := pool.lend()) is None:
        pool.poll()
        time.sleep(0.05)
        assert time.monotonic() < deadline, pool.states()
    return slot


def status(slot: str) -> dict[str, Any]:
    """Ask a slot how it is, however long it takes to come back."""
    facts: dict[str, Any] = ray.get(ray.get_actor(slot).status.remote(), timeout=PATIENCE_S)
    return facts


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    os.kill(pid, number)


def is_running(pid: int) -> bool:
    """Say whether a process exists and is more than a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
