"""What listens on this machine of what studies start, read from Linux's own tables."""

import re
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sweep.findings import Finding, Level

PROC = Path("/proc")
LISTENING = "0A"

PROGRAMS = {
    "MLflow": re.compile(r"\bmlflow\b"),
    "optuna-dashboard": re.compile(r"\boptuna-dashboard\b"),
    "a page": re.compile(r"\bstreamlit\b"),
    "Ray": re.compile(
        r"\bgcs_server\b|\braylet\b|\bray::|/ray/(_private|dashboard|util/client)/|ray-dashboard"
    ),
}
"""What a process is called by what its command line says; the first that fits."""

_DASHBOARD = re.compile(r"/ray/dashboard/dashboard\.py\b.*--port=(?P<port>[0-9]+)")
"""Ray's dashboard; its other ports are Ray's own."""

TOKEN_ONLY = "Ray"
"""Whose ports other machines must reach; a token is what keeps strangers out."""


@dataclass(frozen=True)
class Listener:
    """A process that waits for connections.

    Attributes:
        program: What it is, as in `PROGRAMS`.
        address: Where it listens; `0.0.0.0` and `::` are every network of the machine.
        asks_for_token: Whether Ray's token mode is set in its environment.
    """

    program: str
    address: str
    port: int
    asks_for_token: bool

    @property
    def is_local(self) -> bool:
        """Say whether only this machine reaches it."""
        return self.address.startswith("127.") or self.address == "::1"


def check_listeners(listeners: Iterable[Listener]) -> Iterator[Finding]:
    """Yield a finding for each listener, and one if there is none."""
    groups: dict[tuple[str, bool, bool], list[Listener]] = {}
    for each in sorted(set(listeners), key=lambda each: (each.program, each.port, each.address)):
        groups.setdefault((each.program, each.is_local, each.asks_for_token), []).append(each)
    for (program, is_local, asks_for_token), found in groups.items():
        places = ", ".join(f"{each.address}:{each.port}" for each in found)
        where = f"{program} listens at {places}"
        if is_local:
            yield Finding(Level.OK, "network", f"{where}, for this machine only")
        elif program == TOKEN_ONLY and asks_for_token:
            yield Finding(Level.OK, "network", f"{where}, for whoever has the token")
        elif program == TOKEN_ONLY:
            yield Finding(
                Level.FAIL,
                "network",
                f"{where}, and runs what anybody sends it",
                "ray stop, then start it with RAY_AUTH_MODE=token (python sweep/auth_token.py "
                "makes the token)",
            )
        else:
            yield Finding(
                Level.FAIL,
                "network",
                f"{where}, which other machines reach",
                "end it, start it with the host 127.0.0.1, and reach it through an SSH tunnel",
            )
    if not groups:
        yield Finding(Level.OK, "network", "nothing of Ray, MLflow or Optuna listens here")


def see_listeners(proc: Path = PROC) -> list[Listener]:
    """Return what of ours listens on this machine; processes of others cannot be looked into."""
    waiting: dict[str, tuple[str, int]] = {}
    for table in ("tcp", "tcp6"):
        try:
            text = (proc / "net" / table).read_text()
        except OSError:
            continue  # not a Linux, or no such protocol
        waiting |= listening_sockets(text)
    found = []
    for process in proc.glob("[0-9]*"):
        line = _command_line(process)
        if program_of(line, port=0) is None:
            continue
        for inode in _sockets(process):
            if inode in waiting:
                address, port = waiting[inode]
                program = program_of(line, port=port) or ""
                found.append(Listener(program, address, port, _asks_for_token(process)))
    return found


def listening_sockets(table: str) -> dict[str, tuple[str, int]]:
    """Return inode -> (address, port) of the listening sockets in a table of /proc/net."""
    found = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == LISTENING:
            host, _, port = fields[1].partition(":")
            found[fields[9]] = (_address(host), int(port, 16))
    return found


def _address(text: str) -> str:
    """Return an address from the kernel's way to write it: words in the machine's byte order."""
    words = bytes.fromhex(text)
    packed = b"".join(struct.pack(">I", word) for (word,) in struct.iter_unpack("=I", words))
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    address = socket.inet_ntop(socket.AF_INET6, packed)
    return address.removeprefix("::ffff:")


def program_of(command_line: str, *, port: int) -> str | None:
    """Return what a process that listens at a port is called, or None if it is not of ours."""
    dashboard = _DASHBOARD.search(command_line)
    if dashboard is not None and int(dashboard["port"]) == port:
        return "Ray's dashboard"
    return next((name for name, words in PROGRAMS.items() if words.search(command_line)), None)


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""  # it has ended


def _sockets(process: Path) -> Iterator[str]:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return  # it has ended, or is somebody else's
    for descriptor in descriptors:
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


def _asks_for_token(process: Path) -> bool:
    try:
        return b"RAY_AUTH_MODE=token" in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
