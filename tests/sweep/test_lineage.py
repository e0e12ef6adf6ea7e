"""Where a study's numbers come from."""

import json
import subprocess

import pytest

from hpe.data.hands import HandData
from sweep.lineage import Commit, cores_per_slot, describe, gpus_per_slot, read_commit
from sweep.machine import Machine
from sweep.slot_fit import SlotFit

FIT = SlotFit(count=2, workers=2, cpus_per_worker=3, gpus_per_worker=0.0, threads=3)


def git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "Begin")
    return tmp_path


def test_a_commit_is_known_with_whether_files_changed_since(repository):
    clean = read_commit(repository)
    assert clean is not None
    assert len(clean.sha) == 40
    assert not clean.dirty
    (repository / "notes.txt").write_text("not of the code")
    assert read_commit(repository) == clean
    (repository / "code.py").write_text("x = 2\n")
    assert read_commit(repository) == Commit(clean.sha, dirty=True)


def test_outside_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert read_commit(tmp_path) is None


def test_the_lineage_is_json_with_code_packages_data_hardware_and_slots():
    machine = Machine("lab", "Linux", "3.11", cpus=4, memory_bytes=1, gpus=())
    data = HandData(name="rendered_hands", digest="d" * 64, splits={}, card={"counts": {}})
    lineage = describe(machine=machine, slots=FIT, data=data, data_config={"train": 3})
    assert json.loads(json.dumps(lineage))["data"] == {
        "name": "rendered_hands",
        "digest": "d" * 64,
        "config": {"train": 3},
        "card": {"counts": {}},
    }
    assert lineage["packages"]["ray"] == "2.60.0"
    assert lineage["hardware"]["cpus"] == 4
    assert cores_per_slot(lineage) == 6.0


def test_cores_are_no_measure_of_cost_on_gpus_or_without_a_record():
    assert cores_per_slot({}) is None
    assert cores_per_slot({"slots": {"gpus_per_worker": 0.5}}) is None


def test_the_gpus_of_a_slot_are_those_of_all_its_workers():
    assert gpus_per_slot({}) == 0.0
    assert gpus_per_slot({"slots": {"workers": 4, "gpus_per_worker": 0.5}}) == 2.0
