"""What a study's numbers came from: code, packages, data and machine, for journal and MLflow."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hpe.data.hands import HandData
from sweep.machine import Machine

PROJECT = Path(__file__).resolve().parent.parent
REQUIREMENTS = PROJECT / "requirements.txt"

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?\s*(?P<pin>[<>=!~][^;#\s]*)?"
)


@dataclass(frozen=True)
class Requirement:
    """One line of requirements.txt: a package and the versions it may have (empty: any)."""

    name: str
    pin: str


@dataclass(frozen=True)
class Commit:
    """The code's place in git.

    Attributes:
        dirty: Whether tracked files differ from the commit.
    """

    sha: str
    dirty: bool


def describe(*, machine: Machine, data: HandData, data_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lineage of a study as JSON data."""
    commit = read_commit(PROJECT)
    return {
        "git": {"commit": commit.sha, "dirty": commit.dirty} if commit else None,
        "packages": installed_versions(read_requirements(REQUIREMENTS)),
        "data": {
            "name": data.name,
            "digest": data.digest,
            "config": dict(data_config),
            "card": dict(data.card),
        },
        "hardware": machine.to_json(),
    }


def read_commit(folder: Path) -> Commit | None:
    """Return the commit a folder is at, or None outside git."""
    sha = _git(folder, "rev-parse", "HEAD")
    if sha is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return Commit(sha=sha, dirty=bool(changed))


def read_requirements(path: Path) -> list[Requirement]:
    """Return the packages a requirements file names; none if there is no such file."""
    if not path.is_file():
        return []
    requirements = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _REQUIREMENT.match(line.strip())
        if match:
            requirements.append(Requirement(name=match["name"], pin=match["pin"] or ""))
    return requirements


def installed_versions(requirements: list[Requirement]) -> dict[str, str | None]:
    """Return the installed version of every package; None where it is not installed."""
    return {requirement.name: installed_version(requirement.name) for requirement in requirements}


def installed_version(name: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or no repository: the record says so by having no commit
    return found.stdout.strip()
