"""MLflow's server on a head, kept running by `cluster/mlflow.sh`, most often a stand-in for it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from mlflow import MlflowClient

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
SERVER = """#!/usr/bin/env bash
echo "$PPID $MLFLOW_BACKEND_STORE_URI $PWD $*" >> "$RECORD"
[ ! -e "$RECORD.lives" ] || exec sleep 60
"""


class Head:
    """A project's folder on a head, whose server ends at once unless told to live."""

    def __init__(self, folder):
        self.folder, self.record = folder, folder / "record"
        (folder / "cluster").mkdir()
        shutil.copy(ROOT / "cluster" / "mlflow.sh", folder / "cluster")
        server = folder / "mlflow"
        server.write_text(SERVER)
        server.chmod(0o755)

    def keep_running(self, **environment):
        subprocess.run(
            ["bash", str(self.folder / "cluster" / "mlflow.sh")],
            cwd="/",
            env={
                "PATH": os.environ["PATH"],
                "RECORD": str(self.record),
                "SWEEP_MLFLOW": str(self.folder / "mlflow"),
                "SWEEP_MLFLOW_REST_S": "0.05",
                **environment,
            },
            check=True,
        )

    def starts(self, at_least):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            lines = self.record.read_text().splitlines() if self.record.exists() else []
            if len(lines) >= at_least:
                return lines
            assert time.monotonic() < deadline, lines
            time.sleep(0.02)

    def close(self):
        """End the program that keeps the server running, and the server with it."""
        keeper = int(self.starts(1)[0].split()[0])
        os.killpg(keeper, signal.SIGKILL)


@pytest.fixture
def head(tmp_path):
    head = Head(tmp_path)
    Path(f"{head.record}.lives").touch()
    yield head
    head.close()


def test_it_listens_on_loopback_and_keeps_its_database_beside_the_studies(head):
    head.keep_running()
    (line,) = head.starts(1)
    _, store, folder, *arguments = line.split()
    assert store == "sqlite:///runs/mlflow.db"
    assert folder == str(head.folder)
    assert arguments[0] == "server"
    assert "--host 127.0.0.1 --port 5000" in " ".join(arguments)
    assert "--artifacts-destination runs/mlartifacts" in " ".join(arguments)


def test_a_head_that_is_started_again_has_one_server_still(head):
    head.keep_running()
    head.starts(1)
    head.keep_running()
    head.keep_running()
    assert len(head.starts(1)) == 1


class Postgres:
    """A Postgres server of its own on a Unix socket; as nobody, where this process is root."""

    def __init__(self, folder):
        self.folder = folder
        self._as = {"user": "nobody", "cwd": "/"} if os.geteuid() == 0 else {}
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        self._programs = programs[-1] if programs else Path("/usr/bin")

    @property
    def is_installed(self):
        return (self._programs / "initdb").exists()

    @property
    def uri(self):
        return f"postgresql://mlflow@/postgres?host={self.folder}"

    def __enter__(self):
        if self._as:
            shutil.chown(self.folder, "nobody")
        self._run("initdb", "--auth", "trust", "--username", "mlflow")
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "--wait", "--log", log, "--options", options, "start")
        return self

    def __exit__(self, *_):
        self._run("pg_ctl", "--wait", "--mode", "immediate", "stop")

    def _run(self, program, *arguments):
        command = [self._programs / program, "--pgdata", self.folder / "data", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._as)


@pytest.fixture
def postgres():
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        server = Postgres(Path(name))
        if not server.is_installed:
            pytest.skip("Postgres is not installed (apt-get install postgresql)")
        with server:
            yield server


@pytest.mark.slow
def test_the_real_server_answers_on_loopback_alone_and_keeps_what_it_is_told(tmp_path):
    with real_server(tmp_path) as (client, servers):
        listening = {
            connection.laddr.ip
            for server in servers
            for connection in server.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        log_and_read_back(client)
        assert (tmp_path / "runs" / "mlflow.db").exists()


@pytest.mark.slow
def test_the_real_server_keeps_what_it_is_told_in_postgres(tmp_path, postgres):
    with real_server(tmp_path, MLFLOW_BACKEND_STORE_URI=postgres.uri) as (client, _):
        run = log_and_read_back(client)
        with psycopg.connect(postgres.uri) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT key, value FROM metrics WHERE run_uuid = %s", (run,))
            assert cursor.fetchall() == [("error", 1.5)]
        assert not (tmp_path / "runs" / "mlflow.db").exists()


@contextmanager
def real_server(folder, **environment):
    """Keep MLflow's server running by the script; its client, and the processes it comes to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    head = Head(folder)
    (folder / "mlflow").write_text(
        f'#!/usr/bin/env bash\necho "$PPID" >> "$RECORD"\nexec {sys.executable} -m mlflow "$@"\n'
    )
    head.keep_running(SWEEP_MLFLOW_PORT=str(port), **environment)
    try:
        uri = f"http://127.0.0.1:{port}"
        wait_for_answer(uri)
        kept = psutil.Process(int(head.starts(1)[0]))
        yield MlflowClient(tracking_uri=uri), [kept, *kept.children(recursive=True)]
    finally:
        head.close()


def log_and_read_back(client):
    run = client.create_run(client.create_experiment("study")).info.run_id
    client.log_metric(run, "error", 1.5)
    assert client.get_run(run).data.metrics == {"error": 1.5}
    return run


def wait_for_answer(uri):
    deadline = time.monotonic() + 4 * PATIENCE_S
    while True:
        with suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=5):
            return
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.2)


def test_another_database_is_named_by_mlflows_own_variable(head):
    head.keep_running(MLFLOW_BACKEND_STORE_URI="postgresql:///mlflow")
    assert head.starts(1)[0].split()[1] == "postgresql:///mlflow"
    assert "postgresql" not in head.starts(1)[0].split(maxsplit=2)[2]


def test_a_server_that_ends_is_started_again(head):
    Path(f"{head.record}.lives").unlink()
    head.keep_running()
    head.starts(2)
