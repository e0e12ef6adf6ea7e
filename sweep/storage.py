"""Room for stages: a study starts with some, and begins no further trial without."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sweep.folders import existing_above
from sweep.messages import shown_path, shown_size
from sweep.study import Storage

GB = 1e9
CHECK_EVERY_S = 10.0

logger = logging.getLogger(__name__)


class DiskUsage(Protocol):
    """What `shutil.disk_usage` returns."""

    @property
    def free(self) -> int:
        """Return the bytes that are left."""


def refuse_full_disk(
    storage: Storage, root: Path, *, disk_usage: Callable[[Path], DiskUsage] = shutil.disk_usage
) -> None:
    """Refuse to start where there is no room to train.

    Args:
        storage: The study's limits.
        root: The runs folder, which may not exist yet.
        disk_usage: Tells the room on the disk of a folder.

    Raises:
        ValueError: If so.
    """
    free_bytes = disk_usage(existing_above(root)).free
    if free_bytes < storage.reserve_gb * GB:
        raise ValueError(
            f"{_too_full(root, free_bytes, storage)} Make room (--gc --yes deletes what no study "
            f"needs), or use another --runs-dir."
        )


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files below a folder in which others work."""
    total, waiting = 0, [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue  # deleted meanwhile, or not made yet
    return total


class StorageWatch:
    """Says while a study runs whether another trial may begin; looks at the disk now and then.

    The store's size, which takes a walk over all its files, is asked for on a thread of its own:
    the last one that is known counts meanwhile. Only the first look waits for it.
    """

    def __init__(
        self,
        storage: Storage,
        stages: Path,
        *,
        disk_usage: Callable[[Path], DiskUsage] = shutil.disk_usage,
        size_of: Callable[[Path], int] = bytes_below,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch one stage store.

        Args:
            storage: The study's limits.
            stages: The stage store's folder.
            disk_usage: Tells the room on the disk of a folder.
            size_of: Tells the bytes below a folder.
            monotonic: The time in seconds.
        """
        self._storage, self._stages = storage, stages
        self._disk_usage, self._monotonic = disk_usage, monotonic
        self._size = _Size(stages, size_of)
        self._looked_s: float | None = None
        self._reason: str | None = None

    def reason(self) -> str | None:
        """Return why no further trial may begin, in the same words until that changes, or None."""
        now_s = self._monotonic()
        if self._looked_s is None or now_s - self._looked_s >= CHECK_EVERY_S:
            found = self._shortage()
            if found is None or self._reason is None:
                self._reason = found
            self._looked_s = now_s
        return self._reason

    def _shortage(self) -> str | None:
        storage, runs = self._storage, self._stages.parent
        try:
            free_bytes = self._disk_usage(existing_above(self._stages)).free
        except OSError as error:
            return (
                f"{shown_path(runs)} does not answer ({error.strerror or error}): no further "
                "trial begins until it does."
            )
        if free_bytes < storage.reserve_gb * GB:
            return f"{_too_full(runs, free_bytes, storage)} {_WAY_ON}"
        if storage.quota_gb is None:
            return None
        used_bytes = self._size.last_known()
        if used_bytes < storage.quota_gb * GB:
            return None
        return (
            f"{shown_path(self._stages)} takes {shown_size(used_bytes)}, and storage/quota_gb is "
            f"{storage.quota_gb:g}: no further trial begins. {_WAY_ON}"
        )


_WAY_ON = (
    "It goes on by itself once there is room. To make some: stop the study, run --gc --yes or "
    "change storage, and start it again, which continues it."
)


class _Size:
    """How large a folder is, as far as is known."""

    def __init__(self, folder: Path, size_of: Callable[[Path], int]) -> None:
        self._folder, self._size_of = folder, size_of
        self._known_bytes: int | None = None
        self._thread: threading.Thread | None = None
        self._is_in_doubt = False

    def last_known(self) -> int:
        """Return the last known size, and have the present one found out."""
        known_bytes = self._known_bytes
        if known_bytes is None:
            known_bytes = self._known_bytes = self._size_of(self._folder)
        elif self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._measure, name="store-size", daemon=True)
            self._thread.start()
        return known_bytes

    def _measure(self) -> None:
        try:
            self._known_bytes = self._size_of(self._folder)
            self._is_in_doubt = False
        except OSError as error:
            if not self._is_in_doubt:
                logger.warning(
                    "%s cannot be measured (%s); storage/quota_gb goes by the size it had.",
                    shown_path(self._folder),
                    error,
                )
            self._is_in_doubt = True


def _too_full(root: Path, free_bytes: float, storage: Storage) -> str:
    return (
        f"{shown_path(root)}: {shown_size(free_bytes)} are free on its disk, and "
        f"storage/reserve_gb keeps {storage.reserve_gb:g} GB of it free: no trial begins."
    )
