"""What the tracker remembers between drivers: how far MLflow follows, and which files it has."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hpe.whole_file import write_text

SQLITE = "sqlite:///"


@dataclass
class Memory:
    """What MLflow holds of a study.

    Attributes:
        written: How many journal records it was told about.
        experiment_id: None where it is not known.
        files: Name of an upload -> digest of what was uploaded last.
    """

    written: int = 0
    experiment_id: str | None = None
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Upload:
    """Files to be kept with the study's run.

    Attributes:
        path: A folder, or of a model its weights file.
        name: What people call it, and of a folder its name there.
        digest: Of what is in it now.
    """

    path: Path
    name: str
    is_model: bool
    digest: str


def recall(path: Path, *, uri: str, journal: str | None, num_past: int) -> Memory:
    """Return what is remembered; nothing where that cannot be told: all is written again then.

    Args:
        path: The file, `StudyDir.tracking`.
        uri: The tracking store.
        journal: Id of the journal, None if it is empty.
        num_past: How many records that has.
    """
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).exists():
        return Memory()
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return Memory()
    same = (
        isinstance(content, dict)
        and journal is not None
        and content.get("journal_id") == journal
        and content.get("store") == _store_id(uri)
    )
    if not same:
        return Memory()
    return Memory(
        written=min(int(content["written"]), num_past),
        experiment_id=content.get("experiment_id"),
        files=dict(content.get("files", {})),
    )


def remember(memory: Memory, path: Path, *, uri: str, journal: str | None) -> None:
    """Write the file."""
    content = {
        "journal_id": journal,
        "store": _store_id(uri),
        "written": memory.written,
        "experiment_id": memory.experiment_id,
        "files": memory.files,
    }
    write_text(path, json.dumps(content), durable=False)


def upload_of(path: Path, name: str, *, is_model: bool) -> Upload:
    """Return what is to be uploaded, with its digest."""
    files: Sequence[Path] = [path] if path.is_file() else sorted(path.rglob("*"))
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return Upload(path, name, is_model=is_model, digest=digest.hexdigest())


def _store_id(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()[:16]
