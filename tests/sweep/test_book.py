"""Writing the journal, and telling listeners."""

import pytest

from sweep.book import Book, Clock
from sweep.journal import Journal, read_journal
from tests.sweep.engine_fakes import FakeClock


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


@pytest.fixture
def book(path):
    with Journal(path) as journal:
        yield Book(journal, clock=Clock(wall=FakeClock(), monotonic=FakeClock()))


def note(message):
    return {"kind": "note", "message": message}


def test_a_record_is_on_disk_and_in_the_ledger_before_anyone_is_told(book, path):
    seen = []
    book.listen(lambda record, ledger: seen.append((read_journal(path)[-1], ledger.notes[-1])))
    book.write(note("one"))
    assert seen == [(book.ledger.notes[0], book.ledger.notes[0])]


class Broken:
    """A listener whose terminal is gone."""

    def __init__(self):
        self.told = 0

    def __call__(self, record, ledger):
        self.told += 1
        raise BrokenPipeError("nobody reads this")


def test_a_listener_that_raises_is_told_no_more_and_a_note_says_so_to_all_others(book, path):
    broken, told = Broken(), []
    book.listen(broken)
    book.listen(lambda record, ledger: told.append(record["message"]))
    book.write(note("one"), note("two"))
    book.write(note("three"))
    assert broken.told == 1
    fault = (
        "Broken follows this session no further (BrokenPipeError: nobody reads this); "
        "the study goes on."
    )
    assert told == ["one", "two", fault, "three"]
    assert [record["message"] for record in read_journal(path)] == told


def test_what_ends_the_process_is_no_listeners_fault(book):
    def interrupt(record, ledger):
        raise KeyboardInterrupt

    book.listen(interrupt)
    with pytest.raises(KeyboardInterrupt):
        book.write(note("one"))


def test_stamps_follow_the_steady_clock(path):
    wall, steady = FakeClock(), FakeClock()
    with Journal(path) as journal:
        book = Book(journal, clock=Clock(wall=wall, monotonic=steady))
        book.write(note("one"))
        wall.now_s += 3600.0
        book.write(note("two"))
    first, second = (record["time_s"] for record in read_journal(path))
    assert second - first == 1.0


def test_a_study_that_has_not_changed_is_recorded_once(path):
    for _ in range(2):
        with Journal(path) as journal:
            book = Book(journal)
            book.open_session({"name": "toy"}, {"gpus": (), "git": None})
            book.end_session(interrupted=False)
    kinds = [record["kind"] for record in read_journal(path)]
    assert kinds == ["study", "session", "session", "session", "session"]
