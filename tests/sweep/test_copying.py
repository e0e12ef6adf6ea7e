"""Results that move: all that a study or trial needs, checked, resumable, replacing nothing."""

import shutil

import pytest
import torch

from sweep import copy as copy_command
from sweep import copying
from sweep.copying import Wanted, bring, send
from sweep.folders import RunsDir
from sweep.ledger import FIRST_REPLICATE
from sweep.lock import driver_lock
from sweep.places import FolderPlace, RsyncPlace, is_folder_here, place_at
from tests.sweep.finished_runs import Lab, key_of
from trainables.stages import StageStore

needs_rsync = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")

SSH = """#!/bin/sh
# Stands in for ssh: what should run on the host runs here, in a folder that is its home.
while [ "$1" != lab ]; do shift; done
shift
cd "$FAR_HOME" && exec sh -c "$*"
"""


@pytest.fixture
def lab(tmp_path):
    """Make two studies: `mine` with two trials on one pretraining, and `other`."""
    lab = Lab(tmp_path / "runs")
    lab.finish("pretrain")
    lab.finish("first", phase="pretrain")
    lab.finish("second", phase="pretrain")
    lab.finish("foreign")
    lab.begin("unfinished")
    mine = [("COMPLETE", ["pretrain", "first"]), ("PRUNED", ["pretrain", "second"])]
    study = lab.study("mine", [*mine, ("RUNNING", ["unfinished"])])
    (study.report).mkdir()
    (study.report / "index.html").write_text("<html>")
    study.lock.write_text("{}")
    lab.study("other", [("COMPLETE", ["foreign"])])
    return lab


@pytest.fixture
def far(tmp_path, monkeypatch):
    """Put a machine called `lab` behind ssh."""
    home = tmp_path / "far"
    home.mkdir()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ssh"
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setenv("RSYNC_RSH", str(program))
    monkeypatch.setenv("FAR_HOME", str(home))
    return home


@pytest.fixture(params=["folder", "storage", pytest.param("ssh", marks=needs_rsync)])
def place(request, tmp_path):
    """Return an empty place of each kind, as typed."""
    if request.param == "ssh":
        request.getfixturevalue("far")
        return "lab:project/runs"
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return str(folder) if request.param == "folder" else f"file://{folder}"


def stages_in(runs):
    store = StageStore(runs.stages)
    names = [path.name for path in runs.stages.iterdir() if len(path.name) == 64]
    assert all(store.is_committed(name) for name in names)
    return {bytes.fromhex(name.rstrip("0")).decode() for name in names}


def test_a_study_goes_there_and_comes_back_the_same(lab, place, tmp_path):
    assert send(Wanted("mine"), lab.runs, place_at(place)).copied == 3
    home = RunsDir(tmp_path / "home")
    home.root.mkdir()
    assert bring(Wanted("mine"), place_at(place), home).copied == 3
    assert stages_in(home) == {"pretrain", "first", "second"}
    mine, theirs = lab.runs.study("mine"), home.study("mine")
    assert theirs.journal.read_bytes() == mine.journal.read_bytes()
    assert (theirs.report / "index.html").read_text() == "<html>"
    artifacts = StageStore(home.stages).artifacts(key_of("first"))
    assert torch.equal(artifacts.tensors["net"]["w"], torch.zeros(100))
    assert not list(home.root.glob(".copying-*"))


def test_one_trial_takes_its_own_stages_along_and_no_others(lab, place, tmp_path):
    send(Wanted("mine"), lab.runs, place_at(place))
    home = RunsDir(tmp_path / "home")
    home.root.mkdir()
    bring(Wanted("mine", 1), place_at(place), home)
    assert stages_in(home) == {"pretrain", "second"}


def test_replicates_come_along_and_one_of_them_goes_alone(tmp_path):
    lab = Lab(tmp_path / "runs")
    for name in ("first", "again", "pretrain"):
        lab.finish(name)
    lab.finish("other", phase="pretrain")
    replicates = [("COMPLETE", ["again"]), ("PRUNED", ["other"])]
    lab.study("mine", [("COMPLETE", ["first"])], replicates=replicates)
    assert send(Wanted("mine"), lab.runs, place_at(f"file://{tmp_path}/whole")).copied == 4
    one = place_at(f"file://{tmp_path}/one")
    assert send(Wanted("mine", FIRST_REPLICATE + 1), lab.runs, one).copied == 2


def test_what_is_there_is_not_copied_again(lab, place):
    send(Wanted("mine", 0), lab.runs, place_at(place))
    again = send(Wanted("mine"), lab.runs, place_at(place))
    assert (again.copied, again.present) == (1, 2)


def test_an_interrupted_copy_goes_on_and_looked_unfinished_meanwhile(lab, tmp_path, monkeypatch):
    there = place_at(f"file://{tmp_path}/bucket")
    original, sent = FolderPlace.send, []

    def send_some(self, names, source):
        if len(sent) == 3:
            raise ConnectionError("gone")
        sent.append(names)
        original(self, names, source)

    with monkeypatch.context() as patch:
        patch.setattr(FolderPlace, "send", send_some)
        with pytest.raises(ConnectionError):
            send(Wanted("mine"), lab.runs, there)
    home = RunsDir(tmp_path / "home")
    home.root.mkdir()
    with pytest.raises(ValueError, match="there is no such study"):
        bring(Wanted("mine"), there, home)
    assert send(Wanted("mine"), lab.runs, there).present == 1
    assert bring(Wanted("mine"), there, home).copied == 3


