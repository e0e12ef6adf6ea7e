"""The journal: a study's one truth, an append-only file of framed records.

A line is `<length> <crc32> <json>`: the JSON's bytes counted in decimal and summed in hexadecimal.
The first line states the format. A record counts once `Journal.append` has returned: it is on disk.
"""

import json
import logging
import os
import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from hpe.whole_file import replacing, sync
from sweep.ledger import Record
from sweep.messages import shown_path, shown_size

FORMAT_VERSION = 1

_HEADER = re.compile(rb"([1-9][0-9]{0,9}) ([0-9a-f]{8}) ")

logger = logging.getLogger(__name__)


class DamagedJournal(ValueError):
    """The file is not a journal that can be read to its end."""


class JournalNotWritten(OSError):
    """The system did not take what a study's journal was to hold; what it holds is intact."""


class Journal:
    """The open journal of a study; its writer holds the study's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._end = 0

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def open(self) -> list[Record]:
        """Return all records, ready to append; a torn tail is cut, with a warning.

        Raises:
            DamagedJournal: If the file is no journal, has a format this program does not read, or
                is damaged anywhere but at its end.
        """
        is_new = not self.path.exists()
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        content = _parse(self.path, self.path.read_bytes())
        self._end = content.end
        if content.torn:
            logger.warning(
                "%s: the last %d bytes, from byte %d, are an unfinished record; they are cut.",
                self.path,
                content.torn,
                content.end,
            )
            os.ftruncate(self._file, content.end)
            os.fsync(self._file)
        if content.end == 0:
            self._write(_FORMAT_LINE)
        if is_new:
            sync(self.path.parent)
        return content.records

    def append(self, records: Sequence[Record]) -> None:
        """Write these records and return once they are on disk, all with one sync.

        Raises:
            JournalNotWritten: If the system does not take them; the file is as it was before.
            ValueError: If one of them is not JSON data, such as a NaN.
        """
        if records:
            self._write(b"".join(_framed(record) for record in records))

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, data: bytes) -> None:
        assert self._file is not None, "the journal is not open"
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):  # else the next opening cuts what was begun
                os.ftruncate(self._file, self._end)
            raise JournalNotWritten(
                f"{shown_path(self.path)}: {shown_size(len(data))} could not be written after byte "
                f"{self._end} ({error.strerror}). All before is safe, and what the journal does "
                f"not hold is done again. Make room there, or make it writable, and go on with the "
                f"same command; --gc --yes deletes stages that no study needs."
            ) from error
        self._end += len(data)


def read_journal(path: Path) -> list[Record]:
    """Return the records of a journal that somebody else may be writing; nothing is changed.

    Raises:
        FileNotFoundError: If there is none.
        DamagedJournal: As `Journal.open` does.
    """
    return _parse(path, path.read_bytes()).records


def write_extract(path: Path, records: Sequence[Record]) -> None:
    """Write some records of a journal as a journal of their own, to be read and not gone on with.

    Raises:
        OSError: If the file cannot be written; one that was there is as it was.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(_FORMAT_LINE + b"".join(map(_framed, records)))


@dataclass(frozen=True)
class _Content:
    records: list[Record]
    end: int
    torn: int


def _framed(record: Record) -> bytes:
    payload = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b"%d %08x %b\n" % (len(payload), zlib.crc32(payload), payload)


_FORMAT_LINE = _framed({"kind": "journal", "version": FORMAT_VERSION})


def _parse(path: Path, data: bytes) -> _Content:
    records: list[Any] = []
    end = 0
    while (frame := _frame_at(data, end)) is not None:
        payload, end = frame
        records.append(json.loads(payload))
    if end < len(data):
        _refuse_unless_torn(path, data, end, intact=len(records))
    if not records:
        return _Content([], 0, torn=len(data))
    _refuse_other_formats(path, records[0])
    return _Content(records[1:], end, torn=len(data) - end)


def _frame_at(data: bytes, offset: int) -> tuple[bytes, int] | None:
    """Return the payload of the intact record that starts here, and where the next one starts."""
    header = _HEADER.match(data, offset)
    if header is None:
        return None
    start, end = header.end(), header.end() + int(header[1])
    payload = data[start:end]
    if data[end : end + 1] != b"\n" or zlib.crc32(payload) != int(header[2], 16):
        return None
    return payload, end + 1


def _refuse_unless_torn(path: Path, data: bytes, offset: int, *, intact: int) -> None:
    if intact == 0 and not _FORMAT_LINE.startswith(data):
        raise DamagedJournal(f"{path} is not a study's journal, or its first record is damaged.")
    following = sum(
        _frame_at(data, header.start()) is not None for header in _HEADER.finditer(data, offset + 1)
    )
    if following:
        raise DamagedJournal(
            f"{path}: record {intact} (at byte {offset}) is damaged, and {following} intact "
            f"records follow it, so this is not the trace of a crash. Put back a copy of the file; "
            f"or give up what follows the damage with `truncate -s {offset} {path}`; "
            f"or start the study again with --fresh."
        )


def _refuse_other_formats(path: Path, first: Any) -> None:
    if first.get("kind") != "journal":
        raise DamagedJournal(f"{path}: its first record does not state the format of a journal.")
    if first["version"] != FORMAT_VERSION:
        raise DamagedJournal(
            f"{path} has format version {first['version']}, this program reads {FORMAT_VERSION}; "
            f"use the program version that wrote it, or start the study again with --fresh."
        )
