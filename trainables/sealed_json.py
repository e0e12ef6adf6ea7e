"""JSON records that state their format's version and carry a checksum of themselves."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
"""Of manifests and state records. Stages of another version are never read as this one's."""

_SEAL = "seal"


class DamagedRecord(ValueError):
    """The text is not what was written."""


class StageFormat(ValueError):
    """A stage was written in a format that this program does not read."""


def sealed(record: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return a record as text, with the format's version and a checksum.

    Args:
        record: JSON data.
        indent: Spaces per level, for files that people read.
    """
    stated = json.loads(json.dumps({"version": FORMAT_VERSION, **record}, allow_nan=False))
    text = _canonical(stated)
    seal = _digest(text)
    if indent is None:
        return f'{text[:-1]},"{_SEAL}":"{seal}"}}'
    return json.dumps({**stated, _SEAL: seal}, indent=indent)


def read_sealed(path: Path, *, key: str) -> dict[str, Any]:
    """Return the record a file holds.

    Args:
        path: The file.
        key: The stage that it tells about.

    Raises:
        FileNotFoundError: If there is none.
        DamagedRecord: If it is not what was written.
        StageFormat: If it is whole, but of another version.
    """
    content = path.read_bytes()
    try:
        record = json.loads(content)
    except ValueError as error:
        raise DamagedRecord(f"stage {key}: {path.name} is not JSON ({error}).") from error
    if not isinstance(record, dict):
        raise DamagedRecord(f"stage {key}: {path.name} is not a JSON object.")
    seal = record.pop(_SEAL, None)
    if seal is not None and seal != _digest(_canonical(record)):
        raise DamagedRecord(f"stage {key}: {path.name} is not what was written.")
    return _in_this_version(record, path=path, key=key)


def _in_this_version(record: dict[str, Any], *, path: Path, key: str) -> dict[str, Any]:
    """Return a whole record as this program's version; an older one would be converted here."""
    version = record.get("version")
    if version != FORMAT_VERSION:
        raise StageFormat(
            f"stage {key}: {path.name} has format version {version}, this program reads "
            f"{FORMAT_VERSION}. Use the program version that wrote it, or move {path.parent} away "
            f"to train the stage again."
        )
    return record


def _canonical(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
