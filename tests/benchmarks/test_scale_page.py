"""The page of a scale run, from times and memory that were made up."""

import pytest

from benchmarks.scale_page import MIB, Measured, Sample, page, picture


def driver(*, late_s=1.0, growth=0):
    """Return a driver of 100 trials, a second each; the last tenth takes longer."""
    ends_s = [float(trial) for trial in range(90)]
    ends_s += [ends_s[-1] + late_s * (trial + 1) for trial in range(10)]
    samples = [
        Sample(end_s - 0.1, 100 * MIB + growth * trial, cpu_s=0.02 * trial)
        for trial, end_s in enumerate(ends_s)
    ]
    return Measured("engine", "all of it", at_a_time=4, ends_s=ends_s, samples=samples)


def test_seconds_are_those_between_the_ends_of_a_tenth_of_the_trials():
    run = driver(late_s=3.0)
    assert run.seconds_per_trial(run.early) == pytest.approx(1.0)
    assert run.seconds_per_trial(run.late) == pytest.approx(3.0)


def test_memory_is_the_last_sample_before_a_trial_ended():
    samples = [Sample(1.0, 5, 0.0), Sample(3.0, 7, 0.0), Sample(9.0, 9, 0.0)]
    run = Measured("a", "b", at_a_time=1, ends_s=[2.0, 4.0], samples=samples)
    assert [run.at(0).resident, run.at(1).resident] == [5, 7]
    late = Measured("a", "b", at_a_time=1, ends_s=[0.0], samples=samples[:1])
    assert late.at(0).resident == 5


def test_cpu_time_is_the_drivers_own_however_long_a_trial_takes():
    run = driver(late_s=3.0)
    assert run.cpu_per_trial(run.early) == pytest.approx(0.02)
    assert run.cpu_per_trial(run.late) == pytest.approx(0.02)


def test_growth_is_told_per_trial():
    assert driver(growth=2048).bytes_per_trial == pytest.approx(2048)
    assert driver().bytes_per_trial == 0


def test_the_page_has_a_row_per_driver_and_says_what_is_real():
    text = page([driver(late_s=2.0, growth=1024)], setting=["machine: 2 cores"])
    (row,) = [line for line in text.splitlines() if line.startswith("| engine")]
    cells = "engine | 100 | 4 | 20 | 20 | 1.00 | 1.000 | 2.000 | 2.00 | 100 | 100 | 1.0"
    assert row == f"| {cells} |"
    head = next(line for line in text.splitlines() if line.startswith("| driver"))
    assert head.count("|") == row.count("|")
    assert "- machine: 2 cores" in text
    assert "**engine**: all of it" in text


def test_a_run_of_very_few_trials_has_a_page_and_a_picture_too():
    samples = [Sample(0.0, MIB, 0.0), Sample(3.0, MIB, 0.01)]
    run = Measured("a", "b", at_a_time=1, ends_s=[1.0, 2.0, 4.0], samples=samples)
    row = "| a | 3 | 1 | 10 | 10 | 1.00 | 2.000 | 2.000 | 1.00 | 1 | 1 | 0.0 |"
    assert row in page([run], setting=[])
    assert picture([run]).startswith(b"\x89PNG")
