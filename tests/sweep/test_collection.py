"""`--gc`: everything a study needs stays, everything else goes, and never while a driver works."""

import json
import re

import pytest

from sweep import run
from sweep.collection import collect
from sweep.journal import Journal, read_journal
from sweep.lock import StudyInUse, driver_lock
from sweep.runs_lock import RunsInUse, in_use
from tests.sweep.finished_runs import Lab, key_of


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "runs")


def test_what_any_study_names_stays_and_what_none_names_goes(lab):
    for name in ("one", "both", "two", "none"):
        lab.finish(name)
    lab.study("first", [("COMPLETE", ["both", "one"])])
    lab.study("second", [("PRUNED", ["both", "two"])])
    collect(lab.runs, delete=True)
    assert lab.stages() == {"one", "both", "two"}
    assert all(lab.store.is_committed(key_of(name)) for name in lab.stages())


def test_only_the_latest_stages_of_a_trial_count(lab):
    lab.finish("old")
    lab.finish("new")
    lab.study("study", [("COMPLETE", ["new"], ["old"])])
    collect(lab.runs, delete=True)
    assert lab.stages() == {"new"}


def test_given_weights_and_all_that_they_were_built_on_stay(lab):
    lab.finish("root")
    lab.finish("middle", phase="root")
    lab.finish("given", phase="middle")
    lab.study("study", [], from_weights={"pretrain": key_of("given")})
    collect(lab.runs, delete=True)
    assert lab.stages() == {"root", "middle", "given"}


@pytest.mark.parametrize(("reuse", "kept"), [(0.5, {"theirs"}), (0.0, set())])
def test_stages_of_known_trials_stay_where_the_search_may_take_them_over(lab, reuse, kept):
    lab.finish("theirs")
    source = lab.study("source", [("COMPLETE", ["theirs"])])
    records = [record for record in read_journal(source.journal) if record["kind"] != "study"]
    source.journal.unlink()
    folder = lab.study("study", [], search={"reuse": reuse})
    known = {"kind": "known", "source": "source", "records": records, "left_out": {}}
    with Journal(folder.journal) as journal:
        journal.open()
        journal.append([{**known, "time_s": 0.0}])
    collect(lab.runs, delete=True)
    assert lab.stages() == kept


def test_an_unfinished_stage_stays_only_while_its_trial_has_not_ended(lab):
    for name in ("running", "pruned", "failed", "nobody"):
        lab.begin(name)
    ends = [("RUNNING", ["running"]), ("PRUNED", ["pruned"]), ("FAIL", ["failed"])]
    lab.study("study", ends)
    collect(lab.runs, delete=True)
    assert lab.stages() == {"running"}
    assert lab.store.last_state(lab.stage("running")) is not None


def test_the_stages_of_a_study_that_was_deleted_go(lab):
    lab.finish("mine")
    folder = lab.study("study", [("COMPLETE", ["mine"])])
    folder.journal.unlink()
    folder.lock.touch()
    collect(lab.runs, delete=True)
    assert lab.stages() == set()


def test_what_was_set_aside_or_left_by_killed_writers_goes_and_nothing_foreign(lab):
    lab.finish("mine")
    lab.begin("open")
    lab.study("study", [("RUNNING", ["mine", "open"])])
    lab.finish("damaged")
    (lab.store.folder(key_of("damaged")) / "facts.json").write_text("")
    assert lab.store.set_aside(key_of("damaged"))
    mine = lab.store.folder(key_of("mine"))
    left = [
        mine / "state" / "00001.rank0.json",
        mine / "kept" / "00001" / "facts.json",
        mine / ".net.safetensors.0123abcd.new",
        lab.store.folder(key_of("open")) / "state" / ".00002.rank0.json.0123abcd.new",
        lab.runs.stages / ".claims" / key_of("mine"),
        lab.runs.stages / ".locks" / key_of("mine"),
        lab.runs.root / ".train" / "a1b2c3" / "slot" / "log.txt",
        lab.runs.study("study").scratch / "a1b2c3" / "log.txt",
    ]
    foreign = [lab.runs.stages / "notes" / "read.me", lab.runs.root / "data" / "hands.npy"]
    for path in [*left, *foreign]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    collect(lab.runs, delete=True)
    assert [path for path in left if path.exists()] == []
    assert all(path.exists() for path in foreign)
    assert not list(lab.runs.stages.glob("*.corrupt-*"))
    assert lab.store.set_aside(key_of("mine")) is None
    assert lab.store.is_committed(key_of("mine"))
    assert lab.store.last_state(lab.stage("open")) is not None


