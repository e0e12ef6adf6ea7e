"""Drivers as processes that benchmarks start, watch and kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 180.0
DRIVER_S = 900.0
RAY_AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
QUIET = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass
class Session:
    """A driver's process and all that it started."""

    process: subprocess.Popen[bytes]

    def members(self) -> list[int]:
        """Return the driver and its descendants."""
        return family(self.process.pid)

    def titled(self, title: str) -> list[int]:
        """Return the members with this in their command line."""
        return titled(title, self.members())

    def ends_within(self, seconds: float) -> bool:
        """Wait for so long, or until the driver ends; say whether it did."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> float:
        """Kill the driver and return the seconds until nothing of its session is left.

        But for Ray's agents: they give themselves a minute to tell a head node that died as well
        that their raylet did. They hold nothing.
        """
        agents = {pid for title in RAY_AGENTS for pid in self.titled(title)}
        members = {pid: _started(pid) for pid in self.members() if pid not in agents}
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        killed_s = time.monotonic()
        while left := [pid for pid, started in members.items() if _is_running(pid, started)]:
            if time.monotonic() - killed_s > PATIENCE_S:
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        return time.monotonic() - killed_s


def family(root: int) -> list[int]:
    """Return a process and its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int(_stat(int(folder.name))[1])
            children.setdefault(parent, []).append(int(folder.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def titled(title: str, pids: Sequence[int]) -> list[int]:
    """Return those processes that have this in their command line."""
    return [pid for pid in pids if title in _command_line(pid)]


def _stat(pid: int) -> list[str]:
    """Return state, parent and so on of a process (proc(5), from its third field on)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _started(pid: int) -> str | None:
    """Return what tells a process from a later one of its number; None if it is gone."""
    try:
        return _stat(pid)[19]
    except OSError:
        return None


def _is_running(pid: int, started: str | None) -> bool:
    """Say whether this process exists and is more than a zombie."""
    try:
        return _stat(pid)[19] == started and _stat(pid)[0] != "Z"
    except OSError:
        return False


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@contextmanager
def started(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Session]:
    """Start a driver whose words are appended to a file; it is dead in the end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as words:
        process = subprocess.Popen(
            command,
            env={**os.environ, **QUIET, **(environment or {})},
            stdout=words,
            stderr=words,
        )
    running = Session(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            running.kill()


def command(
    study: Path,
    runs: Path,
    environment: Mapping[str, str] | None = None,
    *,
    options: Sequence[str] = (),
) -> AbstractContextManager[Session]:
    """Give the command that runs a study."""
    return started(
        [
            *(sys.executable, str(ROOT / "sweep" / "run.py"), str(study)),
            *("--runs-dir", str(runs), *options),
        ],
        runs / "driver.log",
        environment,
    )


def session(role: str, runs: Path, trials: int) -> AbstractContextManager[Session]:
    """Start a driver of `crash_drivers.py`."""
    return started_driver("crash_drivers", [role, str(runs), str(trials)], log=runs / "driver.log")


def started_driver(
    module: str, arguments: Sequence[str], *, log: Path
) -> AbstractContextManager[Session]:
    """Start the drivers of a module beside this one, which workers find by its name too."""
    return started(
        [sys.executable, "-c", f"import {module}; {module}.main()", *arguments],
        log,
        {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])},
    )


def run_to_the_end(role: str, runs: Path, trials: int) -> bool:
    """Run a driver that nobody kills; say whether it ended well."""
    with session(role, runs, trials) as running:
        return running.process.wait(DRIVER_S) == 0


def wait_until(condition: Callable[[], bool], running: Session) -> bool:
    """Wait for something, or for the driver's end; say whether it came."""
    deadline = time.monotonic() + DRIVER_S
    while not condition():
        if running.process.poll() is not None or time.monotonic() > deadline:
            return condition()
        time.sleep(0.02)
    return True
