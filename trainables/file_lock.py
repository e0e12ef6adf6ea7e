"""Locks on files, which the operating system frees with their holder."""

import fcntl
import json
import os
import socket
from datetime import datetime
from pathlib import Path


def lock_file(path: Path, *, shared: bool = False, wait: bool = True) -> int | None:
    """Take the lock of a file, which is made if need be.

    Whoever holds the only lock of a file may delete it.

    Args:
        path: The file.
        shared: Whether others may hold it too, if they share it.
        wait: Whether to wait for whoever has it.

    Returns:
        A descriptor; closing it frees the lock. None, without waiting, if somebody else has it.
    """
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, kind)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_open_as(path, descriptor):
            return descriptor
        os.close(descriptor)  # it was deleted while this waited: the name is another file's now


def sign(descriptor: int) -> None:
    """Write into a locked file, for people, who holds it: host, process and start, as JSON."""
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _is_open_as(path: Path, descriptor: int) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))
