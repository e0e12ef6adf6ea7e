"""A copy of a study's folder in the shared storage, so that it outlives the head's disk."""

import logging
import threading
from pathlib import Path
from types import TracebackType

from hpe.whole_file import is_temporary
from sweep.folders import StudyDir
from sweep.messages import shown_path
from sweep.options import command
from sweep.shared_storage import SharedStorage, answering
from trainables.remote_folder import RemoteFolder

EVERY_S = 60.0
CLOSE_S = 30.0

logger = logging.getLogger(__name__)


class StudyMirror:
    """Copies what changed in a study's folder, now and then and at the end.

    Trouble with the storage is told once and costs the study nothing; what was not copied is the
    next time.
    """

    def __init__(self, folder: StudyDir, there: RemoteFolder, *, every_s: float = EVERY_S) -> None:
        """Copy nothing yet.

        Args:
            folder: The study's folder.
            there: Where its copy lies.
            every_s: How often to look for changes.
        """
        self._folder, self._there, self._every_s = folder, there, every_s
        self._copied: dict[str, tuple[int, int]] = {}  # name -> size, time of change
        self._ending = threading.Event()
        self._in_doubt = False
        self._thread = threading.Thread(target=self._run, name="study-mirror", daemon=True)

    def __enter__(self) -> "StudyMirror":
        """Begin to copy."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Copy the last changes, for a while at most."""
        self._ending.set()
        self._thread.join(CLOSE_S)

    def copy_changes(self) -> None:
        """Copy every file that changed since it was copied; OSError if the storage refuses."""
        root = self._folder.root
        for path in sorted(root.rglob("*")):
            if not self._belongs(path):
                continue
            found = path.stat()
            stamp, name = (found.st_size, found.st_mtime_ns), path.relative_to(root).as_posix()
            if self._copied.get(name) != stamp:
                self._there.put(path, name)
                self._copied[name] = stamp

    def _belongs(self, path: Path) -> bool:
        if path == self._folder.lock or path.is_relative_to(self._folder.scratch):
            return False
        return path.is_file() and not is_temporary(path)

    def _run(self) -> None:
        ending = False
        while not ending:
            ending = self._ending.wait(self._every_s)
            try:
                self.copy_changes()
                self._in_doubt = False
            except OSError as error:
                if not self._in_doubt:
                    logger.warning(
                        "%s is not copied to %s just now: %s",
                        shown_path(self._folder.root),
                        self._there.base,
                        error,
                    )
                self._in_doubt = True


def refuse_other_journal(folder: StudyDir, storage: SharedStorage) -> None:
    """Refuse to put a study over the copy of one that it does not continue.

    Raises:
        ValueError: If the copy's journal has records that the folder's has not, or if the storage
            cannot be used.
    """
    name = folder.journal.name
    with answering(storage.place):
        there = storage.study(folder)
        copied = there.read(name) if there.has(name) else b""
    copied = copied[: copied.rfind(b"\n") + 1]  # the last record may be half of one
    ours = folder.journal.read_bytes() if folder.journal.exists() else b""
    if not ours.startswith(copied):
        study, runs = folder.root.name, shown_path(folder.root.parent)
        bring = command(study, storage.uri, runs, script="copy.py")  # a path would be a runs folder
        raise ValueError(
            f"{there.base}: there is a study {study} in the storage with results that "
            f"{shown_path(folder.root)} has not. Bring it here first ({bring}), choose another "
            f"name (--set name=...), or start it over (--fresh --yes)."
        )
