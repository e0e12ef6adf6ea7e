"""A few steps of one phase, in a process of its own, so that the memory found is the phase's.

usage: python -m sweep.pricing.tryout REQUEST_JSON RESULT_JSON

It trains as a slot's worker does: the same function, stage store, threads and device. It ends when
its standard input does, and so with the process that started it.
"""

import json
import multiprocessing
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from hpe.phases.phase import Artifacts, Phase, PhaseInputs, PhaseSpec, State
from trainables.assignment import Assignment, Directive
from trainables.clean_room import CleanRoom
from trainables.stages import StageStore
from trainables.training import Seat, failure_of, train_stage

KIB = 1024


@dataclass(frozen=True)
class Request:
    """What to try.

    Attributes:
        assignment: As `Assignment.to_json` returns it.
        store_root: A stage store that has the parents' stages.
        threads: Threads to compute with.
        device: `cpu` or `cuda`.
        phases: `module:attribute` of the phases.
        opener: `module:attribute` of what opens the data.
    """

    assignment: Mapping[str, Any]
    store_root: str
    threads: int
    device: str
    phases: str = "hpe.phases.catalog:PHASES"
    opener: str = "trainables.stage_data:open_stage_data"


@dataclass
class StopWatch:
    """The slot, as the tryout sees it: notes when what happens, and says to go on.

    Attributes:
        events: (what, seconds since some moment): `begin`, then per epoch a `step` per call of an
            optimizer, `trained` (the phase has yielded) and `saved`; at the end `committed`.
        unfinished_bytes: The most the stage took on disk while it was being trained.
        children_bytes: The most memory that child processes held on their own.
    """

    folder: Path
    device: torch.device
    events: list[tuple[str, float]] = field(default_factory=list)
    unfinished_bytes: int = 0
    children_bytes: int = 0

    def note(self, event: str) -> None:
        """Note an event once the device has done all it was told to."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.events.append((event, time.perf_counter()))

    def step(self, *_: object) -> None:
        """Note an optimizer's step."""
        self.note("step")
        children = multiprocessing.active_children()
        held = sum(_own_bytes(child.pid) for child in children if child.pid is not None)
        self.children_bytes = max(self.children_bytes, held)

    def begin(self, epoch: int, history: object) -> Directive:
        """See `trainables.training.Desk`."""
        del epoch, history
        self.note("begin")
        return Directive.CONTINUE

    def report(self, epochs: object) -> Directive:
        """See `trainables.training.Desk`."""
        del epochs
        self.unfinished_bytes = max(self.unfinished_bytes, folder_bytes(self.folder))
        self.note("saved")
        return Directive.CONTINUE

    def working(self, beat: int, on_batches: bool) -> None:
        """See `trainables.training.Desk`."""

    def finish(self, history: object) -> None:
        """See `trainables.training.Desk`."""
        del history
        self.note("committed")


def run(request: Request) -> dict[str, Any]:
    """Train, and return what was found as JSON data; a failure is something found."""
    assignment = Assignment.from_json(request.assignment)
    stage, device = assignment.stage, torch.device(request.device)
    store = StageStore(Path(request.store_root))
    watch = StopWatch(store.folder(stage.key), device)
    failure = None
    CleanRoom(threads=request.threads).restore(stage.seed)
    hook = register_optimizer_step_post_hook(watch.step)
    try:
        data = resolve_name(request.opener)(stage.data)
        spec: PhaseSpec = resolve_name(request.phases)[stage.phase]
        train_stage(
            assignment,
            store=store,
            phases={stage.phase: replace(spec, run=_watched(spec.run, watch))},
            open_data=lambda _: data,
            desk=watch,
            seat=Seat(rank=0, world_size=1, device=device),
            lineage={},
        )
    except Exception as error:  # noqa: BLE001  a process edge: it is the result
        found = failure_of(error)
        failure = {"error_class": found.error_class, "message": found.message}
    finally:
        hook.remove()
    return {
        "events": watch.events,
        "host_bytes": _peak_bytes() + watch.children_bytes,
        "cuda_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else 0,
        "unfinished_bytes": watch.unfinished_bytes,
        "committed_bytes": folder_bytes(watch.folder) if failure is None else 0,
        "failure": failure,
    }


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _watched(phase_function: Callable[..., Phase], watch: StopWatch) -> Callable[..., Phase]:
    """Return a phase that notes when it has finished an epoch."""

    @wraps(phase_function)
    def watched(config: Any, inputs: PhaseInputs, resume: State | None = None) -> Phase:
        phase = phase_function(config, inputs, resume)
        try:
            while True:
                try:
                    report = next(phase)
                except StopIteration as end:
                    artifacts: Artifacts = end.value
                    return artifacts
                watch.note("trained")
                yield report
        finally:
            phase.close()

    return watched


def _peak_bytes() -> int:
    """Return the most memory this process has had; `ru_maxrss` would count its parent's."""
    return _kib(Path("/proc/self/status"), r"VmHWM")


def _own_bytes(pid: int) -> int:
    """Return the memory that a process shares with no other; 0 if it has ended."""
    try:
        return _kib(Path(f"/proc/{pid}/smaps_rollup"), r"Private_\w+")
    except OSError:
        return 0


def _kib(path: Path, name: str) -> int:
    found = re.findall(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    return KIB * sum(map(int, found))


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _be_ended_first() -> None:
    """Have the system end this process, and not its user's others, if memory runs out."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return  # some containers forbid it; then the system chooses


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _be_ended_first()
    wanted = Request(**json.loads(Path(sys.argv[1]).read_text()))
    Path(sys.argv[2]).write_text(json.dumps(run(wanted)))
