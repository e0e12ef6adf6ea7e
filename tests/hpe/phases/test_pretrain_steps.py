"""One large batch = the same rows in several = the same rows in two processes."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("pretraining_rank.py")


@pytest.fixture(scope="module")
def script():
    """The script's network and pairs, which the single process shares."""
    spec = importlib.util.spec_from_file_location("pretraining_rank", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """The folder in which two processes left their gradients."""
    folder = tmp_path_factory.mktemp("ranks")
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), str(rank)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    errors = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    return folder


def assert_same(given, expected):
    assert given.keys() == expected.keys()
    for name, value in expected.items():
        largest = float(value.abs().max())
        torch.testing.assert_close(
            given[name], value, rtol=1e-4, atol=1e-5 * largest + 1e-9, msg=lambda m, n=name: n + m
        )


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_an_accumulated_step_with_its_negatives_is_one_large_batch(script, count):
    assert_same(script.gradients(count, "step"), script.gradients(1, "batch"))


def test_an_accumulated_step_with_each_batchs_negatives_is_not(script):
    whole, parts = script.gradients(1, "batch"), script.gradients(2, "batch")
    assert parts["loss"] < whole["loss"] - 0.1
    assert not torch.allclose(
        parts["projection.layers.3.weight"], whole["projection.layers.3.weight"]
    )


def test_every_weight_and_scale_gets_a_gradient(script):
    for name, value in script.gradients(2, "step").items():
        assert value.abs().max() > 0, name


@pytest.mark.slow
@pytest.mark.parametrize(("count", "negatives"), [(1, "batch"), (2, "batch"), (2, "step")])
@pytest.mark.parametrize("rank", [0, 1])
def test_two_processes_make_the_step_of_one(script, ranks, count, negatives, rank):
    given = load_file(ranks / f"{rank}_{count}_{negatives}.safetensors")
    assert_same(given, script.gradients(count, negatives))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_two_processes_that_accumulate_make_one_large_batch(script, ranks, rank):
    given = load_file(ranks / f"{rank}_2_step.safetensors")
    assert_same(given, script.gradients(1, "batch"))
