"""A folder that is reached by a URI: objects in S3 or Google Cloud Storage, or plain files."""

import errno
import hashlib
import math
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pyarrow import ArrowException, ArrowInvalid, NativeFile
from pyarrow.fs import FileSelector, FileSystem, FileType

from hpe.whole_file import is_temporary, replacing

SCHEMES = ("s3", "gs", "file")
CHUNK_BYTES = 8 << 20


def is_uri(text: str) -> bool:
    """Say whether a text is a URI and not a path."""
    return "://" in text


def checked_name(name: str) -> str:
    """Return a name that stays below the folder it is a name in.

    Raises:
        ValueError: If it does not.
    """
    if not all(part.strip() and part not in (".", "..") for part in name.split("/")):
        raise ValueError(f"{name!r} leads out of its folder.")
    return name


@contextmanager
def numbered() -> Iterator[None]:
    """Number those errors of object storage that pyarrow leaves without one.

    By it callers tell a storage that is out of reach for a while from files that are missing or
    wrong.

    Raises:
        PermissionError: If access was denied.
        OSError: EREMOTEIO for whatever else has no number.
    """
    try:
        yield
    except ArrowInvalid:
        raise
    except ArrowException as error:  # what Google's storage may call unknown, or too much
        raise OSError(errno.EREMOTEIO, str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        number = errno.EACCES if "ACCESS_DENIED" in str(error) else errno.EREMOTEIO
        raise OSError(number, str(error)) from error


@dataclass(frozen=True)
class Entry:
    """A file in a remote folder.

    Attributes:
        name: Its name in the folder.
        changed_s: When it was put there, in seconds since 1970; infinity where the storage does not
            say.
    """

    name: str
    num_bytes: int
    changed_s: float


@dataclass(frozen=True)
class RemoteFolder:
    """Named files below a URI; names have `/` between their parts.

    A file is there whole or not at all, and one that is put again is the old one until it is the
    new one. Every method raises OSError where the storage does not answer or does not allow it, as
    `numbered` says.
    """

    files: FileSystem
    base: str

    @classmethod
    def at(cls, uri: str) -> "RemoteFolder":
        """Return the folder of a URI, which may not exist yet.

        Of a bucket in S3 that is given without its region, that is asked for.

        Raises:
            ValueError: If it is of no kind that is known here, or no URI.
            OSError: If the storage does not answer.
        """
        scheme = uri.partition("://")[0]
        if scheme not in SCHEMES:
            raise ValueError(
                f"{uri}: storage is a path, or {', '.join(f'{s}://' for s in SCHEMES)}."
            )
        try:
            with numbered():
                files, base = FileSystem.from_uri(uri)
        except ArrowInvalid as error:
            raise ValueError(f"{uri}: this storage cannot be opened: {error}") from error
        return cls(files, base.rstrip("/"))

    def below(self, name: str) -> "RemoteFolder":
        """Return a folder in this one."""
        return RemoteFolder(self.files, f"{self.base}/{name}")

    @numbered()
    def has(self, name: str) -> bool:
        """Say whether there is a file of this name."""
        return bool(self.files.get_file_info(self._path(name)).type == FileType.File)

    def names(self) -> list[str]:
        """Return the names of all files, in order; what a killed writer left is none."""
        return [entry.name for entry in self.entries() if not is_temporary(Path(entry.name))]

    @numbered()
    def entries(self) -> list[Entry]:
        """Return all files, in the order of their names."""
        selector = FileSelector(self.base, recursive=True, allow_not_found=True)
        found = [i for i in self.files.get_file_info(selector) if i.type == FileType.File]
        entries = [
            Entry(
                name=info.path[len(self.base) + 1 :],
                num_bytes=info.size,
                changed_s=math.inf if info.mtime is None else info.mtime.timestamp(),
            )
            for info in found
        ]
        return sorted(entries, key=lambda entry: entry.name)

    @numbered()
    def clock_s(self) -> float:
        """Return what time it is by the storage's own clock; minus infinity where it has none.

        A file is put there, asked when it was changed, and deleted.
        """
        name = f".clock-{secrets.token_hex(8)}"
        self.write(name, b"")
        try:
            changed = self.files.get_file_info(self._path(name)).mtime
        finally:
            self.delete(name)
        return -math.inf if changed is None else float(changed.timestamp())

    @numbered()
    def read(self, name: str) -> bytes:
        """Return a small file's content; FileNotFoundError if there is none."""
        with self.files.open_input_file(self._path(name)) as file:
            return bytes(file.read())

    @numbered()
    def write(self, name: str, content: bytes) -> None:
        """Put a small file."""
        with self._written(name) as file:
            file.write(content)

    @numbered()
    def put(self, source: Path, name: str) -> None:
        """Put a local file."""
        with source.open("rb") as local, self._written(name) as file:
            while chunk := local.read(CHUNK_BYTES):
                file.write(chunk)

    @numbered()
    def get(self, name: str, target: Path) -> None:
        """Bring a file here, whole or not at all; FileNotFoundError if there is none."""
        with self.files.open_input_stream(self._path(name)) as file:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as temporary, temporary.open("wb") as local:
                while chunk := file.read(CHUNK_BYTES):
                    local.write(chunk)

    @numbered()
    def sha256_of(self, name: str) -> str:
        """Return the SHA-256 of a file's content, which is read for it."""
        digest = hashlib.sha256()
        with self.files.open_input_stream(self._path(name)) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    @numbered()
    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        if self.has(name):
            self.files.delete_file(self._path(name))

    def delete_all(self) -> None:
        """Delete all files, and what else is left of the folder."""
        for name in self.names():
            self.delete(name)
        if self.files.type_name == "local":
            with suppress(FileNotFoundError):
                self.files.delete_dir(self.base)

    def _path(self, name: str) -> str:
        return f"{self.base}/{checked_name(name)}"

    @contextmanager
    def _written(self, name: str) -> Iterator[NativeFile]:
        """Open a file for writing; plain ones, which others see grow, under another name first."""
        path = self._path(name)
        with ExitStack() as stack:
            if self.files.type_name == "local":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                path = str(stack.enter_context(replacing(Path(path))))
            yield stack.enter_context(self.files.open_output_stream(path))
