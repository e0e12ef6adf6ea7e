"""Values by name in an LMDB file, read-only, in any number of processes."""

from functools import cache
from pathlib import Path

import lmdb

DATA_FILE = "data.mdb"


def data_file(path: Path) -> Path:
    """Return the file that holds the data: LMDB keeps it in a folder, unless told not to."""
    return path if path.is_file() else path / DATA_FILE


class LmdbStore:
    """The values of one LMDB; pickling carries the path alone.

    A process opens each LMDB once, when the first value is asked for. Without LMDB's lock there is
    no state that a forked process could share by mistake: values are read from a memory map, each
    in a transaction of its own.
    """

    def __init__(self, path: Path) -> None:
        """Remember where the LMDB lies."""
        self.path = path

    def get(self, key: str) -> bytes | None:
        """Return a value, or None if there is none of that name.

        Raises:
            ValueError: If the file is no LMDB.
        """
        with _environment(self.path.resolve()).begin(buffers=False) as transaction:
            value: bytes | None = transaction.get(key.encode())
        return value


@cache
def _environment(path: Path) -> "lmdb.Environment":
    """Open an LMDB for reading; LMDB allows that once in a process."""
    try:
        return lmdb.open(
            str(path),
            subdir=path.is_dir(),
            readonly=True,
            lock=False,
            readahead=False,  # samples are read in random order
            create=False,
        )
    except lmdb.Error as error:
        raise ValueError(f"{path} cannot be read as an LMDB: {error}.") from error
