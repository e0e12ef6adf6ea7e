"""Writing files that are whole or absent, whenever the writer is killed; and telling them apart."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUFFIX = ".new"


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Put this text in the place of the file; a reader sees all of the old or all of the new.

    Args:
        path: The file; its folder exists.
        text: Its content, written as UTF-8.
        durable: Whether it must outlive a power cut from the moment this returns.
    """
    with replacing(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary file's path beside this one, which it replaces unless an error is raised.

    A writer that is killed leaves the temporary file behind: see `is_temporary`.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{_SUFFIX}")
    try:
        yield temporary
        if durable:
            sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def is_temporary(path: Path) -> bool:
    """Say whether `replacing` chose this name."""
    return path.name.startswith(".") and path.suffix == _SUFFIX


def sync(path: Path) -> None:
    """Have a file's content, or a folder's list of files, put on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
