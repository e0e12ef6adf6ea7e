"""What one assignment leaves behind must not reach the next."""

import gc
import multiprocessing
import os
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from slot_phases import make_disorder

from trainables.clean_room import CleanRoom, MemoryUse


@pytest.fixture
def room() -> Iterator[CleanRoom]:
    threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    room = CleanRoom(threads=1)
    yield room
    room.release()
    room.restore(0)
    gc.unfreeze()
    torch.set_num_threads(threads)
    cv2.setNumThreads(cv2_threads)


def draws() -> tuple[float, float, float, float]:
    image = np.zeros((1, 1), np.float64)
    cv2.randu(image, 0.0, 1.0)
    return random.random(), float(np.random.rand()), torch.rand(()).item(), float(image[0, 0])


def test_equal_seeds_draw_equal_numbers_whatever_came_before(room):
    room.restore(2**47 + 1)
    first = draws()
    make_disorder()
    room.release()
    room.restore(2**47 + 1)
    assert draws() == first
    room.restore(3)
    assert draws() != first


def test_disorder_is_undone(room, tmp_path):
    cwd = Path.cwd()
    make_disorder()
    assert Path.cwd() != cwd
    room.release()
    room.restore(0)
    assert Path.cwd() == cwd
    assert "LEFT_BEHIND" not in os.environ
    assert multiprocessing.active_children() == []
    assert torch.get_default_dtype() is torch.float32
    assert torch.is_grad_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.benchmark
    assert torch.get_num_threads() == 1
    assert np.geterr()["over"] == "warn"


@pytest.mark.parametrize(
    ("disturb", "is_undone"),
    [
        (
            lambda: torch.set_default_device("meta"),
            lambda: torch.zeros(1).device.type == "cpu",
        ),
        (
            lambda: torch.autograd.set_detect_anomaly(True),
            lambda: not torch.is_anomaly_enabled(),
        ),
        (
            lambda: torch.set_autocast_enabled("cpu", True),
            lambda: not torch.is_autocast_enabled("cpu"),
        ),
        (
            lambda: setattr(torch.backends.cudnn, "allow_tf32", False),
            lambda: torch.backends.cudnn.allow_tf32,
        ),
        (
            lambda: setattr(torch.backends.mkldnn, "enabled", False),
            lambda: torch.backends.mkldnn.enabled,
        ),
        (
            lambda: torch.backends.cuda.enable_math_sdp(False),
            lambda: torch.backends.cuda.math_sdp_enabled(),
        ),
        (
            lambda: os.environ.update(PATH=""),
            lambda: os.environ["PATH"] != "",
        ),
        (
            lambda: warnings.simplefilter("once"),
            lambda: warnings.filters[0][0] != "once",
        ),
    ],
    ids=["device", "anomaly", "autocast", "tf32", "mkldnn", "attention", "environment", "warnings"],
)
def test_a_setting_is_restored(
    room: CleanRoom, disturb: Callable[[], None], is_undone: Callable[[], bool]
):
    assert is_undone()
    disturb()
    assert not is_undone()
    room.restore(0)
    assert is_undone()


def test_a_child_that_ignores_the_polite_signal_is_ended(room, monkeypatch):
    monkeypatch.setattr("trainables.clean_room.CHILD_GRACE_S", 0.2)
    ready = multiprocessing.get_context("fork").Event()
    child = multiprocessing.get_context("fork").Process(target=_be_stubborn, args=(ready,))
    child.start()
    ready.wait(5.0)
    room.release()
    assert not child.is_alive()


def test_memory_that_nothing_refers_to_is_given_back(room):
    room.release()
    before = MemoryUse.now().host_bytes
    held = [bytes(1000) + os.urandom(1) for _ in range(100_000)]
    assert MemoryUse.now().host_bytes > before + 50e6
    del held
    room.release()
    assert MemoryUse.now().host_bytes < before + 20e6


def test_the_larger_memory_use_is_taken_kind_by_kind():
    assert MemoryUse(1, 4).largest(MemoryUse(3, 2)) == MemoryUse(3, 4)


def _be_stubborn(ready: "multiprocessing.synchronize.Event") -> None:
    import signal  # noqa: PLC0415  in the child
    import time  # noqa: PLC0415

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.set()
    time.sleep(60)
