"""What a worker is said to use: of fake clocks and drivers, and of real processes."""

import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import psutil
import pynvml
import pytest
import torch

from trainables.usage import CPU, GPU, GPU_MEMORY, MEMORY, GpuSampler, Spending, UsageGauge

WAIT_S = 20.0
TICK_S = 0.03
"""The system tells of processor time in hundredths of a second, user's and its own."""


class Machine:
    """A clock, and what a worker has used of the machine."""

    def __init__(self):
        self.time_s, self.cpu_s, self.resident_bytes = 100.0, 7.0, 3_000_000
        self.trouble = None

    def spending(self):
        if self.trouble is not None:
            raise self.trouble
        return Spending(cpu_s=self.cpu_s, resident_bytes=self.resident_bytes)

    def work(self, *, wall_s, cpu_s):
        self.time_s += wall_s
        self.cpu_s += cpu_s

    def gauge(self, device="cpu", **options):
        return UsageGauge(
            torch.device(device), spending=self.spending, now=lambda: self.time_s, **options
        )


def test_two_cores_busy_three_quarters_of_the_time_are_150_percent():
    machine = Machine()
    gauge = machine.gauge()
    gauge.restart()
    machine.work(wall_s=4.0, cpu_s=6.0)
    machine.resident_bytes = 12_345_678
    assert gauge.read() == {CPU: 150.0, MEMORY: 12.3}


def test_readings_in_quick_succession_say_what_the_last_look_found():
    machine = Machine()
    gauge = machine.gauge(least_s=2.0)
    gauge.restart()
    read = []
    for wall_s, cpu_s in ((0.5, 0.5), (1.0, 0.0), (1.0, 0.5)):
        machine.work(wall_s=wall_s, cpu_s=cpu_s)
        read.append(gauge.read()[CPU])
    assert read == [100.0, 100.0, 25.0]
    gauge.restart()
    machine.work(wall_s=0.5, cpu_s=0.1)
    assert gauge.read()[CPU] == 20.0, "another stage begins with a look of its own"


def test_each_reading_tells_of_the_time_since_the_one_before():
    machine = Machine()
    gauge = machine.gauge()
    gauge.restart()
    read = []
    for cpu_s in (2.0, 0.0, 1.0):
        machine.work(wall_s=2.0, cpu_s=cpu_s)
        read.append(gauge.read()[CPU])
    assert read == [100.0, 0.0, 50.0]


def test_what_lies_between_two_assignments_counts_to_neither():
    machine = Machine()
    gauge = machine.gauge()
    gauge.restart()
    machine.work(wall_s=1.0, cpu_s=1.0)
    assert gauge.read()[CPU] == 100.0
    machine.work(wall_s=1000.0, cpu_s=3.0)
    gauge.restart()
    machine.work(wall_s=2.0, cpu_s=0.5)
    assert gauge.read()[CPU] == 25.0


def test_processor_time_that_was_lost_with_a_process_is_not_negative_use():
    machine = Machine()
    gauge = machine.gauge()
    gauge.restart()
    machine.work(wall_s=1.0, cpu_s=-5.0)
    assert gauge.read()[CPU] == 0.0


@pytest.mark.parametrize("wall_s", [0.0, -1.0])
def test_without_time_there_is_no_share_of_it(wall_s):
    machine = Machine()
    gauge = machine.gauge()
    gauge.restart()
    machine.work(wall_s=wall_s, cpu_s=1.0)
    assert gauge.read() == {MEMORY: 3.0}


@pytest.mark.parametrize("trouble", [psutil.AccessDenied(1), OSError(24, "Too many open files")])
def test_what_cannot_be_measured_is_left_out_and_said(caplog, trouble):
    machine = Machine()
    gauge = machine.gauge()
    gauge.restart()
    machine.trouble = trouble
    assert gauge.read() == {}
    assert type(trouble).__name__ in caplog.text
    machine.trouble = None
    assert gauge.read() == {MEMORY: 3.0}, "from when on is not known"
    machine.work(wall_s=1.0, cpu_s=0.2)
    assert gauge.read() == {CPU: 20.0, MEMORY: 3.0}


BUSY_THEN_WAITING = """
import sys, time
while time.process_time() < 0.15:
    pass
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child():
    """A process that has worked for 0.15 s and now waits."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", BUSY_THEN_WAITING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"done\n"
    yield process
    process.communicate(timeout=WAIT_S)


def test_what_a_child_does_counts_while_it_lives_and_after(child):
    process = psutil.Process()
    own = process.cpu_times()
    living = Spending.of(process)
    assert living.cpu_s >= own.user + own.system + 0.15 - TICK_S
    assert living.resident_bytes > psutil.Process(child.pid).memory_info().rss
    child.communicate(timeout=WAIT_S)
    assert Spending.of(process).cpu_s >= living.cpu_s - TICK_S


def test_a_busy_process_spends_time_and_a_waiting_one_none(child):
    process = psutil.Process(child.pid)
    before, own_before = Spending.of(process), Spending.of(psutil.Process())
    until_s = time.process_time() + 0.1
    while time.process_time() < until_s:
        pass
    assert Spending.of(process).cpu_s <= before.cpu_s + TICK_S
    assert Spending.of(psutil.Process()).cpu_s >= own_before.cpu_s + 0.1 - TICK_S


def test_a_real_gauge_tells_of_this_process():
    gauge = UsageGauge(torch.device("cpu"))
    gauge.restart()
    usage = gauge.read()
    gauge.close()
    assert MEMORY in usage
    assert usage.keys() <= {CPU, MEMORY}
    assert all(value >= 0 for value in usage.values())


class Driver:
    """A GPU that was busy this much at each look, and then no longer answers."""

    def __init__(self, *busy_percent):
        self.left, self.asked = list(busy_percent), threading.Event()

    def look(self, *_):
        if self.left:
            return self.left.pop(0)
        self.asked.set()
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


def test_looks_at_the_gpu_are_averaged_until_one_fails(caplog):
    driver = Driver(10, 30, 80)
    sampler = GpuSampler(driver.look, every_s=0.0)
    assert driver.asked.wait(WAIT_S)
    sampler.close()
    assert sampler.take() == 40.0
    assert sampler.take() is None
    assert "GPU utilization is not shown: NVMLError_NotSupported" in caplog.text


def test_a_worker_with_a_gpu_tells_what_nvml_and_pytorch_say(monkeypatch):
    driver, machine = Driver(50, 25), Machine()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: f"GPU {index}")
    monkeypatch.setattr(
        pynvml,
        "nvmlDeviceGetUtilizationRates",
        lambda handle: SimpleNamespace(gpu=driver.look(handle), memory=99),
    )
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 2_500_000 * device.index)
    gauge = machine.gauge("cuda:1", sample_s=0.0)
    assert driver.asked.wait(WAIT_S)
    gauge.close()
    assert gauge.read() == {GPU: 37.5, GPU_MEMORY: 2.5, MEMORY: 3.0}
    assert gauge.read() == {GPU_MEMORY: 2.5, MEMORY: 3.0}


def test_how_busy_the_gpu_was_between_assignments_counts_to_neither(monkeypatch):
    driver, machine = Driver(50), Machine()
    monkeypatch.setattr(torch.cuda, "utilization", driver.look)
    gauge = machine.gauge("cuda:0", sample_s=0.0)
    assert driver.asked.wait(WAIT_S)
    gauge.close()
    gauge.restart()
    assert GPU not in gauge.read()
