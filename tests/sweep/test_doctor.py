"""The doctor's findings about the machine."""

import socket

import pytest

from sweep import checkup, doctor
from sweep.checkup import check_machine
from sweep.findings import Finding, Level, worst
from sweep.listeners import Listener
from sweep.machine import Gpu, Machine


def machine(**changes):
    fields = {
        "host": "lab",
        "system": "Linux",
        "python": "3.11.9",
        "cpus": 2,
        "memory_bytes": 16 * 2**30,
        "gpus": (),
    }
    return Machine(**{**fields, **changes})


@pytest.fixture
def examined(tmp_path, monkeypatch):
    def examine(
        *, runs_dir=tmp_path / "runs", data_dir=None, cuda_devices=0, listeners=(), **changes
    ):
        monkeypatch.setattr(checkup, "see_machine", lambda: machine(**changes))
        monkeypatch.setattr(checkup, "see_listeners", lambda: list(listeners))
        monkeypatch.setattr(checkup.torch.cuda, "device_count", lambda: cuda_devices)
        return check_machine(runs_dir=runs_dir, data_dir=data_dir)

    return examine


def about(findings, part):
    return [finding for finding in findings if finding.part == part]


def test_a_small_machine_fits(examined):
    findings = examined()
    assert worst([f for f in findings if f.part not in ("git", "ports", "ray")]) is Level.OK
    (found,) = about(findings, "machine")
    assert found.message == "2 cores, Linux: 2 slots of 1 worker with 1 core each"


def test_one_core_and_little_memory_are_worth_a_warning(examined):
    findings = examined(cpus=1, memory_bytes=2**30)
    assert [about(findings, part)[0].level for part in ("machine", "memory")] == [Level.WARN] * 2
    assert "a study with one slot takes about 3.2 GiB" in about(findings, "memory")[0].message


def test_a_gpu_that_torch_cannot_use_is_worth_a_warning(examined):
    gpus = (Gpu("NVIDIA A", 80 * 2**30),)
    (found,) = about(examined(gpus=gpus), "gpu")
    assert found.level is Level.WARN
    assert found.message.startswith("NVIDIA A (80 GiB); torch ")
    assert "can use 0 of them" in found.message
    (found,) = about(examined(gpus=gpus, cuda_devices=1), "gpu")
    assert found.level is Level.OK


def test_a_full_disk_fails(examined, monkeypatch):
    monkeypatch.setattr(checkup, "free_disk", lambda _: 2**20)
    (found,) = about(examined(), "disk")
    assert found.level is Level.FAIL
    assert "--runs-dir" in found.remedy


def test_a_taken_port_is_named_with_its_use(examined, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(checkup, "PORTS", {port: ("a page", "how")})
        (found,) = about(examined(), "ports")
    assert (found.level, found.message) == (
        Level.WARN,
        f"{port} is taken, which is the port of a page (how)",
    )


@pytest.mark.parametrize(
    ("program", "finding"),
    [
        ("MLflow", (Level.OK, "5000 is in use, by MLflow")),
        ("Ray", (Level.WARN, "5000 is taken by Ray, which is the port of MLflow (make ui)")),
    ],
)
def test_on_the_head_of_a_cluster_that_is_up_its_own_pages_are_no_strangers(
    program, finding, examined, monkeypatch
):
    page = Listener(program, "127.0.0.1", 5000, asks_for_token=False)
    monkeypatch.setattr(checkup, "PORTS", {5000: ("MLflow", "make ui")})
    (found,) = about(examined(listeners=[page]), "ports")
    assert (found.level, found.message) == finding


def test_a_data_folder_that_is_not_there_fails(examined, tmp_path):
    found = about(examined(data_dir=tmp_path / "nowhere"), "data")[-1]
    assert found.level is Level.FAIL
    assert found.message == f"{tmp_path / 'nowhere'} is not a folder"


def test_ray_address_is_worth_a_warning(examined, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    found = about(examined(), "ray")[0]
    assert found.level is Level.WARN
    assert "--address" in found.remedy


@pytest.mark.parametrize(
    ("level", "code", "sentence"),
    [
        (Level.OK, 0, "Everything fits."),
        (Level.WARN, 0, "Studies can run; see the warnings."),
        (Level.FAIL, 1, "Studies cannot run yet; mend what failed."),
    ],
)
def test_the_exit_code_says_whether_studies_can_run(level, code, sentence, monkeypatch, capsys):
    finding = Finding(level, "disk", "some space", "make some" if level else "")
    monkeypatch.setattr(checkup, "check_machine", lambda **_: [finding])
    monkeypatch.setattr(doctor, "check_python", lambda: Finding(Level.OK, "python", "fine"))
    monkeypatch.setattr(doctor, "check_installation", lambda _: [])
    assert doctor.main([]) == code
    out = capsys.readouterr().out
    assert sentence in out
    assert ("-> make some" in out) == bool(level)
