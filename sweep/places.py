"""Where results can be copied from and to: runs folders, here or over SSH, and shared storage.

Names are those of files below a runs folder, such as `<study>/journal.jsonl` and
`stages/<key>/manifest.json`.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hpe.whole_file import sha256_of
from sweep.shared_storage import STAGES, STUDIES
from trainables.remote_folder import RemoteFolder, checked_name, is_uri

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9._-]*:(?!//)")

_NO_FOLDER = re.compile(r"\[sender\] change_dir .* failed: No such file or directory")


class Place(Protocol):
    """The end of a copy that is not a folder of this machine, or is treated like one."""

    def fetch(self, names: Sequence[str], into: Path) -> None:
        """Bring these files, and all below those that are folders; those it has not are left out.

        Files are brought below `into` under the same names; what an earlier try brought is not
        brought again.
        """

    def send(self, names: Sequence[str], source: Path) -> None:
        """Take these files from below `source`; those it has already are not sent again."""

    def differing(self, names: Sequence[str], source: Path) -> list[str]:
        """Return which of these files it has not as they are below `source`, byte for byte."""


def place_at(text: str) -> Place:
    """Return the place somebody typed: a URI, `host:folder`, or a folder.

    Raises:
        ValueError: If there is none of this kind.
    """
    if is_uri(text):
        return FolderPlace(RemoteFolder.at(text), studies=f"{STUDIES}/")
    if _HOST.match(text):
        return RsyncPlace(text)
    return FolderPlace(RemoteFolder.at(Path(text).absolute().as_uri()))


def is_folder_here(text: str) -> bool:
    """Say whether what somebody typed is a folder of this machine."""
    return not is_uri(text) and not _HOST.match(text)


@dataclass(frozen=True)
class FolderPlace:
    """A runs folder, or shared storage, in which studies lie in a folder of their own."""

    folder: RemoteFolder
    studies: str = ""

    def fetch(self, names: Sequence[str], into: Path) -> None:
        """See `Place.fetch`."""
        for name in names:
            there = self._there(name)
            found = {name: there} if self.folder.has(there) else self._below(name)
            for each, remote in found.items():
                self.folder.get(remote, into / checked_name(each))

    def send(self, names: Sequence[str], source: Path) -> None:
        """See `Place.send`."""
        for name in self.differing(names, source):
            self.folder.put(source / name, self._there(name))

    def differing(self, names: Sequence[str], source: Path) -> list[str]:
        """See `Place.differing`."""
        return [name for name in names if not self._is_same(name, source / name)]

    def _is_same(self, name: str, path: Path) -> bool:
        there = self._there(name)
        return self.folder.has(there) and self.folder.sha256_of(there) == sha256_of(path)

    def _below(self, name: str) -> dict[str, str]:
        there = self._there(name)
        names = self.folder.below(there).names()
        return {f"{name}/{below}": f"{there}/{below}" for below in names}

    def _there(self, name: str) -> str:
        return name if name.startswith(f"{STAGES}/") else f"{self.studies}{name}"


@dataclass(frozen=True)
class RsyncPlace:
    """A runs folder on another machine, `host:folder`, reached by rsync over SSH.

    A link that leads to a folder, as `stages` is where a path is shared, counts as that folder.
    """

    address: str

    def fetch(self, names: Sequence[str], into: Path) -> None:
        """See `Place.fetch`."""
        into.mkdir(parents=True, exist_ok=True)
        self._rsync(["--recursive", "--ignore-missing-args"], names, f"{self.address}/", f"{into}/")

    def send(self, names: Sequence[str], source: Path) -> None:
        """See `Place.send`."""
        self._rsync(["--mkpath"], names, f"{source}/", f"{self.address}/")

    def differing(self, names: Sequence[str], source: Path) -> list[str]:
        """See `Place.differing`."""
        options = ["--dry-run", "--checksum", "--no-times", "--out-format=%n"]
        return self._rsync(options, names, f"{source}/", f"{self.address}/").split("\n")[:-1]

    def _rsync(self, options: Sequence[str], names: Sequence[str], here: str, there: str) -> str:
        if not names:
            return ""
        command = [
            *("rsync", "--links", "--times", "--partial", "--secluded-args"),
            *("--copy-dirlinks", "--keep-dirlinks", "--files-from=-", *options, "--", here, there),
        ]
        try:
            done = subprocess.run(
                command,
                input="\n".join(names),
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
        except FileNotFoundError:
            raise ValueError("rsync is not installed here; it copies over SSH.") from None
        if _NO_FOLDER.search(done.stderr):
            return ""  # there is nothing yet to be brought
        if done.returncode != 0:
            raise ValueError(
                f"{self.address}: rsync ended with {done.returncode}: {done.stderr.strip()}. The "
                f"same command goes on from here."
            )
        return done.stdout
