"""The GPU benchmark's logic, on the processor: it runs, compares the same thing, and judges."""

import pytest
import torch

from benchmarks import gpu_step
from benchmarks.gpu_step import (
    TINY,
    Measured,
    bare_step,
    configured,
    our_step,
    ratio_of,
    rendered,
    report,
    resident_batch,
)

CPU = torch.device("cpu")


def test_the_bare_loop_computes_what_the_phase_does(tmp_path):
    config = configured(TINY).model_copy(update={"precision": "fp32"})
    batch = resident_batch(config, rendered(TINY, tmp_path), CPU)
    ours, bare = our_step(config, CPU), bare_step(config, CPU, bf16=False)
    for _ in range(2):  # the second loss is after a step of the optimizer
        torch.testing.assert_close(ours(batch), bare(batch), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_runs_on_a_processor_and_judges_nothing_there(capsys):
    before = torch.get_float32_matmul_precision()
    try:
        assert gpu_step.main(["--device", "cpu", "--tiny"]) == 0
    finally:
        torch.set_float32_matmul_precision(before)
    shown = capsys.readouterr().out
    assert "this is no GPU" in shown
    for way in ("ours", "bare", "bare tf32", "fed", "waiting for data"):
        assert f"\n{way} " in shown


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_measures_nothing_without_a_gpu_and_says_so(capsys):
    assert gpu_step.main([]) == 0
    assert "no CUDA device here: nothing measured" in capsys.readouterr().out


def measured(*, ours: float, tf32: float, waiting: float) -> Measured:
    times = {"ours": [ours] * 3, "bare": [1.0, 2.0, 3.0], "bare tf32": [tf32] * 3, "fed": [ours]}
    return Measured(times, waiting, 10**9)


def test_ratios_are_medians_over_rounds():
    assert ratio_of(measured(ours=2.0, tf32=5.0, waiting=0).step_s, "ours over bare") == 1.0
    assert ratio_of(measured(ours=2.0, tf32=5.0, waiting=0).step_s, "ours over bare tf32") == 2.5


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, None),
        ({"tf32": 3.9}, "missed: ours over bare tf32"),
        ({"ours": 2.2, "tf32": 9.0}, "missed: ours over bare"),
        ({"waiting": 0.06}, "missed: waiting for data"),
    ],
)
def test_a_missed_goal_fails_on_a_gpu_alone(change, missed, capsys):
    values = {"ours": 2.0, "tf32": 4.0, "waiting": 0.05, **change}
    assert report(measured(**values), TINY, judges=True) == int(missed is not None)
    assert (missed or "all goals reached") in capsys.readouterr().out
    assert report(measured(**values), TINY, judges=False) == 0
