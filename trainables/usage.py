"""What a worker uses of its machine while it trains: processor, memory, GPU."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil
import torch

CPU = "cpu_utilization_percentage"
MEMORY = "memory_usage_megabytes"
GPU = "gpu_utilization_percentage"
GPU_MEMORY = "gpu_memory_usage_megabytes"
"""Names, units (a megabyte is 10^6 bytes) and rounding as in `mlflow/system_metrics/metrics` of
MLflow 3.17, whose numbers are of the whole machine, where these are of the worker."""

DIGITS = 1
SAMPLE_S = 2.0
"""Between two looks at the GPU; each tells of up to one second before it."""

PATIENCE_S = 5.0
"""How long closing waits for a driver that does not answer."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spending:
    """What a process and all that descend from it have used, at one moment.

    Attributes:
        cpu_s: Processor time since each began, with that of children that have ended and were
            waited for: loaders that an epoch starts and ends are not lost.
        resident_bytes: Memory they hold; what several of them share counts in each.
    """

    cpu_s: float
    resident_bytes: int

    @classmethod
    def of(cls, process: psutil.Process) -> "Spending":
        """Measure; processes that end meanwhile are left out."""
        cpu_s, resident_bytes = 0.0, 0
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess), member.oneshot():
                times = member.cpu_times()
                resident_bytes += member.memory_info().rss
                cpu_s += times.user + times.system + times.children_user + times.children_system
        return cls(cpu_s=cpu_s, resident_bytes=resident_bytes)


class GpuSampler:
    """Looks again and again at how busy a GPU is, in a thread of its own.

    A look that fails is the last one.

    Args:
        look: Returns the share of the last moments in which the GPU was busy, in percent.
        every_s: Between two looks.
    """

    def __init__(self, look: Callable[[], float], *, every_s: float = SAMPLE_S) -> None:
        self._look = look
        self._every_s = every_s
        self._lock = threading.Lock()
        self._sum = 0.0
        self._looks = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gpu-usage", daemon=True)
        self._thread.start()

    def take(self) -> float | None:
        """Return the mean of the looks since the last call, in percent; None if there were none."""
        with self._lock:
            total, looks = self._sum, self._looks
            self._sum, self._looks = 0.0, 0
        return total / looks if looks else None

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        while not self._closed.wait(self._every_s):
            try:
                busy_percent = self._look()
            except Exception as error:  # noqa: BLE001  a thread's edge: no driver, no NVML, MIG
                logger.warning("GPU utilization is not shown: %s: %s", type(error).__name__, error)
                return
            with self._lock:
                self._sum += busy_percent
                self._looks += 1


class UsageGauge:
    """Measures what this process, with its children, uses from one reading to the next.

    A worker keeps one for all its assignments. Nothing here raises: what cannot be measured is
    left out, and said in the log.

    Args:
        device: What the worker trains on.
        spending: Returns what was used so far.
        now: A monotonic clock.
        sample_s: Between two looks at the GPU.
        least_s: Between two looks at processor and memory, which take milliseconds: every process
            of the machine might be a child. A reading before that says what the last one said.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        spending: Callable[[], Spending] | None = None,
        now: Callable[[], float] = time.monotonic,
        sample_s: float = SAMPLE_S,
        least_s: float = 0.0,
    ) -> None:
        process = psutil.Process()
        self._least_s = least_s
        self._said: dict[str, float] = {}
        self._device = device
        self._spending = spending or (lambda: Spending.of(process))
        self._now = now
        self._last: tuple[float, Spending] | None = None
        self._gpu: GpuSampler | None = None
        if device.type == "cuda":
            self._gpu = GpuSampler(lambda: torch.cuda.utilization(device), every_s=sample_s)

    def restart(self) -> None:
        """Count from now on: what was used since the last reading was for something else."""
        self._last = self._read_spending()
        self._said = {}
        if self._gpu is not None:
            self._gpu.take()

    def read(self) -> dict[str, float]:
        """Return what was used since the last reading, or since `restart`.

        `CPU` is 100 for one core that was busy all the time. `GPU` is of the whole device, which
        workers may share; `GPU_MEMORY` is what PyTorch holds of it in this process.
        """
        if self._said and self._last is not None and self._now() < self._last[0] + self._least_s:
            return dict(self._said)
        usage = {}
        before, self._last = self._last, self._read_spending()
        if self._last is not None:
            at_s, spent = self._last
            usage[MEMORY] = spent.resident_bytes / 1e6
            if before is not None and at_s > before[0]:
                cpu_s = max(0.0, spent.cpu_s - before[1].cpu_s)
                usage[CPU] = 100.0 * cpu_s / (at_s - before[0])
        if self._gpu is not None:
            usage[GPU_MEMORY] = torch.cuda.memory_reserved(self._device) / 1e6
            busy_percent = self._gpu.take()
            if busy_percent is not None:
                usage[GPU] = busy_percent
        self._said = {name: round(value, DIGITS) for name, value in sorted(usage.items())}
        return dict(self._said)

    def close(self) -> None:
        """Measure no more."""
        if self._gpu is not None:
            self._gpu.close()

    def _read_spending(self) -> tuple[float, Spending] | None:
        try:
            return self._now(), self._spending()
        except Exception as error:  # noqa: BLE001  what is only shown fails nothing
            logger.warning("CPU and memory are not shown: %s: %s", type(error).__name__, error)
            return None
