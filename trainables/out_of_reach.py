"""Telling a file system that fails from what lies on it."""

import errno

OUT_OF_REACH = frozenset(
    {
        errno.EIO,
        errno.ESTALE,
        errno.EREMOTEIO,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.ENOSPC,
        errno.EDQUOT,
    }
)
"""A file system that fails for a while, or is full: nothing a trial's settings could be blamed
for."""


def is_out_of_reach(error: BaseException) -> bool:
    """Say whether a file system failed, and not what lies on it.

    A child process that loads data passes an error on as text, without its number.
    """
    return isinstance(error, OSError) and (
        error.errno in OUT_OF_REACH
        or any(f"[Errno {number}]" in str(error) for number in OUT_OF_REACH)
    )
