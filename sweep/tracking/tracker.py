"""The listener that mirrors the journal in MLflow from a thread of its own."""

import hashlib
import importlib
import json
import logging
import os
import re
import socket
import threading
import warnings
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from hpe.whole_file import write_text
from sweep.ledger import Ledger, Record
from sweep.tracking.faults import Refused
from sweep.tracking.pictures import STUDY
from sweep.tracking.writer import Drawn, History, RunWriter, journal_id

if TYPE_CHECKING:
    from sweep.tracking.store import RunStore

SQLITE = "sqlite:///"
SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # this thread has its own patience
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
RECORDS_PER_FLUSH = 2000
MESSAGE_CHARS = 160
CREDENTIALS = re.compile(r"//[^/@\s]+@")

logger = logging.getLogger(__name__)


class MlflowTracker:
    """Mirrors journal records in MLflow; training never waits for it.

    Each call puts the record on a queue. A thread writes what changed in batches, and tries again
    with growing pauses while MLflow is away. What it has written is remembered as a number of
    journal records in a small file; when the file or MLflow's runs are lost, everything is written
    again from the journal, into the same runs as far as they exist, and nothing doubles.

    Args:
        study: The study's name, which names the experiment.
        uri: The tracking store.
        memory: The small file, `StudyDir.tracking`.
        artifacts: Where a new experiment keeps files, or None if a server decides.
        past: The journal's records so far.
        history: Epochs of stages that were trained before this study used them.
        drawn: Where the pictures of a stage's epochs lie.
        pause_s: Records that arrive within this time are written together.
    """

    def __init__(
        self,
        *,
        study: str,
        uri: str,
        memory: Path,
        artifacts: Path | None = None,
        past: Sequence[Record] = (),
        history: History | None = None,
        drawn: Drawn | None = None,
        pause_s: float = 1.0,
    ) -> None:
        self._study, self._uri, self._memory, self._artifacts = study, uri, memory, artifacts
        self._writer = RunWriter(history, drawn)
        self._pause_s = pause_s
        self._store: RunStore | None = None
        self._queue: deque[Record] = deque()
        self._folders: deque[tuple[Path, str]] = deque()
        self._models: deque[Path] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._abandoned = False
        self._trouble: str | None = None
        self._received = len(past)
        self._written, self._experiment_id = _recall(memory, uri=uri, past=past)
        self._recalled = self._written
        for record in past[: self._written]:
            self._writer.remember(record)
        self._queue.extend(past[self._written :])
        self._store_module = _import_store() if self._queue else None
        self._thread = threading.Thread(target=self._run, name="mlflow-tracker", daemon=True)
        self._thread.start()

    def __call__(self, record: Record, _ledger: Ledger) -> None:
        """Have one more journal record written; returns at once (the first one imports MLflow)."""
        if self._store_module is None:
            self._store_module = _import_store()
        with self._changed:
            self._queue.append(record)
            self._received += 1
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Return how many journal records MLflow does not hold yet."""
        return self._received - self._written

    @property
    def trouble(self) -> str | None:
        """Return why nothing is being written at the moment, if so."""
        return self._trouble

    @property
    def experiment_id(self) -> str | None:
        """Return MLflow's id of the study's experiment; None as long as it is not known."""
        return self._experiment_id

    @property
    def refused(self) -> Sequence[str]:
        """Return messages about runs that MLflow will not take."""
        return tuple(self._writer.refused)

    def add_folder(self, folder: Path, name: str) -> None:
        """Have a folder of files, such as the report, stored with the study's run."""
        with self._changed:
            self._folders.append((folder, name))
            self._changed.notify_all()

    def add_model(self, weights: Path) -> None:
        """Have a report's weights registered as the study's model."""
        _import_models()
        self._store_module = _import_store()  # a tracker that was told all before has none yet
        with self._changed:
            self._models.append(weights)
            self._changed.notify_all()

    def close(self, timeout_s: float = 30.0) -> int:
        """Write what is left and stop.

        Returns:
            How many journal records are still to be written; they follow on the next run.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
        return self.waiting

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while self._wait_for_work() and not self._abandoned:
            try:
                self._write_what_is_there()
            except Exception as error:  # noqa: BLE001  a thread's edge: MLflow may raise anything
                self._note_trouble(error)
                self._store = None
                self._pause(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            else:
                self._trouble, wait_s = None, FIRST_WAIT_S

    def _pause(self, wait_s: float) -> None:
        """Wait before the next try, shorter once somebody waits for the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, timeout=wait_s)
            if self._closing:
                self._changed.wait_for(lambda: self._abandoned, timeout=FIRST_WAIT_S)

    def _wait_for_work(self) -> bool:
        """Wait until there is something to write; False once there will be nothing more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._has_work())
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, timeout=self._pause_s)
            return self._has_work()

    def _has_work(self) -> bool:
        return bool(self._queue or self._folders or self._models or self.waiting)

    def _write_what_is_there(self) -> None:
        for _ in range(min(len(self._queue), RECORDS_PER_FLUSH)):
            self._writer.fold(self._queue.popleft())
        if self._writer.journal_id is None:
            self._folders.clear()  # a study without a record has no run to keep files with
            self._models.clear()
            return
        if self._store is None:
            self._store = self._open()
            self._experiment_id = self._store.experiment_id
        self._writer.flush(self._store)
        self._written = self._received_and_folded()
        while self._folders and not self._queue:
            folder, name = self._folders[0]
            if STUDY in self._store.runs:
                self._store.write_folder(STUDY, folder, name)
            self._folders.popleft()
        self._remember()
        while self._models and not self._queue:
            self._register(self._models[0], self._store)
            self._models.popleft()

    def _register(self, weights: Path, store: "RunStore") -> None:
        if STUDY not in store.runs:
            return
        try:
            _import_models().register_model(store, name=self._study, weights=weights)
        except Refused as error:  # an MLflow that keeps no models, say
            self._writer.refused.append(f"MLflow refuses the model of {self._study}: {error}")

    def _received_and_folded(self) -> int:
        with self._changed:
            return self._received - len(self._queue)

    def _open(self) -> "RunStore":
        assert self._writer.journal_id is not None
        assert self._store_module is not None
        study = self._writer.ledger.study
        folder = f"{socket.gethostname()}:{self._memory.parent.resolve()}"
        store: RunStore = self._store_module.open_store(
            uri=self._uri,
            experiment=self._study,
            question=study["question"] if study else "",
            direction=study["objective"]["direction"] if study else "minimize",
            artifacts=self._artifacts,
            journal_id=self._writer.journal_id,
            folder_id=hashlib.sha256(folder.encode()).hexdigest()[:16],
        )
        if self._recalled and STUDY not in store.runs:
            self._writer.mark_all()
            self._recalled = 0
        return store

    def _remember(self) -> None:
        content = {
            "journal_id": self._writer.journal_id,
            "store": _digest(self._uri),
            "written": self._written,
            "experiment_id": self._experiment_id,
        }
        write_text(self._memory, json.dumps(content), durable=False)

    def _note_trouble(self, error: Exception) -> None:
        """Remember why nothing is written, and say so the first time; without a trace, which may
        show credentials."""
        is_known = isinstance(error, OSError | Refused)
        text = str(error) if is_known else f"{type(error).__name__}: {error}"
        message = CREDENTIALS.sub("//", text)[:MESSAGE_CHARS]
        if self._trouble is None:
            logger.warning(
                "MLflow at %s does not take results (%s). Training goes on; they will follow.",
                without_credentials(self._uri),
                message,
            )
        self._trouble = message


def without_credentials(uri: str) -> str:
    """Return a tracking URI that may be shown: user and password left out."""
    return CREDENTIALS.sub("//", uri)


def _import_store() -> ModuleType:
    """Import MLflow, which takes seconds, on the caller's thread and only where it is needed.

    Not on the tracker's own thread: two threads that import at once may see half a module.
    """
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    return importlib.import_module("sweep.tracking.store")


def _import_models() -> ModuleType:
    """Import what registers models, on the caller's thread first (see `_import_store`)."""
    _import_store()
    with warnings.catch_warnings():
        # On import MLflow warns of a type hint in code of its own.
        warnings.filterwarnings("ignore", ".*Any type hint is inferred", UserWarning)
        return importlib.import_module("sweep.tracking.model_files")


def _recall(memory: Path, *, uri: str, past: Sequence[Record]) -> tuple[int, str | None]:
    """Return how many of the past records MLflow was told about, and the experiment's id.

    Where that cannot be told, 0 and None: everything is written again.
    """
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).exists():
        return 0, None
    try:
        content = json.loads(memory.read_text())
    except (FileNotFoundError, ValueError):
        return 0, None
    same = (
        isinstance(content, dict)
        and bool(past)
        and content.get("journal_id") == journal_id(past[0])
        and content.get("store") == _digest(uri)
    )
    if not same:
        return 0, None
    return min(int(content["written"]), len(past)), content.get("experiment_id")


def _digest(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()[:16]
