"""How a worker lets its slot know, between epochs, that training moves on."""

import time
from collections.abc import Callable

BEAT_S = 5.0


class Pulse:
    """Says now and then that batches are being worked on; most calls only look at the clock.

    Args:
        tell: Told a number that grows, since what is said may arrive in another order; and True
            while batches come, False when none is to be expected for a while.
        now: A monotonic clock.
    """

    def __init__(
        self, tell: Callable[[int, bool], None], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._now = now
        self._beats = 0
        self._told_at: float | None = None

    def beat(self) -> None:
        """Take note of a batch."""
        now = self._now()
        if self._told_at is None or now - self._told_at >= BEAT_S:
            self._told_at = now
            self._say(on_batches=True)

    def rest(self) -> None:
        """Take note that something else than batches comes next, such as saving."""
        if self._told_at is not None:
            self._told_at = None
            self._say(on_batches=False)

    def _say(self, *, on_batches: bool) -> None:
        self._beats += 1
        self._tell(self._beats, on_batches)
