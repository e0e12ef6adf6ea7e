"""A copy of the study that optuna-dashboard opens; the journal stays the truth."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from sweep.ledger import Ledger, Record
from sweep.optuna_copy import OptunaCopy
from sweep.study import Study

COPIED = frozenset({"trial", "restage", "rung", "end"})
"""Kinds of records that the copy shows something of."""

PATIENCE_S = 2.0
"""For what is left at the end: half a second is enough for 2,000 trials on a disk that answers."""

logger = logging.getLogger(__name__)


class OptunaLog:
    """Keeps `optuna.log` in step with the journal from a thread that the driver never waits for.

    A listener of journal records: each call puts one on a queue. Once the thread has failed, the
    next call raises what it failed of; what is missing then is written by the next session, which
    compares the copy with the journal as it starts.

    Args:
        path: The file.
        study: The study.
        past: The journal's records so far.
        pause_s: Records that arrive within this time are written together.
    """

    def __init__(
        self, path: Path, study: Study, past: Sequence[Record] = (), *, pause_s: float = 1.0
    ) -> None:
        self._path, self._study, self._pause_s = path, study, pause_s
        self._queue = deque(record for record in past if record["kind"] in COPIED)
        self._changed = threading.Condition()
        self._is_first = True
        self._closing = self._abandoned = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="optuna-log", daemon=True)
        self._thread.start()

    def __call__(self, record: Record, _ledger: Ledger) -> None:
        """Have what this record says about a trial copied; returns at once."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if record["kind"] in COPIED:
            with self._changed:
                self._queue.append(record)
                self._changed.notify_all()

    def close(self, timeout_s: float = PATIENCE_S) -> None:
        """Write what is left and stop; what is not written in time follows on the next run."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        self._abandoned = True
        reason = "not in time" if self._thread.is_alive() else self._error
        if reason is not None:
            logger.warning(
                "%s is behind the journal (%s); the same command brings it up to date.",
                self._path,
                reason,
            )

    def _run(self) -> None:
        try:
            copy, ledger = OptunaCopy(self._path, self._study), Ledger()
            while self._wait_for_work() and not self._abandoned:
                for _ in range(len(self._queue)):
                    ledger.apply(self._queue.popleft())
                copy.follow(ledger.trials)
        except Exception as error:  # noqa: BLE001  a thread's edge: whoever calls next is told
            self._error = error

    def _wait_for_work(self) -> bool:
        """Wait until there is something to write; False once there will be nothing more.

        A copy is compared with the journal once, whether there is news or not.
        """
        with self._changed:
            if self._is_first:
                self._is_first = False
                return True
            self._changed.wait_for(lambda: self._closing or bool(self._queue))
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, timeout=self._pause_s)
            return bool(self._queue)
