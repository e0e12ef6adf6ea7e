"""What this machine has: cores, memory, GPUs, disk."""

import math
import os
import platform
import shutil
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_CGROUP_CPU = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_MEMORY = Path("/sys/fs/cgroup/memory.max")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Gpu:
    """One GPU as its driver describes it."""

    name: str
    memory_bytes: int


@dataclass(frozen=True)
class Machine:
    """What a machine offers.

    Attributes:
        cpus: Cores this process may use (affinity and container limits counted).
        memory_bytes: Memory this process may use; None where the system does not say.
    """

    host: str
    system: str
    python: str
    cpus: int
    memory_bytes: int | None
    gpus: tuple[Gpu, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the facts for a study's lineage."""
        return asdict(self)


def see_machine() -> Machine:
    """Return what this machine has."""
    return Machine(
        host=socket.gethostname(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        cpus=usable_cpus(),
        memory_bytes=usable_memory(),
        gpus=see_gpus(),
    )


def usable_cpus() -> int:
    """Return the cores this process may use, at least one."""
    cores = len(os.sched_getaffinity(0))
    limit = _first_line(_CGROUP_CPU).split()
    if len(limit) == 2 and limit[0].isdigit() and limit[1].isdigit():
        cores = min(cores, math.ceil(int(limit[0]) / int(limit[1])))
    return max(1, cores)


def usable_memory() -> int | None:
    """Return the bytes of memory this process may use."""
    limits = []
    total = next(
        (line for line in _lines(_MEMINFO) if line.startswith("MemTotal:")), "MemTotal:"
    ).split()
    if len(total) == 3:
        limits.append(int(total[1]) * 1024)
    group = _first_line(_CGROUP_MEMORY)
    if group.isdigit():
        limits.append(int(group))
    return min(limits, default=None)


def see_gpus() -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs that this process may use, as `nvidia-smi` lists them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()  # a driver that does not answer is no GPU to train on; doctor says more
    gpus = []
    for line in found.stdout.splitlines():
        name, _, memory = line.rpartition(",")
        gpus.append(Gpu(name=name.strip(), memory_bytes=int(memory) * 1024 * 1024))
    return tuple(gpus[: _visible(len(gpus))])


def free_disk(path: Path) -> int:
    """Return the free bytes where a path is, or will be made."""
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free


def _visible(count: int) -> int:
    """Return how many GPUs are left to this process by CUDA_VISIBLE_DEVICES."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return count
    return min(count, len([item for item in listed.split(",") if item.strip() not in ("", "-1")]))


def _first_line(path: Path) -> str:
    return next(iter(_lines(path)), "")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []  # not a Linux with this file: there is no such limit
