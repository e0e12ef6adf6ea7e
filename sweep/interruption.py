"""Ctrl-C and SIGTERM as one exception with the exit code that shells expect."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

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

    One that is raised while Ray's compiled code runs comes out as the cause of a `SystemError`, and
    one that met Ray's own handler as an exit with the number of SIGTERM, the only signal it takes.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Interrupted):
            return cause
        if isinstance(cause, SystemExit) and cause.code == signal.SIGTERM:
            return Interrupted(signal.SIGTERM)
        cause = cause.__cause__
    return None


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Interrupted` within the block."""
    if not may_handle_signals():
        yield
        return
    with keeping_handlers():
        for number in SIGNALS:
            signal.signal(number, _interrupt)
        yield


@contextmanager
def keeping_handlers() -> Iterator[Callable[[], None]]:
    """Put signal handlers back after a block, in which others are put in place.

    What a signal raised within the block comes out as `Interrupted`.

    Yields:
        Puts them back at once.
    """
    if not may_handle_signals():
        yield lambda: None
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    try:
        yield put_back
    except (SystemError, SystemExit) as error:
        interruption = interruption_behind(error)
        if interruption is None:
            raise
        raise interruption from None
    finally:
        put_back()


def may_handle_signals() -> bool:
    """Say whether this is the main thread, the only one that Python lets set handlers."""
    return threading.current_thread() is threading.main_thread()


def _interrupt(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - Python's signature
    raise Interrupted(signum)
