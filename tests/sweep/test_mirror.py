"""The copy of a study's folder in the storage."""

import re
import shlex

import pytest

from sweep import copy as copy_command
from sweep.folders import RunsDir
from sweep.mirror import StudyMirror, refuse_other_journal
from sweep.shared_storage import SharedStorage, use_storage
from tests.sweep.finished_runs import Lab
from trainables.remote_folder import RemoteFolder


@pytest.fixture
def folder(tmp_path):
    study = RunsDir(tmp_path / "runs").study("mine")
    (study.root / "report").mkdir(parents=True)
    study.journal.write_text("one\n")
    (study.report / "index.html").write_text("<html>")
    study.lock.write_text("{}")
    (study.scratch / "ray").mkdir(parents=True)
    (study.scratch / "ray" / "state").write_text("x")
    return study


@pytest.fixture
def storage(tmp_path):
    (tmp_path / "shared").mkdir()
    return SharedStorage(str(tmp_path / "shared"))


def test_the_end_of_a_session_copies_all_but_what_belongs_to_the_driver(folder, storage):
    with StudyMirror(folder, storage.study(folder)), folder.journal.open("a") as journal:
        journal.write("two\n")
    there = storage.study(folder)
    assert there.names() == ["journal.jsonl", "report/index.html"]
    assert there.read("journal.jsonl") == b"one\ntwo\n"


def test_only_what_changed_is_copied_again(folder, storage, monkeypatch):
    mirror, put = StudyMirror(folder, storage.study(folder)), []
    original = RemoteFolder.put
    monkeypatch.setattr(
        RemoteFolder, "put", lambda self, path, name: (put.append(name), original(self, path, name))
    )
    mirror.copy_changes()
    with folder.journal.open("a") as journal:
        journal.write("two\n")
    mirror.copy_changes()
    assert put == ["journal.jsonl", "report/index.html", "journal.jsonl"]


def test_storage_that_refuses_costs_the_study_nothing(folder, storage, monkeypatch, caplog):
    def put(self, path, name):
        raise OSError("no route to host")

    monkeypatch.setattr(RemoteFolder, "put", put)
    with StudyMirror(folder, storage.study(folder), every_s=0.01) as mirror:
        while not mirror._in_doubt:
            pass
    assert caplog.text.count("no route to host") == 1


@pytest.mark.parametrize(
    ("ours", "copied", "refused"),
    [
        ("one\ntwo\n", "", False),
        ("one\ntwo\n", "one\n", False),
        ("one\ntwo\n", "one\ntw", False),
        ("one\n", "one\ntwo\n", True),
        ("other\n", "one\n", True),
        ("", "one\n", True),
    ],
)
def test_a_copy_with_other_results_is_not_written_over(folder, storage, ours, copied, refused):
    folder.journal.write_text(ours)
    if copied:
        storage.study(folder).write("journal.jsonl", copied.encode())
    if refused:
        with pytest.raises(ValueError, match=r"sweep/copy\.py mine file://.*shared .*runs"):
            refuse_other_journal(folder, storage)
    else:
        refuse_other_journal(folder, storage)


def test_a_new_head_brings_the_study_by_the_command_that_the_refusal_names(tmp_path, storage):
    first = Lab(tmp_path / "first")
    use_storage(first.runs, storage)
    first.finish("pretrain")
    study = first.study("mine", [("COMPLETE", ["pretrain"])])
    with StudyMirror(study, storage.study(study)):
        pass
    second = RunsDir(tmp_path / "second")
    use_storage(second, storage)
    with pytest.raises(ValueError, match="Bring it here first") as refusal:
        refuse_other_journal(second.study("mine"), storage)
    typed = re.search(r"\(python \S*sweep/copy\.py (.+?)\)", str(refusal.value))
    assert copy_command.main(shlex.split(typed[1])) == 0
    refuse_other_journal(second.study("mine"), storage)
    assert second.study("mine").journal.read_bytes() == study.journal.read_bytes()
