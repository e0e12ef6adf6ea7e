"""Signals while a study runs, without the study."""

import os
import signal
import threading

import pytest

from sweep.tuner import _environment, _signals_interrupt

PATIENCE_S = 10.0


class Conductor:
    interrupted = False

    def interrupt(self):
        self.interrupted = True


@pytest.fixture(autouse=True)
def outer_handlers():
    """Have handlers in place as a command would, and put pytest's back."""
    came = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda signum, frame: came.append(signum))
    yield came
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_interrupts_and_the_second_goes_to_whoever_was_there(
    signum, outer_handlers
):
    conductor, told = Conductor(), threading.Event()
    with _signals_interrupt(conductor, told.set) as received:
        os.kill(os.getpid(), signum)
        assert received == [signum]
        assert told.wait(PATIENCE_S)
        assert conductor.interrupted
        assert outer_handlers == []
        os.kill(os.getpid(), signum)
        assert outer_handlers == [signum]
    assert received == [signum]


def test_a_signal_that_comes_while_a_lock_is_held_waits_for_nobody(outer_handlers):
    lock, told = threading.Lock(), threading.Event()

    def tell():
        with lock:
            told.set()

    with _signals_interrupt(Conductor(), tell):
        with lock:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not told.is_set()
        assert told.wait(PATIENCE_S)


def test_handlers_are_put_back(outer_handlers):
    with _signals_interrupt(Conductor(), None) as received:
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    assert (received, outer_handlers) == ([], [signal.SIGTERM])


def test_tunes_switches_last_only_as_long_as_tune(monkeypatch):
    monkeypatch.setenv("KNOWN", "before")
    monkeypatch.delenv("UNKNOWN", raising=False)
    with _environment({"KNOWN": "within", "UNKNOWN": "within"}):
        assert (os.environ["KNOWN"], os.environ["UNKNOWN"]) == ("within", "within")
    assert os.environ["KNOWN"] == "before"
    assert "UNKNOWN" not in os.environ
