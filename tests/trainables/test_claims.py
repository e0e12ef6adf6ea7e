"""Claims: one driver trains a stage, others see it, and the dead hold nothing."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from trainables.claims import Claims
from trainables.file_lock import lock_file

HOLD = """
import sys
from pathlib import Path
from trainables.claims import Claims

claims = Claims(Path(sys.argv[1]))
sys.stdout.write(f"{claims.take('a')}\\n")
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.fixture
def claims(tmp_path):
    found = Claims(tmp_path)
    yield found
    found.close()


@pytest.fixture
def other(tmp_path):
    """A second driver in the same runs folder."""
    found = Claims(tmp_path)
    yield found
    found.close()


def test_a_stage_is_claimed_by_one_driver_at_a_time(claims, other):
    assert claims.take("a")
    assert not other.take("a")
    assert other.take("b")
    claims.release("a")
    assert other.take("a")


def test_whether_a_stage_is_free_is_seen_without_claiming_it(claims, other):
    assert claims.is_free("a")
    assert other.take("a")
    assert not claims.is_free("a")
    assert other.is_free("a")
    other.release("a")
    assert claims.is_free("a")
    assert other.take("a")


def test_a_driver_may_take_again_what_it_has(claims, other):
    assert claims.take("a")
    assert claims.take("a")
    claims.release("a")
    assert other.take("a"), "one release is enough"


def test_to_release_what_was_never_taken_changes_nothing(claims, other):
    assert other.take("a")
    claims.release("a")
    assert not claims.take("a")


def test_closing_releases_everything_and_leaves_no_file(claims, other, tmp_path):
    assert claims.take("a")
    assert claims.take("b")
    claims.close()
    assert list((tmp_path / ".claims").iterdir()) == []
    assert other.take("a")
    assert other.take("b")


def test_a_claim_says_who_holds_it(claims, tmp_path):
    claims.take("a")
    holder = json.loads((tmp_path / ".claims" / "a").read_text())
    assert (holder["host"], holder["pid"]) == (socket.gethostname(), os.getpid())
    assert set(holder) == {"host", "pid", "started"}


def test_the_claims_of_a_killed_driver_are_free(claims, tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout.readline() == "True\n"
        assert not claims.take("a")
        it.send_signal(signal.SIGKILL)
        it.wait()
    assert claims.take("a")
    assert json.loads((tmp_path / ".claims" / "a").read_text())["pid"] == os.getpid()


def test_a_lock_on_a_file_that_was_deleted_meanwhile_is_taken_on_the_new_one(tmp_path, monkeypatch):
    """Else two holders could each have the lock of a file with the same name."""
    path = tmp_path / "lock"
    opened = os.open
    replaced = []

    def open_then_replace(name, *arguments):
        descriptor = opened(name, *arguments)
        if not replaced:
            replaced.append(descriptor)
            path.unlink()
            path.touch()
        return descriptor

    monkeypatch.setattr(os, "open", open_then_replace)
    descriptor = lock_file(path)
    assert os.path.samestat(os.fstat(descriptor), path.stat())
    assert lock_file(path, wait=False) is None
    assert lock_file(path, shared=True, wait=False) is None
    os.close(descriptor)
    shared = [lock_file(path, shared=True, wait=False) for _ in range(2)]
    assert None not in shared
    for held in shared:
        os.close(held)
