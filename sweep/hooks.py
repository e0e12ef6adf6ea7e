"""Hooks: a command or a web address that is given something as JSON."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import urlsplit

LIMIT_S = 10.0
"""How long a hook may take for one event; it is ended then."""

LAST_BYTES = 4096
"""How much of what a command wrote is looked at for its last line."""

SCHEMES = ("http", "https")


def check_hook(given: str, *, runs_here: bool) -> None:
    """Refuse a hook that cannot be called.

    Args:
        given: A command or an address.
        runs_here: Whether a command is to run on this machine, so that there must be such a
            program.

    Raises:
        ValueError: If it is empty, has an open quotation mark, names no program, or is an address
            behind a blank, without a host or with characters that an address cannot have.
    """
    if given != given.strip() and _is_address(given.strip()):
        raise ValueError("--notify: there is a blank before or after the address; leave it out.")
    if _is_address(given):
        _check_address(given)
        return
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise ValueError(f"--notify {given}: {error}; write the command as in a shell.") from None
    if not words:
        raise ValueError("--notify: give a command, or an address that begins with http.")
    if runs_here and shutil.which(words[0]) is None:
        raise ValueError(
            f"--notify {given}: there is no program {words[0]} that can be run here; give its "
            f"path, or `sh -c '...'` for what only a shell knows."
        )


def call_hook(given: str, event: Mapping[str, Any]) -> None:
    """Give a command the event on its standard input, or post it to an address, as JSON.

    Raises:
        OSError: If it cannot be started or reached, fails, or takes too long.
    """
    body = json.dumps(event, allow_nan=False).encode()
    if _is_address(given):
        _post(given, body)
    else:
        _run(given, body)


def shown_hook(given: str) -> str:
    """Return a hook without what may be a secret: of an address the host alone."""
    if not _is_address(given):
        return given
    parts = urlsplit(given)
    return f"{parts.scheme}://{parts.hostname}"


def _is_address(given: str) -> bool:
    return given.partition(":")[0].lower() in SCHEMES


def _check_address(given: str) -> None:
    try:
        parts = urlsplit(given)
        host, _ = (parts.hostname or "").encode("idna"), parts.port
        f"{parts.path}?{parts.query}".encode("ascii")
    except ValueError as error:
        raise ValueError(
            f"--notify {given}: this is no address that can be called ({error}); write what is "
            f"no ASCII behind the host as %XX."
        ) from None
    if not host:
        raise ValueError(f"--notify {given}: the address names no host.")


def _post(address: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, data=body, headers=headers, method="POST")
    opener = urllib.request.build_opener(_RefuseToMove)
    try:
        with opener.open(request, timeout=LIMIT_S):
            return
    except (HTTPException, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


class _RefuseToMove(urllib.request.HTTPRedirectHandler):
    """Refuses to be sent on: what follows a 301 or 302 is a GET, without the event."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,  # noqa: ARG002 - the base class's signature
        headers: HTTPMessage,  # noqa: ARG002 - the same
        newurl: str,
    ) -> None:
        """Raise an error with the new address, whose path may be a secret where the old one was."""
        fp.close()
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        is_same = (old.path, old.query) == (new.path, new.query)
        path = "the same path" if is_same else "another path (`curl -I` shows it)"
        raise OSError(
            f"the address has moved ({code}) to {new.scheme}://{new.netloc.rpartition('@')[2]}, "
            f"{path}; nothing was delivered: give --notify the new address"
        )


def _run(command: str, body: bytes) -> None:
    """Run a command until it has ended, whatever it leaves behind.

    It reads and writes files, not pipes: a child that it leaves behind would hold a pipe open.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(body)
        given.seek(0)
        process = subprocess.Popen(
            shlex.split(command),
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for the study
        )
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise TimeoutError(f"took longer than {LIMIT_S:g} s and was ended") from None
        if process.returncode != 0:
            told = ": ".join([f"ended with {process.returncode}", *_last_line(errors)])
            raise OSError(told)


def _last_line(errors: IO[bytes]) -> list[str]:
    """Return the last line of what a command wrote, if it wrote any."""
    errors.seek(max(errors.seek(0, os.SEEK_END) - LAST_BYTES, 0))
    return errors.read().decode(errors="replace").strip().splitlines()[-1:]
