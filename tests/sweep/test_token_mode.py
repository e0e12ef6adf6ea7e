"""A head that is started as the cluster files start it lets in who shows its token alone."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sweep.auth_token import ensure_token

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0

CLIENT = """
import sys
from sweep.cluster import connected_cluster, num_nodes
with connected_cluster(sys.argv[1]):
    print(num_nodes(), "node")
"""


def person(home, mode="token"):
    """Return the variables of somebody who has a token of their own."""
    ensure_token(home / ".ray" / "auth_token")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "HOME": str(home), "RAY_AUTH_MODE": mode, "PYTHONPATH": str(ROOT)}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="ray-") as name:  # short: it holds Ray's sockets
        yield Path(name)


@pytest.fixture(scope="module")
def head(folder):
    """The address of a head that asks for the token in `owner`."""
    address = folder / "ray" / "ray_current_cluster"
    with (folder / "head.log").open("w") as log:
        process = subprocess.Popen(
            [
                *(Path(sys.executable).with_name("ray"), "start", "--head", "--block"),
                *("--port=0", f"--ray-client-server-port={free_port()}"),
                *("--node-ip-address=127.0.0.1", "--include-dashboard=false"),
                *("--dashboard-agent-listen-port=0", "--num-cpus=1"),
                *("--object-store-memory=80000000", f"--temp-dir={folder / 'ray'}"),
            ],
            env=person(folder / "owner"),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not address.exists():
            assert process.poll() is None, (folder / "head.log").read_text()
            assert time.monotonic() < deadline, (folder / "head.log").read_text()
            time.sleep(0.1)
        yield address.read_text().strip()
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def enter(head):
    """Start a client as the command does; returns what it said and its exit code."""

    def _enter(environment):
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, head],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        return done.returncode, done.stdout, done.stderr

    return _enter


def test_who_has_the_token_is_let_in(enter, folder):
    code, said, complaint = enter(person(folder / "owner"))
    assert (code, said) == (0, "1 node\n"), complaint


@pytest.mark.parametrize(("home", "mode"), [("stranger", "token"), ("owner", "disabled")])
def test_a_wrong_token_or_none_is_refused(enter, folder, home, mode):
    code, said, complaint = enter(person(folder / home, mode))
    assert code == 1
    assert said == ""
    assert "no Ray cluster answers there" in complaint
    assert "RAY_AUTH_MODE" in complaint
