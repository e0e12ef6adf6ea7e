"""The half of a stage store that every machine reaches: stages and states in remote storage.

A machine's own folder is then a cache of it. A stage is committed exactly when its manifest lies in
the remote storage, where it is written last, as on a disk.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hpe.whole_file import is_temporary, sha256_of, write_text
from trainables.manifest import MANIFEST, read_manifest
from trainables.remote_folder import RemoteFolder

LINK = ".remote"
"""The file of a stage store's folder that names the remote storage, if there is one."""


def linked_remote(root: Path) -> str | None:
    """Return the URI that a stage store's folder is a cache of, or None."""
    try:
        return (root / LINK).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def link_remote(root: Path, uri: str) -> None:
    """Make a stage store's folder, new or old, the cache of what lies at a URI.

    Raises:
        ValueError: If it is that of another one.
    """
    known = linked_remote(root)
    if known not in (None, uri):
        raise ValueError(f"{root}: it caches {known}, not {uri}; use another --runs-dir.")
    root.mkdir(parents=True, exist_ok=True)
    if known is None:
        write_text(root / LINK, f"{uri}\n")


@dataclass(frozen=True)
class StageRemote:
    """Stages in remote storage, brought to and from a stage store's folder."""

    remote: RemoteFolder

    def is_committed(self, key: str) -> bool:
        """Say whether a stage is finished."""
        return self.remote.has(f"{key}/{MANIFEST}")

    def bring_manifest(self, folder: Path) -> None:
        """Bring a stage's manifest; FileNotFoundError if the stage is not committed."""
        if not (folder / MANIFEST).exists():
            self.remote.get(f"{folder.name}/{MANIFEST}", folder / MANIFEST)

    def bring(self, folder: Path, names: Iterable[str]) -> None:
        """Bring these files of a committed stage, as far as they are not here with their size."""
        self.bring_manifest(folder)
        stated = read_manifest(folder)["files"]
        for name in names:
            path = folder / name
            if name in stated and not _has_size(path, stated[name]["bytes"]):
                self.remote.get(f"{folder.name}/{name}", path)

    def commit(self, folder: Path) -> None:
        """Put a stage that is complete here, its manifest last."""
        key = folder.name
        for name in read_manifest(folder)["files"]:
            self.remote.put(folder / name, f"{key}/{name}")
        self.remote.put(folder / MANIFEST, f"{key}/{MANIFEST}")

    def mend_copy(self, folder: Path) -> None:
        """Bring again what is damaged here of a committed stage."""
        if not self.is_committed(folder.name):
            return
        (folder / MANIFEST).unlink(missing_ok=True)
        self.bring_manifest(folder)
        for name, stated in read_manifest(folder)["files"].items():
            path = folder / name
            if not path.is_file() or sha256_of(path) != stated["sha256"]:
                self.remote.get(f"{folder.name}/{name}", path)

    def set_aside(self, key: str) -> None:
        """Take from a stage that is damaged at its source what makes it count as committed."""
        name = f"{key}/{MANIFEST}"
        if self.remote.has(name):
            self.remote.write(f"{name}.corrupt-{uuid.uuid4().hex[:8]}", self.remote.read(name))
            self.remote.delete(name)

    def put_state(self, folder: Path, *, rank: int, epoch: int) -> None:
        """Put one worker's state after an epoch, and drop those that are no longer here.

        Args:
            folder: The states of a stage: `<key>/<name>/`.
            rank: The worker.
            epoch: The epoch; its record is put after its tensors.
        """
        there = self._folder(folder)
        here = sorted(p.name for p in folder.glob(f"*.rank{rank}.*") if not is_temporary(p))
        current = [name for name in here if name.startswith(f"{epoch:05d}.")]
        for name in sorted(current, key=lambda name: name.endswith(".json")):
            there.put(folder / name, name)
        for name in there.names():
            if f".rank{rank}." in name and name not in here:
                there.delete(name)

    def put_folder(self, folder: Path) -> None:
        """Put all files of a folder two levels below a stage's, such as a kept epoch."""
        there = self._folder(folder, depth=2)  # <key>/kept/<epoch>
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not is_temporary(path):
                there.put(path, path.relative_to(folder).as_posix())

    def bring_folder(self, folder: Path, *, depth: int = 1) -> None:
        """Bring all there is of a folder of a stage."""
        there = self._folder(folder, depth=depth)
        for name in there.names():
            there.get(name, folder / name)

    def drop_folder(self, folder: Path, *, depth: int = 1) -> None:
        """Delete all there is of a folder of a stage."""
        there = self._folder(folder, depth=depth)
        for name in there.names():
            there.delete(name)

    def _folder(self, folder: Path, *, depth: int = 1) -> RemoteFolder:
        """Return the remote folder that goes by the last parts of a local one, the key first."""
        return self.remote.below("/".join(folder.parts[-depth - 1 :]))


def _has_size(path: Path, num_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == num_bytes
