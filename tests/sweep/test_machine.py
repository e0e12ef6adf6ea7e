"""What a machine has, read from its own files."""

import pytest

from sweep import machine
from sweep.machine import free_disk, see_gpus, see_machine, usable_cpus, usable_memory


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The files of a container that may use two of eight cores and 4 of 16 GiB."""
    contents = {
        "_CGROUP_CPU": "150000 100000\n",
        "_CGROUP_MEMORY": f"{4 * 2**30}\n",
        "_MEMINFO": f"MemTotal:       {16 * 2**20} kB\nMemFree: 1 kB\n",
    }
    for name, text in contents.items():
        path = tmp_path / name
        path.write_text(text)
        monkeypatch.setattr(machine, name, path)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)))
    return tmp_path


def test_a_containers_limits_count(files):
    assert usable_cpus() == 2
    assert usable_memory() == 4 * 2**30


def test_without_limits_all_of_the_machine_counts(files):
    (files / "_CGROUP_CPU").write_text("max 100000\n")
    (files / "_CGROUP_MEMORY").write_text("max\n")
    assert usable_cpus() == 8
    assert usable_memory() == 16 * 2**30


def test_a_system_without_these_files_has_cores_and_unknown_memory(files):
    for path in files.iterdir():
        path.unlink()
    assert usable_cpus() == 8
    assert usable_memory() is None


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["NVIDIA A", "NVIDIA B, 80GB"]),
        ("1", ["NVIDIA B, 80GB"]),
        ("1,0", ["NVIDIA B, 80GB", "NVIDIA A"]),
        ("GPU-b1", ["NVIDIA B, 80GB"]),
        ("GPU-", []),
        ("0,7,1", ["NVIDIA A"]),
        ("", []),
        ("-1", []),
    ],
)
def test_gpus_are_those_that_nvidia_smi_lists_and_cuda_may_use(
    visible, names, tmp_path, monkeypatch
):
    program = tmp_path / "nvidia-smi"
    lines = ("0, GPU-a1c2, 81559, NVIDIA A", "1, GPU-b1d2, 81559, NVIDIA B, 80GB")
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = see_gpus()
    assert [gpu.name for gpu in found] == names
    assert all(gpu.memory_bytes == 81559 * 2**20 for gpu in found)


def test_a_driver_that_does_not_answer_is_no_gpu(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert see_gpus() == ()


def test_free_disk_is_told_of_folders_that_are_not_there_yet(tmp_path):
    assert free_disk(tmp_path / "not" / "yet") == pytest.approx(free_disk(tmp_path), rel=0.01)


def test_this_machine_is_seen():
    seen = see_machine()
    assert seen.cpus >= 1
    assert seen.to_json()["python"].startswith("3.")
