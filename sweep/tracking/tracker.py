"""The listener that mirrors the journal in MLflow from a thread of its own."""

import hashlib
import importlib
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

from sweep.ledger import Ledger, Record
from sweep.messages import counted
from sweep.tracking.faults import Refused, Unreachable, Unread
from sweep.tracking.memory import Upload, recall, remember, upload_of
from sweep.tracking.pictures import STUDY
from sweep.tracking.writer import Drawn, History, RunWriter, journal_id

if TYPE_CHECKING:
    from sweep.tracking.store import RunStore

SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a run that is asked for twice is made twice
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
RECORDS_PER_FLUSH = 2000
MESSAGE_CHARS = 160
CREDENTIALS = re.compile(r"//\S*@")  # a password may hold what should have been written as %2F

logger = logging.getLogger(__name__)


class MlflowTracker:
    """Mirrors journal records in MLflow; training never waits for it.

    Each call puts the record on a queue. A thread writes what changed in batches, and tries again
    with growing pauses while MLflow is away. What it has written is remembered in a small file, as
    a number of journal records and as digests of files; when the file or MLflow's runs are lost,
    everything is written again, into the same runs as far as they exist, and nothing doubles.

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
        self._study, self._uri, self._artifacts = study, uri, artifacts
        self._writer = RunWriter(history, drawn)
        self._pause_s = pause_s
        self._store: RunStore | None = None
        self._queue: deque[Record] = deque()
        self._uploads: deque[Upload] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._abandoned = False
        self._trouble: str | None = None
        self._had_trouble = False
        self._received = len(past)
        self._file = memory
        journal = journal_id(past[0]) if past else None
        self._memory = recall(memory, uri=uri, journal=journal, num_past=len(past))
        self._recalled = self._memory.written
        self._must_put_away = self._recalled < self._received
        for record in past[: self._recalled]:
            self._writer.remember(record)
        self._queue.extend(past[self._recalled :])
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
        return self._received - self._memory.written

    @property
    def owed(self) -> Sequence[str]:
        """Return in words what MLflow does not hold yet."""
        records = [f"the last {counted(self.waiting, 'record')}"] if self.waiting else []
        return (*records, *(f"the {upload.name}" for upload in self._uploads))

    @property
    def trouble(self) -> str | None:
        """Return why nothing is being written at the moment, if so."""
        return self._trouble

    @property
    def experiment_id(self) -> str | None:
        """Return MLflow's id of the study's experiment; None as long as it is not known."""
        return self._memory.experiment_id

    @property
    def refused(self) -> Sequence[str]:
        """Return messages about runs that MLflow will not take."""
        return tuple(self._writer.refused)

    def add_folder(self, folder: Path, name: str) -> None:
        """Have a folder, such as the report, stored with the study's run, unless it already is."""
        self._add(upload_of(folder, name, is_model=False))

    def add_model(self, weights: Path) -> None:
        """Have a report's weights registered as the study's model, unless they already are."""
        self._add(upload_of(weights, "model", is_model=True))

    def _add(self, upload: Upload) -> None:
        if self._memory.files.get(upload.name) == upload.digest and not self.waiting:
            return
        self._store_module = _import_store()  # a tracker that was told all before has none yet
        if upload.is_model:
            _import_models()
        with self._changed:
            self._uploads.append(upload)
            self._changed.notify_all()

    def close(self, timeout_s: float = 30.0) -> int:
        """Write what is left and stop.

        Returns:
            How many journal records and files are still to be written; they follow on the next run.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
        return self.waiting + len(self._uploads)

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while self._wait_for_work() and not self._abandoned:
            try:
                self._write_what_is_there()
            except Exception as error:  # noqa: BLE001  a thread's edge: MLflow may raise anything
                self._note_trouble(error)
                if not isinstance(error, Unread):
                    self._store = None
                self._pause(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            else:
                self._trouble, wait_s = None, FIRST_WAIT_S
        if self._had_trouble and self._store is not None and not self._abandoned:
            self._drop_doubles(self._store)

    def _drop_doubles(self, store: "RunStore") -> None:
        """Look for runs that MLflow made although it did not say so in time."""
        try:
            store.recover()
        except (Unreachable, Refused) as error:
            self._note_trouble(error)

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
        return bool(self._queue or self._uploads or self.waiting)

    def _write_what_is_there(self) -> None:
        for _ in range(min(len(self._queue), RECORDS_PER_FLUSH)):
            self._writer.fold(self._queue.popleft())
        if self._writer.journal_id is None:
            self._uploads.clear()  # a study without a record has no run to keep files with
            return
        if self._store is None:
            self._store = self._open()
            self._memory.experiment_id = self._store.experiment_id
        unread = self._writer.flush(self._store)
        if self._must_put_away and not self._queue:
            self._writer.put_away_unknown(self._store)
            self._must_put_away = False
        if unread is None:
            self._memory.written = self._received_and_folded()
        self._remember()
        while self._uploads and not self._queue:
            self._send(self._uploads[0], self._store)
            self._remember()
            self._uploads.popleft()
        if unread is not None:
            raise unread

    def _send(self, upload: Upload, store: "RunStore") -> None:
        if STUDY not in store.runs or self._memory.files.get(upload.name) == upload.digest:
            return
        if upload.is_model:
            try:
                _import_models().register_model(store, name=self._study, weights=upload.path)
            except Refused as error:  # an MLflow that keeps no models, say
                self._writer.refused.append(f"MLflow refuses the model of {self._study}: {error}")
                return
        else:
            store.write_folder(STUDY, upload.path, upload.name)
        self._memory.files[upload.name] = upload.digest

    def _remember(self) -> None:
        remember(self._memory, self._file, uri=self._uri, journal=self._writer.journal_id)

    def _received_and_folded(self) -> int:
        with self._changed:
            return self._received - len(self._queue)

    def _open(self) -> "RunStore":
        assert self._writer.journal_id is not None
        assert self._store_module is not None
        study = self._writer.ledger.study
        folder = f"{socket.gethostname()}:{self._file.parent.resolve()}"
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
            self._memory.files.clear()
            self._recalled = 0
        return store

    def _note_trouble(self, error: Exception) -> None:
        """Remember why nothing is written, and say so the first time; without a trace, which may
        show credentials."""
        is_known = isinstance(error, OSError | Refused)
        text = str(error) if is_known else f"{type(error).__name__}: {error}"
        message = CREDENTIALS.sub("//", text)[:MESSAGE_CHARS]
        if self._trouble is None:
            is_unread = isinstance(error, Unread)
            logger.warning(
                "MLflow at %s %s (%s). Training goes on; they will follow.",
                without_credentials(self._uri),
                "lacks results that cannot be read" if is_unread else "does not take results",
                message,
            )
        self._trouble, self._had_trouble = message, True


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
