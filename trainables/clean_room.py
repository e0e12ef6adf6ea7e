"""Give every assignment a process as good as new, on workers that live on.

What one trial sets, leaves running or holds in memory must not reach the next: a trial served third
on a slot computes, bit for bit, what it computes in a process of its own.
"""

import ctypes
import gc
import multiprocessing
import os
import random
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

CHILD_GRACE_S = 2.0
SEED_BITS = 32  # NumPy's and OpenCV's global generators take no more


@dataclass(frozen=True)
class Switch:
    """A setting of the process: how to read and how to write it."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]


def _attribute(owner: Any, name: str) -> Switch:
    return Switch(lambda: getattr(owner, name), lambda value: setattr(owner, name, value))


def _autocast(device: str) -> tuple[Switch, Switch]:
    return (
        Switch(
            lambda: torch.is_autocast_enabled(device),
            lambda value: torch.set_autocast_enabled(device, value),
        ),
        Switch(
            lambda: torch.get_autocast_dtype(device),
            lambda value: torch.set_autocast_dtype(device, value),
        ),
    )


def _set_warning_filters(filters: list[Any]) -> None:
    warnings.resetwarnings()
    warnings.filters.extend(filters)  # type: ignore[attr-defined]


def _set_environment(environment: dict[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


SWITCHES: tuple[Switch, ...] = (
    Switch(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    _attribute(torch.backends.cudnn, "enabled"),
    _attribute(torch.backends.cudnn, "benchmark"),
    _attribute(torch.backends.cudnn, "benchmark_limit"),
    _attribute(torch.backends.cudnn, "deterministic"),
    _attribute(torch.backends.cudnn, "allow_tf32"),
    _attribute(torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction"),
    _attribute(torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction"),
    Switch(torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp),
    Switch(
        torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp
    ),
    Switch(torch.backends.cuda.math_sdp_enabled, torch.backends.cuda.enable_math_sdp),
    Switch(torch.backends.cuda.cudnn_sdp_enabled, torch.backends.cuda.enable_cudnn_sdp),
    _attribute(torch.backends.mkldnn, "enabled"),
    Switch(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    _attribute(torch.utils.deterministic, "fill_uninitialized_memory"),
    Switch(torch.get_default_dtype, torch.set_default_dtype),
    Switch(lambda: None, torch.set_default_device),  # naming one, even "cpu", slows every call
    Switch(torch.is_grad_enabled, torch.set_grad_enabled),
    Switch(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    *_autocast("cpu"),
    *_autocast("cuda"),
    Switch(torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
    Switch(np.geterr, lambda value: np.seterr(**value)),
    Switch(lambda: list(warnings.filters), _set_warning_filters),
    Switch(Path.cwd, os.chdir),
    Switch(lambda: dict(os.environ), _set_environment),
)
"""Everything that is remembered when a process is new and restored before each assignment."""


class CleanRoom:
    """Remembers a process as it is now, and makes it as good as new again.

    `release` after an assignment ends what it left running and frees what it held; `restore` before
    the next one undoes what it set.

    Args:
        threads: Threads that torch and OpenCV may use: the cores divided by the slots.
    """

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        gc.collect()
        gc.freeze()  # what is there now stays: later collections need not look at it
        self._values = [switch.read() for switch in SWITCHES]

    def restore(self, seed: int) -> None:
        """Restore every setting, and put every global generator at this seed."""
        for switch, value in zip(SWITCHES, self._values, strict=True):
            switch.write(value)
        torch.set_flush_denormal(False)
        torch.set_num_threads(self._threads)
        if "torch._dynamo" in sys.modules:  # importing it here would cost seconds
            torch.compiler.reset()
        random.seed(seed)
        np.random.seed(seed % 2**SEED_BITS)
        torch.manual_seed(seed)  # the generators of all devices
        if (cv2 := sys.modules.get("cv2")) is not None:
            cv2.setRNGSeed(seed % 2 ** (SEED_BITS - 1))
            cv2.setNumThreads(self._threads)

    def release(self) -> None:
        """End child processes and give back memory that nothing refers to any more."""
        _end_children()
        gc.collect()
        torch.clear_autocast_cache()
        if _uses_cuda():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        _trim_heap()


@dataclass(frozen=True)
class MemoryUse:
    """Memory that only this process holds, in bytes."""

    host_bytes: int
    cuda_bytes: int

    @classmethod
    def now(cls) -> "MemoryUse":
        """Measure; files mapped into memory do not count."""
        return cls(
            host_bytes=_anonymous_bytes(),
            cuda_bytes=torch.cuda.memory_allocated() if _uses_cuda() else 0,
        )

    def largest(self, other: "MemoryUse") -> "MemoryUse":
        """Return the larger of the two in each kind of memory."""
        return MemoryUse(
            host_bytes=max(self.host_bytes, other.host_bytes),
            cuda_bytes=max(self.cuda_bytes, other.cuda_bytes),
        )


def _uses_cuda() -> bool:
    return torch.cuda.is_available() and bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _end_children() -> None:
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(CHILD_GRACE_S)
        if child.is_alive():
            child.kill()
            child.join()


def _trim_heap() -> None:
    """Return freed memory to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _anonymous_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0
