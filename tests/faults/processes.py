"""The processes of a driver: found by who started whom."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 120.0


def descendants(pid: int) -> list[int]:
    """Return all processes that a process started, directly or not."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            children.setdefault(int(stat_of(int(folder.name))[1]), []).append(int(folder.name))
    found = list(children.get(pid, []))
    for child in found:
        found += children.get(child, [])
    return found


def titled(title: str, *, under: int) -> list[int]:
    """Return the descendants whose command line contains this."""
    found = []
    for pid in descendants(under):
        with suppress(OSError):
            if title in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "):
                found.append(pid)
    return found


def stat_of(pid: int) -> list[str]:
    """Return state, parent and so on (proc(5), from the third field on)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def is_running(pid: int) -> bool:
    """Say whether a process exists and is more than a zombie."""
    try:
        return stat_of(pid)[0] != "Z"
    except OSError:
        return False


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    os.kill(pid, number)


def wait_until(condition: Callable[[], object], *, patience_s: float = PATIENCE_S) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
