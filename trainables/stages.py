"""The stage store: a folder per stage, committed by its manifest, never half-written.

Layout of `<root>/<key>/`:
    manifest.json        names, sizes and SHA-256 sums of all other committed files; written last
    facts.json           `Artifacts.facts`
    <group>.safetensors  `Artifacts.tensors`, a file per group
    history.json         metrics of every epoch
    kept/<epoch>/        artifacts of single epochs that the phase's settings ask to keep
    state/               states to resume from, while the stage is being trained
"""

import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from hpe.phases.phase import Artifacts, State
from hpe.phases.state import join_state, split_state
from trainables.assignment import Stage

FORMAT_VERSION = 1
STATES_KEPT = 2  # the newest may be torn by a crash; the one before it then serves

logger = logging.getLogger(__name__)

History = Sequence[Mapping[str, Any]]
"""One `{"epoch": n, "metrics": {...}}` per finished epoch, in order."""


@dataclass(frozen=True)
class SavedState:
    """Where an unfinished stage stands."""

    state: State
    epoch: int
    history: History


class CorruptStage(ValueError):
    """A committed file does not have the content its manifest states."""


@dataclass(frozen=True)
class StageStore:
    """Stages below one folder, which every worker and the driver can reach."""

    root: Path

    def folder(self, key: str) -> Path:
        """Return where a stage is, or will be."""
        return self.root / key

    def is_committed(self, key: str) -> bool:
        """Say whether the stage is finished and intact; a damaged one is set aside."""
        folder = self.folder(key)
        if not (folder / "manifest.json").exists():
            return False
        try:
            self._verify(folder)
        except CorruptStage as error:
            aside = folder.with_name(f"{key}.corrupt-{uuid.uuid4().hex[:8]}")
            try:
                folder.rename(aside)
            except FileNotFoundError:
                return False  # somebody else noticed at the same moment
            logger.warning(
                "%s It was set aside as %s and will be trained again.", error, aside.name
            )
            return False
        return True

    def artifacts(self, key: str) -> Artifacts:
        """Return what a committed stage left behind.

        Raises:
            CorruptStage: If a file does not match the manifest.
            FileNotFoundError: If the stage is not committed.
        """
        folder = self.folder(key)
        self._verify(folder)
        return _read_artifacts(folder)

    def manifest(self, key: str) -> dict[str, Any]:
        """Return the manifest of a committed stage: files, stage and lineage."""
        return _read_manifest(self.folder(key))

    def metrics(self, key: str) -> list[dict[str, Any]]:
        """Return `{"epoch", "metrics"}` of every epoch of a committed stage."""
        return list(json.loads((self.folder(key) / "history.json").read_text()))

    def save_state(
        self, stage: Stage, state: State, *, epoch: int, history: History, rank: int = 0
    ) -> None:
        """Write the state after an epoch; each rank writes its own."""
        folder = self.folder(stage.key) / "state"
        folder.mkdir(parents=True, exist_ok=True)
        tensors, skeleton = split_state(state)
        path = folder / f"{epoch:05d}.rank{rank}.safetensors"
        _write_tensors(path, tensors)
        record = {
            "version": FORMAT_VERSION,
            "epoch": epoch,
            "sha256": _sha256(path),
            "state": skeleton,
            "history": list(history),
        }
        _write_text(path.with_suffix(".json"), json.dumps(record, allow_nan=False))
        for old in sorted(folder.glob(f"*.rank{rank}.json"))[:-STATES_KEPT]:
            old.unlink(missing_ok=True)
            old.with_suffix(".safetensors").unlink(missing_ok=True)

    def last_state(self, stage: Stage, *, rank: int = 0, world_size: int = 1) -> SavedState | None:
        """Return the newest state that every rank has intact, or None to start afresh."""
        folder = self.folder(stage.key) / "state"
        for path in sorted(folder.glob("*.rank0.json"), reverse=True):
            epoch_name = path.name.split(".")[0]
            records = [
                _read_state_record(folder / f"{epoch_name}.rank{peer}.json")
                for peer in range(world_size)
            ]
            record = records[rank]
            if record is None or None in records:
                continue
            try:
                tensors = load_file(folder / f"{epoch_name}.rank{rank}.safetensors")
            except FileNotFoundError:
                continue  # dropped since: another worker has committed the stage
            return SavedState(
                state=join_state(tensors, record["state"]),
                epoch=record["epoch"],
                history=record["history"],
            )
        return None

    def keep_snapshot(self, stage: Stage, epoch: int, artifacts: Artifacts) -> None:
        """Keep the artifacts of one epoch beside those of the end."""
        _write_artifacts(self.folder(stage.key) / "kept" / f"{epoch:05d}", artifacts)

    def drop_snapshot(self, stage: Stage, epoch: int) -> None:
        """Forget the kept artifacts of an epoch that fell out of the top k."""
        shutil.rmtree(self.folder(stage.key) / "kept" / f"{epoch:05d}", ignore_errors=True)

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
        if self.is_committed(stage.key):
            return
        identity = {"phase": stage.phase, "config": dict(stage.config), "seed": stage.seed}
        self._commit(
            stage.key, artifacts, history, {**identity, "parents": dict(stage.parents)}, lineage
        )

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
        if not self.is_committed(key):
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
        _write_artifacts(folder, artifacts)
        _write_text(folder / "history.json", json.dumps(list(history), allow_nan=False))
        shutil.rmtree(folder / "state", ignore_errors=True)
        files = sorted(
            path for path in folder.rglob("*") if path.is_file() and not _is_temporary(path)
        )
        manifest = {
            "version": FORMAT_VERSION,
            "key": key,
            "stage": dict(identity),
            "lineage": dict(lineage),
            "files": {
                path.relative_to(folder).as_posix(): {
                    "bytes": path.stat().st_size,
                    "sha256": _sha256(path),
                }
                for path in files
                if path.name != "manifest.json"
            },
        }
        _write_text(folder / "manifest.json", json.dumps(manifest, indent=1, allow_nan=False))

    def _verify(self, folder: Path) -> None:
        for name, stated in _read_manifest(folder)["files"].items():
            path = folder / name
            if not path.exists():
                raise CorruptStage(f"stage {folder.name}: {name} is missing.")
            if path.stat().st_size != stated["bytes"] or _sha256(path) != stated["sha256"]:
                raise CorruptStage(f"stage {folder.name}: {name} is not what was committed.")


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise CorruptStage(f"stage {folder.name}: its manifest is not JSON ({error}).") from error
    if manifest.get("version") != FORMAT_VERSION:
        raise CorruptStage(
            f"stage {folder.name}: it has format version {manifest.get('version')}, "
            f"this program reads {FORMAT_VERSION}."
        )
    return manifest


def _read_state_record(path: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    tensors = path.with_suffix(".safetensors")
    try:
        is_intact = _sha256(tensors) == record["sha256"]
    except FileNotFoundError:
        is_intact = False
    if not is_intact:
        logger.warning("%s is damaged; the state before it is used.", tensors)
        return None
    return record


def _read_artifacts(folder: Path) -> Artifacts:
    tensors = {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}
    return Artifacts(tensors=tensors, facts=json.loads((folder / "facts.json").read_text()))


def _write_artifacts(folder: Path, artifacts: Artifacts) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for group, tensors in artifacts.tensors.items():
        _write_tensors(folder / f"{group}.safetensors", tensors)
    _write_text(folder / "facts.json", json.dumps(dict(artifacts.facts), indent=1, allow_nan=False))


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    temporary = _temporary(path)
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary)
    temporary.replace(path)


def _write_text(path: Path, text: str) -> None:
    temporary = _temporary(path)
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
