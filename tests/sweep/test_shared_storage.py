"""`--storage`: one place for a runs folder, remembered; links for paths, caches for URIs."""

from pathlib import Path

import pytest

from sweep.folders import RunsDir
from sweep.shared_storage import SharedStorage, storage_of, use_storage
from trainables.stage_remote import linked_remote


@pytest.fixture
def runs(tmp_path):
    return RunsDir(tmp_path / "runs")


@pytest.fixture
def shared(tmp_path):
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


def test_a_runs_folder_is_its_own_storage_unless_told(runs):
    assert storage_of(runs, None) is None


def test_a_shared_path_holds_stages_and_data_itself(runs, shared):
    use_storage(runs, storage_of(runs, str(shared)))
    assert runs.stages.resolve() == shared / "stages"
    assert runs.data.resolve() == shared / "data"
    assert linked_remote(runs.stages) is None
    use_storage(runs, storage_of(runs, str(shared)))


def test_a_uri_makes_the_stages_a_cache(runs):
    use_storage(runs, storage_of(runs, "s3://bucket/studies?region=eu-west-1"))
    assert linked_remote(runs.stages) == "s3://bucket/studies/stages?region=eu-west-1"
    assert not runs.stages.is_symlink()


def test_the_storage_is_remembered(runs, shared):
    use_storage(runs, storage_of(runs, str(shared)))
    assert storage_of(runs, None) == SharedStorage(str(shared))
    with pytest.raises(ValueError, match=r"uses .*shared; leave the option out"):
        storage_of(runs, "s3://bucket/x")


def test_stages_that_others_could_not_see_are_not_hidden(runs, shared):
    (runs.stages / ("a" * 64)).mkdir(parents=True)
    with pytest.raises(ValueError, match="keeps things of its own"):
        use_storage(runs, storage_of(runs, str(shared)))
    assert (runs.stages / ("a" * 64)).is_dir()
    assert storage_of(runs, None) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("no/such/folder", "there is no such folder"),
        ("ftp://host/x", "must be a path, s3://"),
        ("s3://key:secret@bucket/x", "a URI with a key in it would be written down"),
        ("s3://bucket/x?secret_key=abc", "a URI with a key in it would be written down"),
    ],
)
def test_what_cannot_be_storage_is_refused(runs, given, message):
    with pytest.raises(ValueError, match=message):
        storage_of(runs, given)
    assert not runs.root.exists()


def test_the_parts_of_a_storage_have_places_of_their_own(tmp_path):
    assert SharedStorage("s3://b/x/").below("data/hands") == "s3://b/x/data/hands"
    assert SharedStorage("/mnt/all").below("data") == "file:///mnt/all/data"
    there = SharedStorage(str(tmp_path)).study(RunsDir(Path("runs")).study("mine"))
    assert there.base == f"{tmp_path}/studies/mine"
