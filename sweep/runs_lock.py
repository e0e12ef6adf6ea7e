"""The runs folder's lock: many drivers may use it at a time, or one collection alone."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sweep.folders import RunsDir
from sweep.lock import driver_lock
from sweep.messages import shown_path
from trainables.file_lock import lock_file


class RunsInUse(ValueError):
    """Somebody uses the runs folder in a way that goes with nothing else."""


@contextmanager
def in_use(runs: RunsDir) -> Iterator[None]:
    """Keep collections away for as long as a driver uses the folder.

    A folder that was made for this alone, because the driver then refused its input, goes again.

    Raises:
        RunsInUse: If one is at work.
    """
    is_new = not runs.root.exists()
    descriptor = lock_file(runs.lock, shared=True, wait=False)
    if descriptor is None:
        raise RunsInUse(
            f"{shown_path(runs.root)}: --gc is clearing up there, which takes seconds; then try "
            f"again."
        )
    try:
        yield
    finally:
        if is_new and list(runs.root.iterdir()) == [runs.lock]:
            runs.lock.unlink()
            runs.root.rmdir()
        os.close(descriptor)


@contextmanager
def alone_in(runs: RunsDir) -> Iterator[None]:
    """Keep drivers away for as long as a collection is at work.

    Raises:
        StudyInUse: If a study is being run there.
        RunsInUse: If a driver is about to, or another collection is at work.
    """
    with ExitStack() as stack:
        for study in runs.studies():
            if study.lock.exists():
                stack.enter_context(driver_lock(study.lock))
        descriptor = lock_file(runs.lock, wait=False)
        if descriptor is None:
            raise RunsInUse(
                f"{shown_path(runs.root)}: another command uses it; wait until it ends."
            )
        stack.callback(os.close, descriptor)
        yield
