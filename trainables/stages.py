"""The stage store: a folder per stage, committed by its manifest, never half-written.

Layout of `<root>/<key>/`:
    manifest.json        names, sizes and SHA-256 sums of all other committed files; written last
    facts.json           `Artifacts.facts`
    <group>.safetensors  `Artifacts.tensors`, a file per group
    history.json         metrics of every epoch
    kept/<epoch>/        artifacts of single epochs that the phase's settings ask to keep
    pictures/<epoch>/    what its predictions looked like then, where the settings ask for it
    state/               states to resume from, while the stage is being trained

A stage that turns out damaged is set aside as `<key>.corrupt-<id>` and trained again.

Where the folder names remote storage (`trainables.stage_remote`), it is a cache of that: what is
finished is decided there, and files are brought here when they are read.
"""

import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpe.phases.phase import Artifacts, State
from hpe.whole_file import is_temporary, replacing, write_text
from trainables.artifact_files import FACTS, TENSORS, read_artifacts, write_artifacts
from trainables.assignment import Stage
from trainables.file_lock import lock_file
from trainables.finished_stages import HISTORY, FinishedStages
from trainables.manifest import CorruptStage, read_manifest, verified, write_manifest
from trainables.saved_states import History, SavedState, read_last_state, write_state

KEPT = "kept"
PICTURES = "pictures"
STATES = "state"
CORRUPT = ".corrupt-"
LOCKS = ".locks"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageStore(FinishedStages):
    """Stages below one folder, which every worker and the driver can reach."""

    def set_aside(self, key: str) -> Path | None:
        """Put a stage out of the way if it was committed and is damaged, to be trained again.

        Returns:
            Where it is now, or None if nothing was wrong, or somebody else was faster.

        Raises:
            StageFormat: If it is in a format that this program does not read; it stays.
        """
        folder = self.folder(key)
        with self._locked(key):
            try:
                if self._remote is not None:
                    self._remote.mend_copy(folder)
                manifest = read_manifest(folder)
                verified(folder, manifest, list(manifest["files"]))
            except FileNotFoundError:
                return None
            except CorruptStage as error:
                aside = folder.with_name(f"{key}{CORRUPT}{uuid.uuid4().hex[:8]}")
                folder.rename(aside)
                if self._remote is not None:
                    self._remote.set_aside(key)
                logger.warning("%s It is set aside as %s.", error, aside.name)
                return aside
        return None

    def artifacts(self, key: str) -> Artifacts:
        """Return what a committed stage left behind.

        Raises:
            CorruptStage, FileNotFoundError, StageFormat: As `files` does.
        """
        folder, manifest = self.folder(key), self.manifest(key)
        tensors = [n for n in manifest["files"] if "/" not in n and n.endswith(TENSORS)]
        return read_artifacts(self._verified(folder, manifest, [*tensors, FACTS]))

    def bring_epochs(self, key: str) -> None:
        """Have the states and the kept epochs of a stage in its folder, where they are read."""
        if self._remote is not None:
            self._remote.bring_folder(self.folder(key) / STATES)
            self._remote.bring_folder(self.folder(key) / KEPT)
            self._remote.bring_folder(self.folder(key) / PICTURES)

    def save_state(
        self, stage: Stage, state: State, *, epoch: int, history: History, rank: int = 0
    ) -> None:
        """Write the state after an epoch; each rank writes its own.

        Nothing is written once the stage is committed: another worker was faster.
        """
        folder = self.folder(stage.key) / STATES
        with self._locked(stage.key, shared=True):
            if not self.is_committed(stage.key):
                write_state(folder, state, epoch=epoch, history=history, rank=rank)
                if self._remote is not None:
                    self._remote.put_state(folder, rank=rank, epoch=epoch)

    def last_state(self, stage: Stage, *, rank: int = 0, world_size: int = 1) -> SavedState | None:
        """Return the newest state that every rank has intact, or None to start afresh.

        Raises:
            StageFormat: If it is in a format that this program does not read.
        """
        folder = self.folder(stage.key) / STATES
        self.bring_epochs(stage.key)
        return read_last_state(folder, key=stage.key, rank=rank, world_size=world_size)

    def keep_snapshot(self, stage: Stage, epoch: int, artifacts: Artifacts) -> None:
        """Keep the artifacts of one epoch beside those of the end."""
        with self._locked(stage.key):
            if not self.is_committed(stage.key):
                snapshot = self.folder(stage.key) / KEPT / f"{epoch:05d}"
                write_artifacts(snapshot, artifacts)
                if self._remote is not None:
                    self._remote.put_folder(snapshot)

    def keep_pictures(self, stage: Stage, epoch: int, files: Mapping[str, bytes]) -> None:
        """Keep what the predictions of one epoch look like.

        Args:
            stage: The stage, under training.
            epoch: The epoch.
            files: Contents by file name.
        """
        with self._locked(stage.key):
            if not self.is_committed(stage.key):
                folder = self.folder(stage.key) / PICTURES / f"{epoch:05d}"
                folder.mkdir(parents=True, exist_ok=True)
                for name, content in files.items():
                    with replacing(folder / name) as temporary:
                        temporary.write_bytes(content)
                if self._remote is not None:
                    self._remote.put_folder(folder)

    def pictures(self, key: str) -> Mapping[int, Path]:
        """Return the folders of the epochs whose predictions were drawn, by epoch."""
        if self._remote is not None:
            self._remote.bring_folder(self.folder(key) / PICTURES)
        folder = self.folder(key) / PICTURES
        return {int(path.name): path for path in sorted(folder.glob("[0-9]*"))}

    def drop_snapshot(self, stage: Stage, epoch: int) -> None:
        """Forget the kept artifacts of an epoch that fell out of the top k."""
        with self._locked(stage.key):
            if not self.is_committed(stage.key):
                snapshot = self.folder(stage.key) / KEPT / f"{epoch:05d}"
                shutil.rmtree(snapshot, ignore_errors=True)
                if self._remote is not None:
                    self._remote.drop_folder(snapshot, depth=2)

    def drop_snapshots_but(self, stage: Stage, epochs: Collection[int]) -> None:
        """Forget the kept artifacts of all epochs but these."""
        for path in sorted((self.folder(stage.key) / KEPT).glob("[0-9]*")):
            if int(path.name) not in epochs:
                self.drop_snapshot(stage, int(path.name))

    def commit(
        self,
        stage: Stage,
        artifacts: Artifacts,
        history: History,
        *,
        lineage: Mapping[str, Any],
    ) -> None:
        """Write all a stage leaves, its manifest last, and drop its states.

        A stage that is committed already stays as it is: others may be reading it.
        """
        identity = {"phase": stage.phase, "config": dict(stage.config), "seed": stage.seed}
        identity["parents"] = dict(stage.parents)
        self._commit(stage.key, artifacts, history, identity, lineage)

    def import_weights(self, artifacts: Artifacts, *, phase: str, source: Mapping[str, Any]) -> str:
        """Commit foreign artifacts as a finished stage of this phase and return its key.

        Args:
            artifacts: What the phase would have left.
            phase: The phase it stands for.
            source: Where it comes from, with the `sha256` of what was read.
        """
        identity = {"phase": phase, "imported": dict(source)}
        text = json.dumps(identity, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        self.set_aside(key)
        self._commit(key, artifacts, [], identity, {"imported": dict(source)})
        return key

    def _commit(
        self,
        key: str,
        artifacts: Artifacts,
        history: History,
        identity: Mapping[str, Any],
        lineage: Mapping[str, Any],
    ) -> None:
        folder = self.folder(key)
        with self._locked(key):
            if not self.is_committed(key):
                files = write_artifacts(folder, artifacts)
                write_text(folder / HISTORY, json.dumps(list(history), allow_nan=False))
                _drop_temporaries(folder)
                kept = [
                    path
                    for name in (KEPT, PICTURES)
                    for path in (folder / name).rglob("*")
                    if path.is_file()
                ]
                files = [*files, folder / HISTORY, *kept]
                write_manifest(folder, files, stage=identity, lineage=lineage)
                if self._remote is not None:
                    self._remote.commit(folder)
            shutil.rmtree(folder / STATES, ignore_errors=True)
            if self._remote is not None:
                self._remote.drop_folder(folder / STATES)

    @contextmanager
    def _locked(self, key: str, *, shared: bool = False) -> Iterator[None]:
        """Keep other writers out of a stage; those that share the lock write different files."""
        descriptor = lock_file(self.root / LOCKS / key, shared=shared)
        assert descriptor is not None, "it waited"
        try:
            yield
        finally:
            os.close(descriptor)


def _drop_temporaries(folder: Path) -> None:
    """Remove what writers that were killed had not finished."""
    for path in folder.rglob("*"):
        if is_temporary(path):
            path.unlink(missing_ok=True)