def test_a_file_that_was_damaged_there_is_not_taken_for_a_stage(lab, tmp_path):
    send(Wanted("mine"), lab.runs, place_at(f"file://{tmp_path}/bucket"))
    weights = tmp_path / "bucket" / "stages" / key_of("first") / "net.safetensors"
    weights.write_bytes(bytes(weights.stat().st_size))
    home = RunsDir(tmp_path / "home")
    home.root.mkdir()
    with pytest.raises(ValueError, match="is not what was committed"):
        bring(Wanted("mine"), place_at(f"file://{tmp_path}/bucket"), home)
    assert not StageStore(home.stages).is_committed(key_of("first"))
    assert not home.study("mine").journal.exists()


def test_a_file_that_is_damaged_here_is_not_sent(lab, tmp_path):
    weights = lab.runs.stages / key_of("first") / "net.safetensors"
    weights.write_bytes(bytes(weights.stat().st_size))
    with pytest.raises(ValueError, match="is not what was committed"):
        send(Wanted("mine"), lab.runs, place_at(f"file://{tmp_path}/bucket"))


def test_other_results_of_the_same_name_are_not_replaced(lab, tmp_path):
    there = place_at(f"file://{tmp_path}/bucket")
    send(Wanted("mine"), lab.runs, there)
    home = Lab(tmp_path / "home")
    home.study("mine", [("FAIL", ["own"])])
    before = home.runs.study("mine").journal.read_bytes()
    with pytest.raises(ValueError, match="there is a study of this name with results"):
        bring(Wanted("mine"), there, home.runs)
    with pytest.raises(ValueError, match="there is a study of this name with results"):
        send(Wanted("mine"), home.runs, there)
    assert home.runs.study("mine").journal.read_bytes() == before


def test_a_study_that_is_being_run_is_not_written_over(lab, tmp_path):
    there = place_at(f"file://{tmp_path}/bucket")
    send(Wanted("mine"), lab.runs, there)
    home = RunsDir(tmp_path / "home")
    home.study("mine").root.mkdir(parents=True)
    with (
        driver_lock(home.study("mine").lock),
        pytest.raises(ValueError, match="is being run"),
    ):
        bring(Wanted("mine"), there, home)


def test_a_manifest_cannot_name_a_file_outside_its_stage(lab, tmp_path, monkeypatch):
    there = place_at(f"file://{tmp_path}/bucket")
    send(Wanted("mine"), lab.runs, there)
    home = RunsDir(tmp_path / "home")
    home.root.mkdir()
    evil = {"files": {"../../../evil": {}}, "stage": {}}
    monkeypatch.setattr(copying, "read_manifest", lambda folder: evil)
    with pytest.raises(ValueError, match="leads out of its folder"):
        bring(Wanted("mine"), there, home)


@pytest.mark.parametrize("text", ["../mine", "mine/x", "mine/1/2", "", "a b", "/etc"])
def test_names_of_studies_stay_names(text):
    with pytest.raises(ValueError, match="neither STUDY nor STUDY/TRIAL"):
        Wanted.parse(text)


def test_places_are_told_apart_by_how_they_are_typed():
    assert isinstance(place_at("me@lab:runs"), RsyncPlace)
    assert isinstance(place_at("lab:/data/runs"), RsyncPlace)
    assert isinstance(place_at("runs"), FolderPlace)
    assert is_folder_here("runs/a:b")
    assert not is_folder_here("s3://bucket/x")
    assert not is_folder_here("lab:runs")
    assert is_folder_here("-oProxyCommand=evil:runs"), "no option of ssh"


def test_the_command_copies_a_list(lab, tmp_path, capsys):
    names = tmp_path / "names.txt"
    names.write_text("mine/0  # the best\n\nother\n")
    target = tmp_path / "home"
    assert copy_command.main([f"@{names}", str(lab.runs.root), str(target)]) == 0
    assert capsys.readouterr().out == (
        "mine/0: 2 stages copied, 0 there before\nother: 1 stage copied, 0 there before\n"
    )
    assert stages_in(RunsDir(target)) == {"pretrain", "first", "foreign"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing", "HERE", "out"], "there is no such study where it is copied from"),
        (["mine/7", "HERE", "out"], "there is no such trial; it has 0 to 2"),
        (["@none.txt", "HERE", "out"], "there is no file none.txt"),
        (["mine", "s3://a/b", "lab:runs"], "one of them must be a folder of this machine"),
        (["mine", "ftp://a/b", "out"], "storage is a path, or s3://"),
    ],
)
def test_what_cannot_be_copied_is_one_line(lab, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    typed = [str(lab.runs.root) if a == "HERE" else a for a in arguments]
    assert copy_command.main(typed) == 2
    assert message in capsys.readouterr().err
