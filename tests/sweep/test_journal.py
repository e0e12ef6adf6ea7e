"""The journal survives crashes and refuses damage."""

import os
import zlib

import pytest

from sweep.journal import DamagedJournal, Journal, JournalNotWritten, read_journal

RECORDS = [{"kind": "note", "time_s": float(i), "message": f"number {i} ü"} for i in range(4)]


def written(path, records=RECORDS):
    with Journal(path) as journal:
        assert journal.open() == []
        journal.append(records)
    return path.read_bytes()


def reopened(path):
    with Journal(path) as journal:
        return journal.open()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def test_what_was_appended_is_read_again(path):
    written(path)
    assert reopened(path) == RECORDS
    assert read_journal(path) == RECORDS


def test_appending_returns_after_the_sync_of_the_whole_batch(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(path.read_bytes()))
    with Journal(path) as journal:
        journal.open()
        synced.clear()
        journal.append(RECORDS)
        journal.append([])
    assert len(synced) == 1
    assert synced[0].count(b"number") == len(RECORDS)


def test_a_tail_torn_at_any_byte_is_cut_and_writing_goes_on(path, caplog):
    data = written(path)
    start = len(data.rstrip(b"\n").rpartition(b"\n")[0]) + 1
    for end in range(start, len(data)):
        path.write_bytes(data[:end])
        assert read_journal(path) == RECORDS[:-1]
        caplog.clear()
        with Journal(path) as journal:
            assert journal.open() == RECORDS[:-1]
            journal.append(RECORDS[:1])
        assert reopened(path) == [*RECORDS[:-1], RECORDS[0]]
        if end > start:
            assert f"from byte {start}," in caplog.text
        else:
            assert caplog.text == ""


def test_a_file_torn_anywhere_keeps_its_whole_records(path):
    data = written(path)
    for end in range(len(data) + 1):
        path.write_bytes(data[:end])
        kept = reopened(path)
        assert kept == RECORDS[: len(kept)]
        assert len(kept) == max(0, data[:end].count(b"\n") - 1)


def test_a_bit_flipped_in_any_record_but_the_last_is_refused(path):
    data = written(path)
    last = len(data.rstrip(b"\n").rpartition(b"\n")[0]) + 1
    for byte in range(last):
        flipped = bytearray(data)
        flipped[byte] ^= 1 << byte % 8
        path.write_bytes(flipped)
        with pytest.raises(DamagedJournal):
            reopened(path)
        assert path.read_bytes() == flipped, "a damaged file is left as it is"


def test_a_bit_flipped_in_the_last_record_costs_that_record_alone(path):
    data = written(path)
    last = len(data.rstrip(b"\n").rpartition(b"\n")[0]) + 1
    for byte in range(last, len(data)):
        flipped = bytearray(data)
        flipped[byte] ^= 1 << byte % 8
        path.write_bytes(flipped)
        assert reopened(path) == RECORDS[:-1]


def test_damage_is_named_with_its_place_and_the_way_out(path):
    data = written(path)
    place = data.index(b"number 1")
    start = data.rindex(b"\n", 0, place) + 1
    path.write_bytes(data.replace(b"number 1", b"numbex 1"))
    with pytest.raises(DamagedJournal, match=rf"at byte {start}.*2 intact.*truncate -s {start}"):
        reopened(path)


def test_a_file_that_is_no_journal_is_refused_and_left_alone(path):
    path.write_text("my thesis, the only copy")
    with pytest.raises(DamagedJournal, match="not a study's journal"):
        reopened(path)
    assert path.read_text() == "my thesis, the only copy"


def test_another_format_version_is_refused_by_name(path):
    payload = b'{"kind":"journal","version":2}'
    path.write_bytes(b"%d %08x %b\n" % (len(payload), zlib.crc32(payload), payload))
    with pytest.raises(DamagedJournal, match="format version 2, this program reads 1"):
        reopened(path)


def test_a_value_that_is_not_json_is_refused_before_anything_is_written(path):
    data = written(path)
    with Journal(path) as journal:
        journal.open()
        with pytest.raises(ValueError, match="not JSON compliant"):
            journal.append([RECORDS[0], {"kind": "epoch", "value": float("nan")}])
    assert path.read_bytes() == data


def test_f4_a_full_disk_leaves_the_file_as_it_was(path, monkeypatch):
    data = written(path)
    real_write = os.write

    def write_half(file, rest):
        if len(rest) <= 20:
            raise OSError(28, "No space left on device")
        return real_write(file, rest[:20])

    with Journal(path) as journal:
        journal.open()
        monkeypatch.setattr(os, "write", write_half)
        with pytest.raises(JournalNotWritten) as caught:
            journal.append(RECORDS)
        monkeypatch.undo()
        assert path.read_bytes() == data
        journal.append(RECORDS[:1])
    assert reopened(path) == [*RECORDS, RECORDS[0]]
    appended = data.partition(b"\n")[2]
    assert str(caught.value).startswith(
        f"{path}: {len(appended)} B could not be written after byte {len(data)} (No space left on "
        f"device). All before is safe"
    )
    assert "go on with the same command" in str(caught.value)


def test_a_record_that_was_half_written_and_cannot_be_taken_back_is_cut_when_it_is_opened(
    path, monkeypatch
):
    written(path)
    real_write = os.write

    def write_half(file, rest):
        if len(rest) <= 20:
            raise OSError(5, "Input/output error")
        return real_write(file, rest[:20])

    def broken(file, length):
        raise OSError(5, "Input/output error")

    with Journal(path) as journal:
        journal.open()
        monkeypatch.setattr(os, "write", write_half)
        monkeypatch.setattr(os, "ftruncate", broken)
        with pytest.raises(JournalNotWritten, match="Input/output error"):
            journal.append(RECORDS)
        monkeypatch.undo()
    assert reopened(path)[:4] == RECORDS
