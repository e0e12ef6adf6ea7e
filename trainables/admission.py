"""What a machine must show before a worker trains on it: shared storage, the head's code and data.

The driver sets the terms and writes a token into the storage. Every machine that is there when a
study starts is asked (`sweep.preflight`); one that joins later answers for itself, as the first
worker on it starts.
"""

import errno
import hashlib
import platform
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from trainables.libraries import NUMERIC_LIBRARIES
from trainables.remote_folder import RemoteFolder

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = "preflight"
HEAD = "head"
TRAINING_PACKAGES = ("hpe", "trainables")
LASTING = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR})
"""Errors of a storage that will not take anything here, as against one that fails for a while."""


@dataclass(frozen=True)
class Terms:
    """What the driver's machine has, and others must have too.

    Attributes:
        storage: The URI of what all machines share.
        data: A data set that every machine must have under this path; None where it is brought.
        token: What the head wrote into the storage.
        code: Digest of the code that trains.
        python: Version, without what is behind the second dot.
        libraries: Versions of the numeric libraries, without what tells builds apart.
        admitted: Nodes, as Ray calls them, that have shown all this; of it, only the code may
            change under a study.
    """

    storage: str
    data: Path | None
    token: str
    code: str
    python: str
    libraries: Mapping[str, str | None]
    admitted: frozenset[str] = field(default=frozenset())

    @property
    def folder(self) -> str:
        """Return the name of the folder in the storage in which machines answer."""
        return f"{FOLDER}/{self.token}"


def terms_here(storage: str, *, data: Path | None) -> Terms:
    """Return the terms that this machine, the driver's, sets; nothing is written."""
    return Terms(
        storage=storage,
        data=data,
        token=secrets.token_hex(16),
        code=code_digest(PROJECT),
        python=_python(),
        libraries=_libraries(),
    )


def refusal(terms: Terms, *, node: str) -> str | None:
    """Say what keeps this machine from working on these terms, or None; leaves its answer there.

    Args:
        terms: The terms.
        node: What to answer as.

    Raises:
        OSError: If the storage does not answer, which may be over soon.
    """
    try:
        there = RemoteFolder.at(terms.storage)
        fault = _other_place(terms, there) or _other_programs(terms)
        if fault is None:
            there.write(f"{terms.folder}/{node}", terms.token.encode())
    except ValueError as error:
        return str(error)
    except OSError as error:
        if error.errno in LASTING:
            return f"it cannot write into the storage: {error}"
        raise
    if fault is None and terms.data is not None and not terms.data.exists():
        return f"it has no data set at {terms.data}"
    return fault


def other_code(terms: Terms) -> str | None:
    """Say that the code here is not what the study was begun with, or None."""
    if code_digest(PROJECT) == terms.code:
        return None
    return (
        "it has other code than the head had as the study began; ray up brings the head's to all, "
        "and the command, given again, goes on with it"
    )


def machine_name(host: str, node: str) -> str:
    """Return what a machine goes by in messages, and answers as.

    Args:
        host: Its host name.
        node: What Ray calls it.
    """
    return f"{host}-{node[:6]}"


def code_digest(project: Path) -> str:
    """Return a digest of the code that trains: of every module of the packages workers import."""
    digest = hashlib.sha256()
    for package in TRAINING_PACKAGES:
        for path in sorted((project / package).rglob("*.py")):
            digest.update(path.relative_to(project).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _other_place(terms: Terms, there: RemoteFolder) -> str | None:
    try:
        seen = there.read(f"{terms.folder}/{HEAD}")
    except FileNotFoundError:
        return "it does not see what the head wrote there: this is another, unshared place"
    if seen != terms.token.encode():
        return "it sees something else than the head wrote there"
    return None


def _other_programs(terms: Terms) -> str | None:
    if _python() != terms.python:
        return f"it has Python {_python()}, the head {terms.python}"
    here = _libraries()
    others = [
        f"{name} {here.get(name) or 'missing'} (head: {version or 'missing'})"
        for name, version in terms.libraries.items()
        if here.get(name) != version
    ]
    if others:
        return f"it has other packages than the head: {', '.join(others)}"
    return other_code(terms)


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _libraries() -> dict[str, str | None]:
    return {name: _public_version(name) for name in NUMERIC_LIBRARIES.values()}


def _public_version(name: str) -> str | None:
    """Return a package's version without `+cpu` and the like; None where it is not installed."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None
