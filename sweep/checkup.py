"""Whether a study fits this machine: cores, memory, GPUs, disk, ports, surroundings, data."""

import os
import resource
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import torch

import hpe
from sweep.findings import Finding, Level
from sweep.folders import RunsDir, existing_above
from sweep.lineage import PROJECT, read_commit
from sweep.listeners import Listener, check_listeners, see_listeners
from sweep.machine import Machine, free_disk, see_machine
from sweep.messages import shown_path
from sweep.slot_fit import fit_slots, memory_needed, resources_here
from sweep.study import Slots

GIB = 1024**3
DISK_NEEDED_BYTES = 2 * GIB
DISK_COMFORTABLE_BYTES = 10 * GIB
OPEN_FILES_NEEDED = 1024
PORTS = {
    8265: ("Ray's dashboard", "it takes the next free one"),
    5000: ("MLflow", "`make ui`"),
}
"""Port -> whose it is, and what to know of it."""

ASSETS = ("hand_compact.npz", "panoramas")


def check_machine(*, runs_dir: Path, data_dir: Path | None) -> list[Finding]:
    """Return what is found beyond Python and its packages.

    Args:
        runs_dir: Where studies would be kept.
        data_dir: A folder with data sets that are not made here, or None.
    """
    machine, listeners = see_machine(), see_listeners()
    return [
        _cores(machine),
        _memory(machine),
        *_gpus(machine),
        _opencv(),
        _disk(runs_dir),
        _git(),
        *_ports(listeners),
        *check_listeners(listeners),
        *_surroundings(os.environ),
        _assets(),
        *_data(runs_dir, data_dir),
    ]


def _cores(machine: Machine) -> Finding:
    fit = fit_slots(Slots(), resources_here(machine, cuda_devices=torch.cuda.device_count()))
    message = f"{machine.cpus} cores, {machine.system}: {fit}"
    if machine.cpus < 2:
        return Finding(Level.WARN, "machine", message, "one trial trains at a time; 2 cores do two")
    return Finding(Level.OK, "machine", message)


def _memory(machine: Machine) -> Finding:
    if machine.memory_bytes is None:
        return Finding(Level.WARN, "memory", "the system does not say how much there is")
    message = f"{machine.memory_bytes / GIB:.1f} GiB"
    least = memory_needed(1, 1)
    if machine.memory_bytes < least:
        return Finding(
            Level.WARN,
            "memory",
            f"{message}; a study with one slot takes about {least / GIB:.1f} GiB",
            "close other programs; expect swapping",
        )
    return Finding(Level.OK, "memory", message)


def _gpus(machine: Machine) -> Iterator[Finding]:
    if not machine.gpus:
        program = shutil.which("nvidia-smi")
        if program is not None:
            yield Finding(
                Level.WARN,
                "gpu",
                "nvidia-smi is here but lists no GPU",
                "run nvidia-smi to see why; without one, studies train on the CPU",
            )
        else:
            yield Finding(Level.OK, "gpu", "none; studies train on the CPU")
        return
    names = ", ".join(f"{gpu.name} ({gpu.memory_bytes / GIB:.0f} GiB)" for gpu in machine.gpus)
    usable = torch.cuda.device_count()
    if usable < len(machine.gpus):
        yield Finding(
            Level.WARN,
            "gpu",
            f"{names}; torch {torch.__version__} can use {usable} of them",
            "install torch's CUDA build (pip install -r requirements.txt in a new environment), "
            "and see that the driver is new enough for it",
        )
    else:
        yield Finding(Level.OK, "gpu", f"{names}, torch {torch.__version__}")


def _opencv() -> Finding:
    if not hasattr(cv2, "warpAffine"):
        return Finding(
            Level.FAIL,
            "opencv",
            "cv2 has no functions: another build was removed from under it",
            "pip install --force-reinstall opencv-python-headless",
        )
    return Finding(Level.OK, "opencv", f"cv2 {cv2.__version__} answers")


