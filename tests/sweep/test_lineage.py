"""Where a study's numbers come from."""

import json
import subprocess

import pytest

from hpe.data.hands import HandData
from sweep.folders import StudyDir
from sweep.lineage import (
    Commit,
    describe,
    keep_changes,
    read_commit,
)
from sweep.machine import Machine
from sweep.slot_fit import SlotFit
from sweep.slot_time import Slot

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
    assert clean.to_json() == {"commit": clean.sha, "dirty": False}
    (repository / "notes.txt").write_text("not of the code")
    assert read_commit(repository) == clean
    (repository / "code.py").write_text("x = 2\n")
    changed = read_commit(repository)
    assert (changed.sha, changed.dirty) == (clean.sha, True)


def test_a_new_python_file_is_a_change_and_one_that_git_ignores_is_not(repository):
    (repository / ".git" / "info" / "exclude").write_text("scratch.py\n")
    (repository / "scratch.py").write_text("x = 3\n")
    assert not read_commit(repository).dirty
    (repository / "new phase.py").write_text("x = 4\n")
    assert read_commit(repository).dirty


def test_the_kept_changes_bring_the_code_back(repository, tmp_path_factory):
    (repository / "code.py").write_text("x = 2\n")
    (repository / "hpe").mkdir()
    (repository / "hpe" / "new.py").write_text("y = 'ä'\n# no end of line")
    folder = StudyDir(tmp_path_factory.mktemp("toy"))
    commit = read_commit(repository)
    keep_changes(commit, folder)
    keep_changes(commit, folder)
    keep_changes(None, folder)
    kept = folder.changes(commit.to_json()["changes"])
    there = tmp_path_factory.mktemp("clone") / "code"
    subprocess.run(["git", "clone", "-q", str(repository), str(there)], check=True)
    git(there, "apply", str(kept))
    for name in ("code.py", "hpe/new.py"):
        assert (there / name).read_bytes() == (repository / name).read_bytes()
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_outside_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert read_commit(tmp_path) is None


def test_the_lineage_is_json_with_code_packages_data_hardware_and_slots():
    machine = Machine("lab", "Linux", "3.11", cpus=4, memory_bytes=1, gpus=())
    data = HandData(name="rendered_hands", digest="d" * 64, splits={}, card={"counts": {}})
    commit = Commit("a" * 40, b"a patch")
    lineage = describe(
        commit=commit, machine=machine, slots=FIT, data=data, data_config={"train": 3}
    )
    assert lineage["git"] == {"commit": "a" * 40, "dirty": True, "changes": commit.digest}
    assert json.loads(json.dumps(lineage))["data"] == {
        "name": "rendered_hands",
        "digest": "d" * 64,
        "config": {"train": 3},
        "card": {"counts": {}},
    }
    assert lineage["packages"]["ray"] == lineage["lock"]["ray"] == "2.60.0"
    assert "sqlalchemy" not in lineage["packages"], "it comes with others"
    assert "SQLAlchemy" in lineage["lock"]
    assert lineage["hardware"]["cpus"] == 4
    assert Slot.of(lineage) == Slot(workers=2, threads=3, cores=6.0)


def test_cores_are_no_measure_of_cost_on_gpus_or_without_a_record():
    assert Slot.of({}) == Slot()
    assert Slot.of({"slots": {"cpus_per_worker": 2, "gpus_per_worker": 0.5}}).cores is None


def test_the_gpus_of_a_slot_are_those_of_all_its_workers():
    assert Slot.of({"slots": {"workers": 4, "gpus_per_worker": 0.5}}).gpus == 2.0
