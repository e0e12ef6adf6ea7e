"""Data sets in remote storage: brought whole, checked, and once per machine."""

import errno
from concurrent.futures import ThreadPoolExecutor

import pytest

from trainables import data_copy
from trainables.data_copy import CONTENTS, bring_data, put_data
from trainables.remote_folder import RemoteFolder


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "here" / "hands"
    (root / "train").mkdir(parents=True)
    (root / "index.json").write_text("{}")
    (root / "train" / "images.npy").write_bytes(bytes(range(256)))
    return root


@pytest.fixture
def uri(tmp_path):
    return f"file://{tmp_path}/bucket/data/hands"


def content(root):
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_a_data_set_comes_as_it_was_put(data, uri, tmp_path):
    assert put_data(data, uri, digest="d1")
    bring_data(uri, tmp_path / "there" / "hands")
    assert content(tmp_path / "there" / "hands") == content(data)


def test_it_is_put_once_and_again_when_it_changed(data, uri, tmp_path):
    put_data(data, uri, digest="d1")
    assert not put_data(data, uri, digest="d1")
    (data / "index.json").write_text('{"version": 2}')
    assert put_data(data, uri, digest="d2")
    bring_data(uri, tmp_path / "there")
    assert content(tmp_path / "there") == content(data)


def test_a_file_that_cannot_be_read_is_told_and_leaves_what_is_there(
    data, uri, tmp_path, monkeypatch
):
    put_data(data, uri, digest="d1")
    before = content(data)

    def failing(path):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(data_copy, "sha256_of", failing)
        with pytest.raises(ValueError, match=r"index\.json: this file .* cannot be read"):
            put_data(data, uri, digest="d2")
    bring_data(uri, tmp_path / "there")
    assert content(tmp_path / "there") == before


def test_what_is_on_the_machine_already_stays(data, uri):
    put_data(data, uri, digest="d1")
    before = content(data)
    RemoteFolder.at(uri).delete(CONTENTS)
    bring_data(uri, data)
    assert content(data) == before


def test_an_incomplete_data_set_is_refused(data, uri, tmp_path):
    put_data(data, uri, digest="d1")
    RemoteFolder.at(uri).delete(CONTENTS)
    with pytest.raises(ValueError, match="there is no complete data set here"):
        bring_data(uri, tmp_path / "there")


def test_a_changed_file_is_refused_and_leaves_nothing_to_open(data, uri, tmp_path):
    put_data(data, uri, digest="d1")
    RemoteFolder.at(uri).write("files/train/images.npy", bytes(256))
    with pytest.raises(ValueError, match=r"train/images\.npy is not what was put there"):
        bring_data(uri, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_what_came_before_an_interruption_is_not_fetched_again(data, uri, tmp_path, monkeypatch):
    put_data(data, uri, digest="d1")
    fetched = []
    original = RemoteFolder.get

    def get(self, name, target):
        if len(fetched) == 1 and not fetched[0].endswith("again"):
            fetched[0] += " again"
            raise ConnectionError("gone")
        fetched.append(name)
        original(self, name, target)

    monkeypatch.setattr(RemoteFolder, "get", get)
    with pytest.raises(ConnectionError):
        bring_data(uri, tmp_path / "there")
    bring_data(uri, tmp_path / "there")
    assert fetched == ["files/index.json again", "files/train/images.npy"]
    assert content(tmp_path / "there") == content(data)


def test_workers_of_one_machine_bring_it_once(data, uri, tmp_path, monkeypatch):
    put_data(data, uri, digest="d1")
    fetched = []
    original = RemoteFolder.get
    monkeypatch.setattr(
        RemoteFolder,
        "get",
        lambda self, name, target: (fetched.append(name), original(self, name, target)),
    )
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda _: bring_data(uri, tmp_path / "there"), range(4)))
    assert len(fetched) == 2