def _disk(runs_dir: Path) -> Finding:
    free = free_disk(runs_dir)
    message = f"{free / GIB:.1f} GiB free for {shown_path(runs_dir)}"
    if free < DISK_NEEDED_BYTES:
        return Finding(
            Level.FAIL, "disk", message, "free some, or choose another place with --runs-dir"
        )
    existing = existing_above(runs_dir)
    if not os.access(existing, os.W_OK):
        return Finding(
            Level.FAIL, "disk", f"{existing} cannot be written to", "choose another --runs-dir"
        )
    if free < DISK_COMFORTABLE_BYTES:
        return Finding(Level.WARN, "disk", message, "enough for a small study; keep an eye on it")
    return Finding(Level.OK, "disk", message)


def _git() -> Finding:
    if shutil.which("git") is None:
        return Finding(
            Level.WARN, "git", "git is not installed; studies cannot record their commit"
        )
    commit = read_commit(PROJECT)
    if commit is None:
        return Finding(
            Level.WARN,
            "git",
            f"{PROJECT} is no git repository; studies cannot record their commit",
            "clone the project instead of copying it",
        )
    if commit.dirty:
        return Finding(
            Level.WARN,
            "git",
            f"commit {commit.sha[:12]}, with uncommitted changes",
            "commit them before a study whose numbers matter",
        )
    return Finding(Level.OK, "git", f"commit {commit.sha[:12]}")


def _ports(listeners: Sequence[Listener]) -> Iterator[Finding]:
    """Yield who has the ports of the pages: on the head of a cluster that is up, the pages do."""
    for port, (program, note) in PORTS.items():
        owners = sorted({each.program for each in listeners if each.port == port})
        if program in owners:
            yield Finding(Level.OK, "ports", f"{port} is in use, by {program}")
        elif not owners and _is_free(port):
            yield Finding(Level.OK, "ports", f"{port} is free, for {program} ({note})")
        else:
            by = f" by {', '.join(owners)}" if owners else ""
            message = f"{port} is taken{by}, which is the port of {program} ({note})"
            yield Finding(Level.WARN, "ports", message)


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _surroundings(variables: Mapping[str, str]) -> Iterator[Finding]:
    if "RAY_ADDRESS" in variables:
        yield Finding(
            Level.WARN,
            "ray",
            f"RAY_ADDRESS={variables['RAY_ADDRESS']} is set; studies start a Ray of their own",
            "give the address with --address to use that cluster",
        )
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < OPEN_FILES_NEEDED:
        yield Finding(
            Level.WARN,
            "ray",
            f"a process may open {soft} files, Ray needs many more",
            f"ulimit -n {OPEN_FILES_NEEDED * 4}",
        )


def _assets() -> Finding:
    folder = Path(hpe.__file__).parent / "data" / "assets"
    missing = [name for name in ASSETS if not (folder / name).exists()]
    if missing:
        return Finding(
            Level.FAIL,
            "data",
            f"{folder} lacks {', '.join(missing)}, which the renderer needs",
            "git checkout -- hpe/data/assets",
        )
    return Finding(Level.OK, "data", "the renderer's hand and panoramas are here")


def _data(runs_dir: Path, data_dir: Path | None) -> Iterator[Finding]:
    made = RunsDir(runs_dir).data
    sets = sorted(path for path in made.iterdir() if path.is_dir()) if made.is_dir() else []
    if sets:
        size = sum(
            file.stat().st_size for path in sets for file in path.rglob("*") if file.is_file()
        )
        yield Finding(
            Level.OK,
            "data",
            f"{len(sets)} rendered in {shown_path(made)}, {size / GIB:.2f} GiB",
        )
    else:
        yield Finding(Level.OK, "data", "none rendered yet; the first study does it")
    if data_dir is not None and not data_dir.is_dir():
        yield Finding(
            Level.FAIL, "data", f"{data_dir} is not a folder", "give the right --data-dir"
        )