def test_a_second_collection_finds_nothing(lab):
    lab.finish("none")
    lab.finish("mine")
    lab.study("study", [("COMPLETE", ["mine"])])
    collect(lab.runs, delete=True)
    assert collect(lab.runs, delete=True).waste == []


def test_nothing_is_deleted_unless_every_journal_can_be_read(lab):
    lab.finish("mine")
    lab.study("good", [])
    broken = lab.study("broken", [("COMPLETE", ["mine"])]).journal
    content = bytearray(broken.read_bytes())
    content[70] ^= 1
    broken.write_bytes(content)
    with pytest.raises(ValueError, match=r"(?s)broken/journal.jsonl.*Nothing was deleted\."):
        collect(lab.runs, delete=True)
    assert lab.stages() == {"mine"}


def test_a_stage_of_another_format_stops_the_collection(lab):
    lab.finish("mine")
    lab.finish("none")
    lab.study("study", [("COMPLETE", ["mine"])])
    path = lab.store.folder(key_of("mine")) / "manifest.json"
    path.write_text(json.dumps({"version": 7}))
    with pytest.raises(ValueError, match=r"(?s)has format version 7.*Nothing was deleted"):
        collect(lab.runs, delete=True)
    assert lab.stages() == {"mine", "none"}


def test_a_collection_is_refused_while_a_driver_runs_a_study(lab):
    lab.finish("none")
    folder = lab.study("study", [])
    with driver_lock(folder.lock), pytest.raises(StudyInUse, match="study: this study is being"):
        collect(lab.runs, delete=True)
    assert lab.stages() == {"none"}


def test_drivers_share_a_runs_folder_and_keep_collections_out(lab):
    lab.runs.root.mkdir(exist_ok=True)
    refused = pytest.raises(RunsInUse, match="another command uses it")
    with in_use(lab.runs), in_use(lab.runs), refused:
        collect(lab.runs, delete=False)
    collect(lab.runs, delete=False)


def test_a_driver_that_starts_during_a_collection_is_refused(lab, monkeypatch):
    def start_a_driver(runs):
        with pytest.raises(RunsInUse, match="--gc is clearing up there"), in_use(runs):
            pass
        raise ValueError("seen")

    lab.runs.root.mkdir()
    monkeypatch.setattr("sweep.collection.reachable_stages", start_a_driver)
    with pytest.raises(ValueError, match="seen"):
        collect(lab.runs, delete=True)
    with in_use(lab.runs):
        pass


def test_the_command_shows_by_default_and_deletes_with_yes(lab, capsys):
    lab.finish("shared")
    lab.finish("mine")
    lab.finish("none")
    lab.begin("ended")
    lab.study("first", [("COMPLETE", ["shared", "mine"]), ("PRUNED", ["ended"])])
    lab.study("second", [("COMPLETE", ["shared"])])
    command = ["--gc", "--runs-dir", str(lab.runs.root)]
    assert run.main(command) == 0
    shown = capsys.readouterr().out
    assert lab.stages() == {"shared", "mine", "none", "ended"}
    for line in (
        r"  first: \d.* kB in 2 stages, 1 of them shared with other studies",
        r"  second: \d.* kB in 1 stage, 1 of them shared with other studies",
        r"  1 finished stages that no study names: \d.* kB",
        r"  1 unfinished stages that no trial goes on with: \d.* B",
        r"Nothing was deleted; --gc --yes does it\.",
    ):
        assert re.search(f"(?m)^{line}$", shown), (line, shown)
    assert run.main([*command, "--yes"]) == 0
    assert " deleted" in capsys.readouterr().out
    assert lab.stages() == {"shared", "mine"}


def test_a_folder_that_does_not_exist_is_refused_and_not_made(tmp_path, capsys):
    assert run.main(["--gc", "--runs-dir", str(tmp_path / "rums")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert not (tmp_path / "rums").exists()


def test_gc_takes_no_study(capsys):
    with pytest.raises(SystemExit):
        run.main(["quickstart", "--gc"])
    assert "leave the study out" in capsys.readouterr().err
