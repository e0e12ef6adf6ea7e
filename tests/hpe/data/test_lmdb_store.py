"""LMDBs are read-only, opened once in a process, and travel by their path."""

import pickle

import lmdb
import pytest

from hpe.data.lmdb_store import LmdbStore, data_file


def written(path, **values):
    with (
        lmdb.open(str(path), map_size=1 << 20) as environment,
        environment.begin(write=True) as transaction,
    ):
        for key, value in values.items():
            transaction.put(key.encode(), value)
    return path


def test_values_are_found_by_name(tmp_path):
    store = LmdbStore(written(tmp_path / "a.lmdb", one=b"1", two=b"2"))
    assert (store.get("one"), store.get("two"), store.get("three")) == (b"1", b"2", None)


def test_two_stores_of_one_path_share_what_a_process_may_open_once(tmp_path):
    path = written(tmp_path / "a.lmdb", one=b"1")
    store = LmdbStore(path)
    assert store.get("one") == b"1"
    assert LmdbStore(path.parent / "." / "a.lmdb").get("one") == b"1"
    assert pickle.loads(pickle.dumps(store)).get("one") == b"1"  # noqa: S301 - our own bytes


def test_nothing_is_written_beside_the_data(tmp_path):
    path = written(tmp_path / "a.lmdb", one=b"1")
    (path / "lock.mdb").unlink()
    before = data_file(path).stat()
    assert LmdbStore(path).get("one") == b"1"
    after = data_file(path).stat()
    assert [file.name for file in path.iterdir()] == ["data.mdb"]
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_a_folder_without_an_lmdb_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nowhere cannot be read as an LMDB"):
        LmdbStore(tmp_path / "nowhere").get("one")
