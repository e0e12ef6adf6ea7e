"""Trying configurations: what to try, and the processes that do it, as many as slots at once."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sweep.lineage import PROJECT
from sweep.pricing.samples import Sample, config_identity, cut_short
from sweep.pricing.tryout import Request
from sweep.slot_fit import SlotFit
from trainables.assignment import Assignment, Stage
from trainables.keys import Execution
from trainables.plans import make_stages

POLL_S = 0.05
LIMIT_S = 900.0
"""A handful of steps that takes longer than this is ended: the study would hardly do better."""

MESSAGE_CHARS = 2000
KILLED = -9

OUT_OF_MEMORY = "out_of_memory"
TOO_SLOW = "too_slow"
NO_PARENT = "no_parent"

Found = Mapping[str, Any]
"""What a tryout found: see `sweep.pricing.tryout.run`."""


@dataclass(frozen=True)
class Tryout:
    """One phase with settings of its own.

    Attributes:
        identity: Its shortened settings' identity (`config_identity`).
        stage: What to run, but for its parents.
        parents: Phase -> identity of the tryout whose artifacts will do; any of these will.
        given: Phase -> key of stages that are in the store from the start.
    """

    identity: str
    stage: Stage
    parents: list[Mapping[str, str]] = field(default_factory=list)
    given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """Where tryouts run.

    Attributes:
        folder: For their stage store, requests and results; not the study's.
        at_once: Processes that run at once.
        threads: Threads of each.
        gpus: For each process that runs at once, the GPU it sees; empty for the CPU.
        phases: See `tryout.Request`.
        opener: See `tryout.Request`.
    """

    folder: Path
    at_once: int
    threads: int
    gpus: Sequence[str] = ()
    phases: str = Request.phases
    opener: str = Request.opener

    @property
    def store_root(self) -> Path:
        """Return the stage store's folder."""
        return self.folder / "stages"


def plan_tryouts(
    samples: Sequence[Sample],
    *,
    fit: SlotFit,
    data: Mapping[str, Any],
    given: Mapping[str, str],
) -> dict[str, Tryout]:
    """Return what to try, by identity: settings that several configurations share come once.

    Args:
        samples: The configurations.
        fit: The slots.
        data: As for `make_stages`.
        given: Plan label -> key of the stage that stands for the plan up to there.
    """
    tryouts: dict[str, Tryout] = {}
    for sample in samples:
        plan, configs = sample.point.plan, cut_short(sample.point, fit)
        imported = {label: key for label, key in given.items() if label in configs}
        stages = make_stages(
            plan, configs, data=data, seed=0, execution=Execution(), imported=imported
        )
        identities = {stage.key: config_identity(plan, configs, stage.label) for stage in stages}
        for stage in stages:
            identity = identities[stage.key]
            own = {phase: key for phase, key in stage.parents.items() if key in identities}
            foreign = {
                phase: key for phase, key in stage.parents.items() if key not in own.values()
            }
            tryout = tryouts.setdefault(identity, Tryout(identity, stage, given=foreign))
            tryout.parents.append({phase: identities[key] for phase, key in own.items()})
    return tryouts


def run_tryouts(
    tryouts: Mapping[str, Tryout], bench: Bench, *, advance: Callable[[int, int], None]
) -> dict[str, Found]:
    """Run every tryout and return what each found, by identity; a failure is found too."""
    found: dict[str, Found] = {}
    waiting = list(tryouts.values())
    advance(0, len(tryouts))
    with ExitStack() as stack:
        running: dict[int, _Running] = {}
        while waiting or running:
            for tryout in list(waiting):
                parents = _parents(tryout, found)
                if isinstance(parents, str):
                    found[tryout.identity] = _failure(NO_PARENT, parents)
                    waiting.remove(tryout)
                elif parents is not None and len(running) < bench.at_once:
                    place = min(set(range(bench.at_once)) - running.keys())
                    stage = replace(
                        tryout.stage,
                        parents={
                            **tryout.given,
                            **{name: tryouts[i].stage.key for name, i in parents.items()},
                        },
                    )
                    running[place] = _Running.start(stage, tryout.identity, bench, place)
                    stack.callback(running[place].end)
                    waiting.remove(tryout)
            for place, process in list(running.items()):
                result = process.result()
                if result is not None:
                    found[process.identity] = result
                    del running[place]
                    advance(len(found), len(tryouts))
            time.sleep(POLL_S)
    return found


def _parents(tryout: Tryout, found: Mapping[str, Found]) -> Mapping[str, str] | str | None:
    """Return parents that will do, why there are none, or None if that is not known yet."""
    reason = ""
    for parents in tryout.parents:
        failed = [i for i in parents.values() if i in found and found[i]["failure"] is not None]
        if failed:
            reason = str(found[failed[0]]["failure"]["message"])
        elif all(identity in found for identity in parents.values()):
            return parents
        else:
            return None
    return reason


@dataclass(frozen=True)
class _Running:
    """A tryout's process."""

    identity: str
    process: subprocess.Popen[bytes]
    answer: Path
    errors: Path
    started_s: float

    @classmethod
    def start(cls, stage: Stage, identity: str, bench: Bench, place: int) -> "_Running":
        """Start it; it ends by itself if this process goes."""
        request = Request(
            assignment=Assignment(trial=0, attempt=1, stage=stage).to_json(),
            store_root=str(bench.store_root),
            threads=bench.threads,
            device="cuda" if bench.gpus else "cpu",
            phases=bench.phases,
            opener=bench.opener,
        )
        base = bench.folder / stage.key
        wanted, answer = base.with_suffix(".request.json"), base.with_suffix(".result.json")
        wanted.write_text(json.dumps(asdict(request)))
        paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        if bench.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = bench.gpus[place]
        errors = base.with_suffix(".errors")
        with errors.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "sweep.pricing.tryout", str(wanted), str(answer)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=file,
                env=environment,
            )
        return cls(identity, process, answer, errors, time.monotonic())

    def result(self) -> Found | None:
        """Return what was found once the process has ended or has been at it for too long."""
        code = self.process.poll()
        if code is None:
            if time.monotonic() - self.started_s < LIMIT_S:
                return None
            self.end()
            return _failure(TOO_SLOW, f"a few steps were not done after {LIMIT_S:.0f} s")
        self.end()
        if code == 0:
            answer: dict[str, Any] = json.loads(self.answer.read_text())
            return answer
        if code == KILLED:
            return _failure(OUT_OF_MEMORY, "the system ended it, as it does when memory runs out")
        return _failure("code", f"its process ended with {code}: {self._last_words()}")

    def end(self) -> None:
        """End the process if it has not ended, and let go of it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()

    def _last_words(self) -> str:
        return self.errors.read_text(errors="replace")[-MESSAGE_CHARS:].strip()


def _failure(error_class: str, message: str) -> Found:
    return {"failure": {"error_class": error_class, "message": message}}
