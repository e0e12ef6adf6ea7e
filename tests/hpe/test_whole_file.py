"""Files that are whole or absent."""

import os
from pathlib import Path

import pytest

from hpe.whole_file import is_temporary, replacing, write_text


def test_writes_text_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "first")
    write_text(path, "größer", durable=False)
    assert path.read_text(encoding="utf-8") == "größer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(OSError, match="full"), replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError("full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_leaves_is_known_as_temporary(tmp_path):
    with replacing(tmp_path / "encoder.safetensors") as temporary:
        assert is_temporary(temporary)
        temporary.touch()
    assert not is_temporary(tmp_path / "encoder.safetensors")
    assert not is_temporary(tmp_path / ".locks")


@pytest.mark.parametrize(("durable", "syncs"), [(True, ["a.txt", "the folder"]), (False, [])])
def test_a_durable_file_is_on_disk_before_its_name_is_and_then_the_name_too(
    tmp_path, monkeypatch, durable, syncs
):
    seen = []
    path = tmp_path / "a.txt"

    def fsync(descriptor):
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        seen.append("the folder" if name == str(tmp_path) else "a.txt")
        assert path.exists() == (name == str(tmp_path))

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(path, "x", durable=durable)
    assert seen == syncs
