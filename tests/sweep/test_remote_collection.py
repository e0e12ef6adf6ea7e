"""`--gc` in the storage: what any head's studies need stays, whatever else is old goes."""

import os
import re
import shutil
import time

import pytest

from sweep import run
from sweep.collection import collect
from sweep.remote_collection import GRACE_S
from sweep.shared_storage import storage_of, use_storage
from tests.sweep.finished_runs import Lab, key_of
from trainables.claims import Claims
from trainables.manifest import MANIFEST
from trainables.remote_folder import RemoteFolder


class Heads:
    """Two heads' runs folders on one storage, and what lies there."""

    def __init__(self, tmp_path, place):
        self.root = tmp_path / "shared"
        self.root.mkdir()
        self.ours, self.theirs = Lab(tmp_path / "ours"), Lab(tmp_path / "theirs")
        for lab in (self.ours, self.theirs):
            use_storage(lab.runs, storage_of(lab.runs, place))

    def mirror(self, folder):
        shutil.copytree(folder.root, self.root / "studies" / folder.root.name)

    def age(self, *, but=()):
        """Let everything in the storage be old, apart from these stages."""
        for path in self.root.rglob("*"):
            if not any(key_of(name) in path.parts for name in but):
                os.utime(path, (0, path.stat().st_mtime - GRACE_S - 60))

    def stages(self):
        stages = self.root / "stages"
        files = [path for path in stages.rglob("*") if path.is_file()]
        names = {path.relative_to(stages).parts[0] for path in files}
        return {bytes.fromhex(name.rstrip("0")).decode() for name in names if len(name) == 64}


@pytest.fixture
def heads(tmp_path):
    """Return heads on a storage that is reached by a URI: their own folders are caches."""
    return Heads(tmp_path, (tmp_path / "shared").as_uri())


def test_what_a_study_of_any_head_needs_stays_in_the_storage(heads):
    ours, theirs = heads.ours, heads.theirs
    for name in ("mine", "none", "root"):
        ours.finish(name)
    theirs.finish("other", phase="root")
    theirs.begin("running")
    ours.begin("ended")
    ours.study("mine", [("COMPLETE", ["mine"]), ("FAIL", ["ended"])])
    heads.mirror(theirs.study("theirs", [("COMPLETE", ["other"]), ("RUNNING", ["running"])]))
    heads.age()
    collect(ours.runs, delete=True)
    assert heads.stages() == {"mine", "other", "root", "running"}
    assert ours.stages() == {"mine"}, "a cache keeps what others need"
    assert collect(ours.runs, delete=True).is_empty
    assert theirs.store.artifacts(key_of("other")).tensors["net"]["w"].shape == (100,)


def test_what_changed_within_the_hour_stays(heads):
    heads.ours.finish("old")
    heads.ours.finish("new")
    heads.age(but=["new"])
    collect(heads.ours.runs, delete=True)
    assert heads.stages() == {"new"}


@pytest.mark.parametrize("off_by_s", [7200.0, -7200.0])
def test_a_clock_of_this_machine_that_is_off_deletes_no_more_and_no_less(
    heads, monkeypatch, off_by_s
):
    heads.ours.finish("old")
    heads.ours.finish("new")
    heads.age(but=["new"])
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + off_by_s)
    collect(heads.ours.runs, delete=True)
    assert heads.stages() == {"new"}


def test_what_was_set_aside_and_states_that_were_left_go_and_nothing_foreign(heads):
    lab, there = heads.ours, RemoteFolder.at((heads.root / "stages").as_uri())
    lab.finish("mine")
    lab.study("study", [("COMPLETE", ["mine"]), ("RUNNING", ["again"])])
    left = [
        f"{key_of('mine')}/state/00001.rank0.json",
        f"{key_of('mine')}/{MANIFEST}.corrupt-0123abcd",
        f"{key_of('again')}/{MANIFEST}.corrupt-0123abcd",
        f"{key_of('damaged')}/{MANIFEST}.corrupt-0123abcd",
        f"{key_of('damaged')}/facts.json",
    ]
    kept = [f"{key_of('again')}/state/00001.rank0.json", "notes/read.me"]
    for name in [*left, *kept]:
        there.write(name, b"x")
    heads.age()
    collect(lab.runs, delete=True)
    assert [name for name in left if there.has(name)] == []
    assert all(there.has(name) for name in kept)
    assert lab.store.is_committed(key_of("mine"))


def test_the_manifest_goes_first(heads):
    heads.ours.finish("none")
    heads.age()
    (waste,) = collect(heads.ours.runs, delete=False).remote
    assert waste.names[0] == f"{key_of('none')}/{MANIFEST}"
    assert len(waste.names) > 2


def test_nothing_is_deleted_if_another_heads_journal_cannot_be_read(heads):
    heads.ours.finish("none")
    folder = heads.theirs.study("theirs", [("COMPLETE", ["other"])])
    content = bytearray(folder.journal.read_bytes())
    content[70] ^= 1
    folder.journal.write_bytes(content)
    heads.mirror(folder)
    heads.age()
    with pytest.raises(ValueError, match=r"(?s)theirs/journal.jsonl.*Nothing was deleted\."):
        collect(heads.ours.runs, delete=True)
    assert heads.stages() == {"none"}


def test_the_command_shows_what_lies_in_the_storage_and_deletes_it_with_yes(heads, capsys):
    heads.ours.finish("none")
    heads.age()
    command = ["--gc", "--runs-dir", str(heads.ours.runs.root)]
    assert run.main(command) == 0
    shown = capsys.readouterr().out
    assert re.search(rf"\d.* kB can go in {re.escape(heads.root.as_uri())}\n  1 finished", shown)
    assert "Nothing was deleted" in shown
    assert heads.stages() == {"none"}
    assert run.main([*command, "--yes"]) == 0
    assert " deleted in file://" in capsys.readouterr().out
    assert heads.stages() == set()


def test_on_a_path_that_heads_share_the_stages_of_others_stay(tmp_path):
    heads = Heads(tmp_path, str(tmp_path / "shared"))
    heads.ours.finish("none")
    heads.theirs.finish("other")
    heads.mirror(heads.theirs.study("theirs", [("COMPLETE", ["other"])]))
    heads.age()
    collect(heads.ours.runs, delete=True)
    assert heads.stages() == {"other"}


def test_on_such_a_path_another_head_keeps_what_its_journals_copy_does_not_tell_yet(tmp_path):
    heads = Heads(tmp_path, str(tmp_path / "shared"))
    heads.theirs.finish("old")
    heads.theirs.finish("done")
    heads.theirs.begin("training")
    theirs = Claims(heads.theirs.runs.stages)
    assert theirs.take(key_of("training"))
    heads.age(but=["done", "training"])
    collect(heads.ours.runs, delete=True)
    assert heads.stages() == {"done", "training"}
    assert not Claims(heads.ours.runs.stages).take(key_of("training")), "it is still held"
    theirs.close()
