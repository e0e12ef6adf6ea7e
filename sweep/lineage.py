"""What a study's numbers came from: code, packages, data and machine, for journal and MLflow."""

import hashlib
import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hpe.data.opened import OpenedData
from hpe.whole_file import replacing
from sweep.folders import StudyDir
from sweep.installation import all_installed, installed_versions, read_requirements
from sweep.machine import Machine
from sweep.messages import shown_path
from sweep.slot_fit import SlotFit

PROJECT = Path(__file__).resolve().parent.parent
REQUIREMENTS = PROJECT / "requirements.txt"
PATCH = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv")
SOURCES = ("--", "*.py")
SHA_CHARS = 12  # of a commit, where people read it
DIFFERS = 1


@dataclass(frozen=True)
class Commit:
    """The code's place in git.

    Attributes:
        changes: What it differs in, as a patch that `git apply` takes: changed files that git
            tracks, and Python files that it could track and does not.
    """

    sha: str
    changes: bytes = b""

    @property
    def dirty(self) -> bool:
        """Say whether the code differs from the commit."""
        return bool(self.changes)

    @property
    def digest(self) -> str | None:
        """Return the SHA-256 of the changes; None without any."""
        return hashlib.sha256(self.changes).hexdigest() if self.changes else None

    def to_json(self) -> dict[str, Any]:
        """Return what a record says of it."""
        said = {"commit": self.sha, "dirty": self.dirty}
        return said if self.digest is None else {**said, "changes": self.digest}


def describe(
    *,
    commit: Commit | None,
    machine: Machine,
    slots: SlotFit,
    data: OpenedData[Any],
    data_config: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the lineage of a study as JSON data."""
    return {
        "git": None if commit is None else commit.to_json(),
        "packages": installed_versions(read_requirements(REQUIREMENTS)),
        "lock": all_installed(),
        "data": {
            "name": data.name,
            "digest": data.digest,
            "config": dict(data_config),
            "card": dict(data.card),
        },
        "hardware": machine.to_json(),
        "slots": asdict(slots),
    }


def keep_changes(commit: Commit | None, folder: StudyDir) -> None:
    """Keep in a study's folder what its code differs from the commit in, if it does."""
    if commit is None or commit.digest is None:
        return
    path = folder.changes(commit.digest)
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(commit.changes)


def code_commands(lineage: Mapping[str, Any], folder: StudyDir) -> list[str]:
    """Return what puts the code back to where a study was run, as far as that is on record."""
    git: Mapping[str, Any] = lineage.get("git") or {}
    if not git:
        return []
    found = [f"git checkout {git['commit'][:SHA_CHARS]}"]
    if digest := git.get("changes"):
        found.append(f"git apply {shlex.quote(shown_path(folder.changes(digest)))}")
    return found


def commit_words(lineage: Mapping[str, Any]) -> str | None:
    """Return the code of a lineage as people read it, or None where nothing is on record."""
    git: Mapping[str, Any] = lineage.get("git") or {}
    if not git:
        return None
    if not git["dirty"]:
        return str(git["commit"][:SHA_CHARS])
    which = f" ({git['changes'][:SHA_CHARS]})" if "changes" in git else ""
    return f"{git['commit'][:SHA_CHARS]}, with changes that are in no commit{which}"


def read_commit(folder: Path) -> Commit | None:
    """Return the commit a folder is at, or None outside git."""
    sha = _git(folder, "rev-parse", "HEAD")
    if sha is None:
        return None
    changed = _git(folder, "diff", *PATCH, "--relative", "HEAD") or b""
    untracked = _git(folder, "ls-files", "-z", "--others", "--exclude-standard", *SOURCES) or b""
    new = (
        _git(folder, "diff", *PATCH, "--no-index", "--", os.devnull, name)
        for name in untracked.decode(errors="surrogateescape").split("\0")
        if name
    )
    return Commit(sha=sha.decode().strip(), changes=changed + b"".join(p or b"" for p in new))


def _git(folder: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return None  # no git: the record says so by having no commit
    is_diff = found.returncode == DIFFERS and "--no-index" in arguments
    return found.stdout if found.returncode == 0 or is_diff else None
