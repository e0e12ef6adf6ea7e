"""What the commands that do one thing have in common: how they end."""

import sys
from collections.abc import Callable

from sweep.interruption import Interrupted, terminable
from sweep.messages import Refused, refusing

BAD_INPUT = 2


def exit_code_of(work: Callable[[], None]) -> int:
    """Do a command's work; say what was refused, and return the exit code."""
    try:
        with terminable(), refusing():
            work()
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return BAD_INPUT
    except Interrupted as end:
        return end.exit_code
    return 0
