"""What this machine has: cores, memory, GPUs, disk."""

import math
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sweep.folders import existing_above

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
    """Return the NVIDIA GPUs that this process may use, in the order of CUDA_VISIBLE_DEVICES."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=index,uuid,memory.total,name", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()  # a driver that does not answer is no GPU to train on; doctor says more
    gpus = {}
    for line in found.stdout.splitlines():
        index, uuid, memory, name = (cell.strip() for cell in line.split(",", 3))
        gpus[index, uuid] = Gpu(name=name, memory_bytes=int(memory) * 1024 * 1024)
    return tuple(gpus[key] for key in _visible(list(gpus)))


def free_disk(path: Path) -> int:
    """Return the free bytes where a path is, or will be made."""
    return shutil.disk_usage(existing_above(path)).free


def _visible(keys: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return which GPUs, by index and UUID, are left to this process by CUDA_VISIBLE_DEVICES.

    It holds indices, or UUIDs or the beginnings of them; what is behind an entry that there is not
    counts for nothing, as to CUDA. Which GPU a MIG instance is a part of is not known here: of any.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None or listed.startswith("MIG-"):
        return list(keys)
    chosen = []
    for entry in (item.strip() for item in listed.split(",")):
        named = [key for key in keys if entry == key[0] or (entry and key[1].startswith(entry))]
        if len(named) != 1:
            break
        chosen += named
    return chosen


def _first_line(path: Path) -> str:
    return next(iter(_lines(path)), "")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []  # not a Linux with this file: there is no such limit
