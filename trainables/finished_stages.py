"""The finished stages of a stage store, without their tensors: what needs no torch to be read.

Every slot has a process that asks no more than this of the store (`trainables.trial`), and torch
takes seconds and hundreds of megabytes to import.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainables.manifest import CorruptStage, has_its_files, read_manifest, verified
from trainables.remote_folder import RemoteFolder
from trainables.stage_remote import StageRemote, linked_remote

HISTORY = "history.json"


@dataclass(frozen=True)
class FinishedStages:
    """Stages below one folder, as far as they are finished; `StageStore` is the whole of it."""

    root: Path

    @cached_property
    def _remote(self) -> StageRemote | None:
        uri = linked_remote(self.root)
        return None if uri is None else StageRemote(RemoteFolder.at(uri))

    def folder(self, key: str) -> Path:
        """Return where a stage is, or will be."""
        return self.root / key

    def is_committed(self, key: str) -> bool:
        """Say whether the stage is finished and its files are there; what is in them is not read.

        Raises:
            StageFormat: If it is in a format that this program does not read.
        """
        folder = self.folder(key)
        try:
            if self._remote is not None:
                self._remote.bring_manifest(folder)
                read_manifest(folder)
                return self._remote.is_committed(key)
            return has_its_files(folder, read_manifest(folder))
        except (FileNotFoundError, CorruptStage):
            return False

    def manifest(self, key: str) -> dict[str, Any]:
        """Return the manifest of a committed stage: files, stage and lineage."""
        folder = self.folder(key)
        if self._remote is not None:
            self._remote.bring_manifest(folder)
        return read_manifest(folder)

    def files(self, key: str) -> list[Path]:
        """Return all files of a committed stage, the manifest apart, as they were committed.

        Raises:
            CorruptStage: If a file does not match the manifest.
            FileNotFoundError: If the stage is not committed.
            StageFormat: If it is in a format that this program does not read.
        """
        manifest = self.manifest(key)
        return self._verified(self.folder(key), manifest, list(manifest["files"]))

    def metrics(self, key: str) -> list[dict[str, Any]]:
        """Return `{"epoch", "metrics"}` of every epoch of a committed stage.

        Raises:
            CorruptStage, FileNotFoundError, StageFormat: As `files` does.
        """
        (path,) = self._verified(self.folder(key), self.manifest(key), [HISTORY])
        return list(json.loads(path.read_text(encoding="utf-8")))

    def _verified(
        self, folder: Path, manifest: Mapping[str, Any], names: Sequence[str]
    ) -> list[Path]:
        if self._remote is not None:
            self._remote.bring(folder, names)
        return verified(folder, manifest, names)
