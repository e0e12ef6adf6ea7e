"""What a study's numbers came from: code, packages, data and machine, for journal and MLflow."""

import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hpe.data.opened import OpenedData
from sweep.installation import installed_versions, read_requirements
from sweep.machine import Machine
from sweep.slot_fit import SlotFit

PROJECT = Path(__file__).resolve().parent.parent
REQUIREMENTS = PROJECT / "requirements.txt"


@dataclass(frozen=True)
class Commit:
    """The code's place in git.

    Attributes:
        dirty: Whether tracked files differ from the commit.
    """

    sha: str
    dirty: bool


def describe(
    *, machine: Machine, slots: SlotFit, data: OpenedData[Any], data_config: Mapping[str, Any]
) -> dict[str, Any]:
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
        "slots": asdict(slots),
    }


def read_commit(folder: Path) -> Commit | None:
    """Return the commit a folder is at, or None outside git."""
    sha = _git(folder, "rev-parse", "HEAD")
    if sha is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return Commit(sha=sha, dirty=bool(changed))


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or no repository: the record says so by having no commit
    return found.stdout.strip()


def cores_per_slot(lineage: Mapping[str, Any]) -> float | None:
    """Return the cores a slot computed with; None where GPUs did, or nothing is on record."""
    slots = lineage.get("slots")
    if slots is None or slots["gpus_per_worker"]:
        return None
    return float(slots["workers"] * slots["cpus_per_worker"])


def gpus_per_slot(lineage: Mapping[str, Any]) -> float:
    """Return the GPUs that a running trial occupied; 0 where nothing is on record."""
    slots = lineage.get("slots")
    return 0.0 if slots is None else float(slots["workers"] * slots["gpus_per_worker"])
