"""Ctrl-C and SIGTERM as one exception with the exit code that shells expect."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal ended the command; like KeyboardInterrupt it passes every `except Exception`."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """Return 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signum


def interruption_behind(error: BaseException) -> Interrupted | None:
    """Return the interruption that an error stands for, if it does.

    One that is raised while Ray's compiled code runs comes out as the cause of a `SystemError`.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Interrupted):
        cause = cause.__cause__
    return cause


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Interrupted` within the block."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    try:
        yield
    except SystemError as error:
        interruption = interruption_behind(error)
        if interruption is None:
            raise
        raise interruption from None
    finally:
        _put_back(before)


@contextmanager
def keeping_handlers() -> Iterator[None]:
    """Keep this process's signal handlers over a block in which Ray puts one of its own in place.

    Ray's ends the process with the signal's number as its exit code, which tells shells nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    except SystemExit as end:
        if end.code in SIGNALS:
            raise Interrupted(int(end.code)) from None
        raise
    finally:
        _put_back(before)


def _put_back(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _interrupt(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - Python's signature
    raise Interrupted(signum)
