"""Which epochs are told of as they end, and which with a later one."""

import time
from collections.abc import Callable, Collection

REPORT_EVERY_S = 2.0
"""A worker that trains alone tells of shorter epochs together; with others it tells of each."""


class Rhythm:
    """Says when epochs are to be told of: not oftener than every so many seconds.

    Saving a state and calling the slot cost some milliseconds each. Epochs of seconds do not feel
    them; epochs of tens of milliseconds would spend more time on being told of than on training.

    Args:
        every_s: An epoch that ends sooner after the last one that was told of waits; 0: none does.
        due: Epochs that never wait.
        now: A monotonic clock.
    """

    def __init__(
        self,
        every_s: float,
        *,
        due: Collection[int],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._every_s = every_s
        self._due = frozenset(due)
        self._now = now
        self._told_at = now()

    def is_due(self, epoch: int, *, anyway: bool = False) -> bool:
        """Say whether an epoch that has just ended is to be told of, with those that wait.

        Args:
            epoch: The epoch.
            anyway: Whether something else wants it told of now.
        """
        now = self._now()
        if not anyway and epoch not in self._due and now - self._told_at < self._every_s:
            return False
        self._told_at = now
        return True
