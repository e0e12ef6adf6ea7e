"""What the commands that do one thing have in common: how they end."""

import sys
from collections.abc import Callable

from sweep.interruption import Interrupted, terminable
from sweep.messages import Refused, refusing

BAD_INPUT = 2


def exit_code_of(work: Callable[[], int | None]) -> int:
    """Do a command's work; say what was refused, and return the exit code.

    Args:
        work: Returns an exit code of its own, or None for 0.
    """
    try:
        with terminable(), refusing():
            return work() or 0
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return BAD_INPUT
    except Interrupted as end:
        return end.exit_code
