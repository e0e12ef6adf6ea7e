"""One driver per study: a lock that the operating system frees with its holder."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path


class StudyInUse(ValueError):
    """Another driver runs this study."""


@contextmanager
def driver_lock(path: Path) -> Iterator[None]:
    """Hold a study's lock; its file says who does.

    Raises:
        StudyInUse: If somebody else holds it, with host, process and start.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyInUse(
                f"{path.parent}: this study is being run {_holder(path)}; "
                f"wait until it ends, or stop it there."
            ) from None
        _state_holder(descriptor)
        yield
    finally:
        os.close(descriptor)


def _state_holder(descriptor: int) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
    except ValueError:  # it got the lock a moment ago and has not written yet
        return "by another process"
    return f"on {holder['host']} by process {holder['pid']} since {holder['started']}"
