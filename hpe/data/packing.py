"""Packs whose samples are made here: chunk by chunk, in this process or in several.

What is on disk stays there when making ends early, and the same call goes on with the rest.
"""

import fcntl
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from multiprocessing.connection import wait as wait_for
from pathlib import Path

import cv2
import numpy as np

from hpe.data.packed import (
    Chunk,
    Field,
    Layout,
    begin_pack,
    finish_pack,
    is_finished,
    open_pack,
    write_chunk,
)

RowsOf = Callable[[Chunk], Mapping[str, np.ndarray]]
"""Makes every field of a chunk's rows; can be pickled, and gives the same in any process."""
FEW_ROWS = 32
"""So many are made here, sooner than other processes would have started."""


def make_pack(
    folder: Path,
    layout: Layout,
    rows_of: RowsOf,
    *,
    processes: int,
    progress: Callable[[int, int], None],
) -> None:
    """Fill a folder, or what is missing of it; at once if nothing is.

    Args:
        folder: Made if needed.
        layout: What it is to hold.
        rows_of: Makes the rows of a chunk.
        processes: How many processes do; 1 is this one.
        progress: Called with samples done and samples in all, first and after every chunk.

    Raises:
        ValueError: If the folder holds data of another recipe, or another process is rendering
            into it.
        RuntimeError: If a rendering process died.
    """
    if processes < 1:
        raise ValueError(f"processes must be at least 1, got {processes}.")
    total = sum(layout.counts.values())
    if is_finished(folder):
        open_pack(folder, layout.recipe)
        progress(total, total)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with _sole_writer(folder):
        if is_finished(folder):  # by another process, while this one came here
            progress(total, total)
            return
        waiting = begin_pack(folder, layout)
        done = total - sum(chunk.rows for chunk in waiting)
        progress(done, total)
        with closing(_made(folder, layout.fields, waiting, rows_of, processes)) as made:
            for chunk in made:
                done += chunk.rows
                progress(done, total)
        finish_pack(folder, layout)


def _make_chunk(folder: Path, fields: tuple[Field, ...], rows_of: RowsOf, chunk: Chunk) -> Chunk:
    """Make one chunk and write it."""
    write_chunk(folder, fields, chunk, rows_of(chunk))
    return chunk


def _made(
    folder: Path,
    fields: tuple[Field, ...],
    waiting: list[Chunk],
    rows_of: RowsOf,
    processes: int,
) -> Generator[Chunk, None, None]:
    """Make chunks here or in other processes; yield each as it is on disk."""
    if processes == 1 or len(waiting) <= 1 or sum(chunk.rows for chunk in waiting) <= FEW_ROWS:
        with _one_opencv_thread():
            for chunk in waiting:
                yield _make_chunk(folder, fields, rows_of, chunk)
        return
    spawn = multiprocessing.get_context("spawn")
    processes = min(processes, len(waiting))
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=_start_worker) as pool:
        running: set[Future[Chunk]] = set()
        todo = iter(waiting)
        try:
            while True:
                for chunk in todo:
                    running.add(pool.submit(_make_chunk, folder, fields, rows_of, chunk))
                    if len(running) >= 2 * processes:
                        break
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                f"A process that rendered into {folder} died (out of memory?). What was finished "
                "is kept; run the same again to go on."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """Prepare a rendering process: one thread, no Ctrl-C of its own, no life after its parent."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, however it went."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Let OpenCV use one thread, for results that do not depend on their number."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def _sole_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system frees with its holder."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"Another process is rendering into {folder}. Wait until it ends, or use another "
                "folder."
            ) from error
        yield
