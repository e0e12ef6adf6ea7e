"""One driver per study."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from sweep.lock import StudyInUse, driver_lock

HOLD = """
import sys
from pathlib import Path
from sweep.lock import driver_lock
with driver_lock(Path(sys.argv[1])):
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


def test_f12_a_second_driver_is_refused_with_the_holders_host_process_and_start(tmp_path):
    with (
        driver_lock(tmp_path / "driver.lock"),
        pytest.raises(StudyInUse) as refusal,
        driver_lock(tmp_path / "driver.lock"),
    ):
        pass
    message = str(refusal.value)
    assert f"on {socket.gethostname()} by process {os.getpid()} since" in message
    assert re.search(r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", message)


def test_the_lock_is_free_after_its_holder_ends(tmp_path):
    for _ in range(2):
        with driver_lock(tmp_path / "driver.lock"):
            pass


def test_the_lock_is_free_after_its_holder_is_killed(tmp_path):
    path = tmp_path / "driver.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StudyInUse, match=f"by process {holder.pid} "), driver_lock(path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with driver_lock(path):
        pass
