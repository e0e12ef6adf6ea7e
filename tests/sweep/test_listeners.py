"""Who listens where, read from the system's tables."""

import socket
import sys

import pytest

from sweep.findings import Level
from sweep.listeners import (
    Listener,
    check_listeners,
    listening_sockets,
    program_of,
    see_listeners,
)

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2049 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 1001 1
   1: 00000000:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 1002 1
   2: 0100007F:9C40 0100007F:18EB 01 00000000:00000000 00:00000000 00000000  0  0 1003 1
"""
TABLE6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0 0 0 0 0 7 1
   1: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A 0 0 0 0 0 8 1
"""
little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="the tables are of such a CPU")


@little_endian
def test_only_listening_sockets_count_with_their_addresses():
    assert listening_sockets(TABLE) == {"1001": ("127.0.0.1", 8265), "1002": ("0.0.0.0", 6379)}
    assert listening_sockets(TABLE6) == {"7": ("::1", 8080), "8": ("127.0.0.1", 8081)}


@pytest.mark.parametrize(
    ("line", "port", "program"),
    [
        ("/venv/bin/mlflow ui --host 127.0.0.1", 5000, "MLflow"),
        ("python -u /x/ray/dashboard/dashboard.py --host=0.0.0.0 --port=8265", 8265, "dashboard"),
        ("python -u /x/ray/dashboard/dashboard.py --host=0.0.0.0 --port=8265", 9999, "Ray"),
        ("/x/ray/core/src/ray/raylet/raylet --node_id", 4000, "Ray"),
        ("ray::IDLE", 4000, "Ray"),
        ("vim notes.txt", 1, None),
        ("/usr/bin/xray-viewer", 1, None),
    ],
)
def test_a_process_is_known_by_its_command_line(line, port, program):
    found = program_of(line, port=port)
    assert found is None if program is None else program in found


def test_a_socket_of_this_process_is_seen(tmp_path, monkeypatch):
    with socket.socket() as waiting:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen()
        monkeypatch.setattr("sweep.listeners.program_of", lambda line, port: "MLflow")
        port = waiting.getsockname()[1]
        found = [each for each in see_listeners() if each.port == port]
    assert {(each.program, each.address) for each in found} == {("MLflow", "127.0.0.1")}


@pytest.mark.parametrize(
    ("listener", "level", "words"),
    [
        (Listener("MLflow", "127.0.0.1", 5000, False), Level.OK, "for this machine only"),
        (Listener("MLflow", "0.0.0.0", 5000, True), Level.FAIL, "which other machines reach"),
        (Listener("Ray's dashboard", "::", 8265, True), Level.FAIL, "which other machines reach"),
        (Listener("Ray", "::", 6379, True), Level.OK, "for whoever has the token"),
        (Listener("Ray", "10.0.0.5", 6379, False), Level.FAIL, "runs what anybody sends it"),
    ],
)
def test_what_strangers_reach_fails_with_a_remedy(listener, level, words):
    (finding,) = check_listeners([listener])
    assert finding.level is level
    assert words in finding.message
    assert bool(finding.remedy) == (level is Level.FAIL)


def test_ports_of_one_kind_are_one_finding():
    ports = [Listener("Ray", "::", port, True) for port in (6379, 8076)]
    (finding,) = check_listeners(ports)
    assert ":::6379, :::8076" in finding.message


def test_silence_is_said_too():
    (finding,) = check_listeners([])
    assert finding.level is Level.OK
