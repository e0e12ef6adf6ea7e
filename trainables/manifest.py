"""The manifest of a committed stage: what it is, where it came from, and its files to the bit.

It is written last, so a stage is committed exactly when it has one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpe.whole_file import sha256_of, write_text
from trainables.sealed_json import DamagedRecord, read_sealed, sealed

MANIFEST = "manifest.json"


class CorruptStage(ValueError):
    """A committed file does not have the content its manifest states."""


def write_manifest(
    folder: Path, files: Sequence[Path], *, stage: Mapping[str, Any], lineage: Mapping[str, Any]
) -> None:
    """Commit what lies in these files.

    Args:
        folder: The stage's folder; its name is the stage's key.
        files: All that belongs to the stage.
        stage: The stage's identity, as JSON data.
        lineage: Where and by whom it was trained, as JSON data.
    """
    content = {
        "key": folder.name,
        "stage": dict(stage),
        "lineage": dict(lineage),
        "files": {
            path.relative_to(folder).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": sha256_of(path),
            }
            for path in sorted(files)
        },
    }
    write_text(folder / MANIFEST, sealed(content, indent=1))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a stage.

    Raises:
        FileNotFoundError: If the stage is not committed.
        CorruptStage: If the manifest is damaged.
        StageFormat: If it is of a version that this program does not read.
    """
    try:
        return read_sealed(folder / MANIFEST, key=folder.name)
    except DamagedRecord as error:
        raise CorruptStage(str(error)) from error


def has_its_files(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Say whether every file is there with the size the manifest states; reads none of them."""
    for name, stated in manifest["files"].items():
        try:
            if (folder / name).stat().st_size != stated["bytes"]:
                return False
        except FileNotFoundError:
            return False
    return True


def verified(folder: Path, manifest: Mapping[str, Any], names: Sequence[str]) -> list[Path]:
    """Return the paths of these files once all are known to have the content they were given.

    Raises:
        CorruptStage: If one has not.
    """
    paths = []
    for name in names:
        path = folder / name
        stated = manifest["files"].get(name)
        if stated is None or not path.is_file():
            raise CorruptStage(f"stage {folder.name}: {name} is missing.")
        if path.stat().st_size != stated["bytes"] or sha256_of(path) != stated["sha256"]:
            raise CorruptStage(f"stage {folder.name}: {name} is not what was committed.")
        paths.append(path)
    return paths
