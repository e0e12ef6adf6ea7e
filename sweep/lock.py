"""One driver per study: a lock that the operating system frees with its holder."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainables.file_lock import lock_file, sign


class StudyInUse(ValueError):
    """Another driver runs this study."""


@contextmanager
def driver_lock(path: Path) -> Iterator[None]:
    """Hold a study's lock; its file says who does.

    Raises:
        StudyInUse: If somebody else holds it, with host, process and start.
    """
    descriptor = lock_file(path, wait=False)
    if descriptor is None:
        raise StudyInUse(
            f"{path.parent}: this study is being run {_holder(path)}; "
            f"wait until it ends, or stop it there."
        )
    try:
        sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
    except ValueError:  # it got the lock a moment ago and has not written yet
        return "by another process"
    return f"on {holder['host']} by process {holder['pid']} since {holder['started']}"
