"""The token that every node, driver and client of a cluster shows: made once, read by its owner.

`python sweep/auth_token.py` makes it where Ray looks for it, unless it is there.
"""

import os
import secrets
import stat
import sys
from pathlib import Path

TOKEN_BYTES = 32


def token_file() -> Path:
    """Return where Ray looks for the token of whoever calls."""
    return Path.home() / ".ray" / "auth_token"


def ensure_token(path: Path) -> bool:
    """Make the token if there is none; return whether it was made now.

    Raises:
        ValueError: If there is one that others may read, or that is empty.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        fault = token_fault(path)
        if fault is not None:
            raise ValueError(f"{path}: {fault[0]}; {fault[1]}.") from None
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(TOKEN_BYTES))
    return True


def token_fault(path: Path) -> tuple[str, str] | None:
    """Return what is wrong with a token's file that exists, and how to mend it; None if nothing."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return f"others may read this token (mode {mode:04o})", f"chmod 600 {path}"
    if not path.read_text(encoding="utf-8").strip():
        return "this token is empty", f"rm {path} and run python sweep/auth_token.py"
    return None


def main() -> int:
    """Make the token, and say what is wrong with the one there is."""
    try:
        ensure_token(token_file())
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
