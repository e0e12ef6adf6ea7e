"""Writing the journal: on disk first, then into the ledger, then to whoever listens."""

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sweep.folders import StudyDir
from sweep.journal import Journal
from sweep.ledger import Ledger, Record
from sweep.lock import driver_lock

Listener = Callable[[Record, Ledger], None]
"""Told of each record once it is on disk and in the ledger, which comes with it. It keeps a copy or
shows something: it cannot take part in a decision, so it cannot spoil one either."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock:
    """Where the driver gets its time from.

    Attributes:
        wall: Unix time, for people to read; nothing is decided by it. It is read once a session.
        monotonic: Seconds that only ever grow, for durations and budgets.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class Book:
    """The open journal with its ledger and listeners.

    Attributes:
        past: The records there were when it was opened.
        ledger: All that is on disk.
    """

    def __init__(self, journal: Journal, *, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.past = journal.open()
        self.ledger = Ledger(self.past)
        self._journal = journal
        self._listeners: list[Listener] = []
        self._elapsed_before_s = self.ledger.elapsed_s
        self._opened_s = self.clock.monotonic()
        self._opened_at_s = self.clock.wall()

    @property
    def elapsed_s(self) -> float:
        """Return the seconds in which a driver was at work on this study, up to now."""
        return self._elapsed_before_s + self._session_s

    def listen(self, listener: Listener) -> None:
        """Tell one more listener of records to come."""
        self._listeners.append(listener)

    def write(self, *records: Mapping[str, Any]) -> None:
        """Record these facts, stamped with the time; on return they are on disk and known.

        The stamp is the Unix time at which the session began plus the steady seconds since, so that
        a clock that is put forward or back makes no trial longer, shorter or older.
        """
        if not records:
            return
        stamped = [{**record, "time_s": self._opened_at_s + self._session_s} for record in records]
        self._journal.append(stamped)
        faults: list[Record] = []
        for record in stamped:
            self.ledger.apply(record)
            for listener in list(self._listeners):
                faults += self._tell(listener, record)
        self.write(*faults)

    def open_session(
        self,
        study: Mapping[str, Any],
        lineage: Mapping[str, Any],
        known: Mapping[str, Any] | None = None,
    ) -> None:
        """Record that a driver starts; the study too when it is new or changed.

        And, once for ever, what is known from another study.
        """
        now = {"study": study, "lineage": lineage}
        if json.loads(json.dumps(now)) != {
            "study": self.ledger.study,
            "lineage": self.ledger.lineage,
        }:
            self.write({"kind": "study", **now})
        self.write({"kind": "session", "event": "opened", **_holder()})
        if known is not None and self.ledger.source is None:
            self.write(known)

    def end_session(self, *, interrupted: bool) -> None:
        """Record that the driver ends, and how."""
        event = "interrupted" if interrupted else "closed"
        record = {"kind": "session", "event": event, "elapsed_s": self._session_s, **_holder()}
        self.write(record)

    def _tell(self, listener: Listener, record: Record) -> list[Record]:
        """Tell a listener; one that raises is told no more in this session.

        What it keeps is made good from the journal by the next session.

        Returns:
            A note about that, to be recorded.
        """
        try:
            listener(record, self.ledger)
        except Exception as error:  # an edge: the record is on disk, its copy is not
            self._listeners.remove(listener)
            name = type(listener).__name__
            logger.warning("%s failed at a %s record.", name, record["kind"], exc_info=True)
            reason = f"{type(error).__name__}: {error}"
            message = f"{name} follows this session no further ({reason}); the study goes on."
            return [{"kind": "note", "message": message}]
        return []

    @property
    def _session_s(self) -> float:
        return self.clock.monotonic() - self._opened_s


@contextmanager
def open_book(folder: StudyDir) -> Iterator[Book]:
    """Take the study's lock and open its journal, for as long as the driver runs.

    Raises:
        StudyInUse: If another driver holds the lock.
        DamagedJournal: If the journal cannot be read to its end.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    with driver_lock(folder.lock), Journal(folder.journal) as journal:
        yield Book(journal)


def _holder() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid()}
