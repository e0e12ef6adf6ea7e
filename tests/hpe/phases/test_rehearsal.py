import math

import pytest

from hpe.phases.phase import Artifacts, Diverged
from hpe.phases.rehearsal import (
    WITHOUT_FIRST,
    FirstRehearsalConfig,
    LastRehearsalConfig,
    first_level,
    last_level,
    rehearse_first,
    rehearse_last,
)

BEST_FIRST = FirstRehearsalConfig(x=0.3, y=0.7)
BEST_LAST = LastRehearsalConfig(rate=0.01, fancy=True, strength=0.5)


def test_a_first_phase_then_a_last_phase_report_their_levels_plus_one_over_the_epoch(
    make_inputs, drain
):
    config = FirstRehearsalConfig(epochs=2, x=0.5, y=0.8)
    reports, first = drain(rehearse_first(config, make_inputs()))
    level = 0.2**2 + 0.1**2
    assert [r.metrics["val/proxy"] for r in reports] == pytest.approx([level + 1, level + 0.5])

    parents = {"rehearse_first": first}
    config = LastRehearsalConfig(epochs=1, rate=0.1)
    reports, _ = drain(rehearse_last(config, make_inputs(parents=parents)))
    assert reports[0].metrics["val/error"] == pytest.approx(level + 0.1 * 1**2 + 0.1 + 1)


def test_the_planted_optimum_is_zero_and_all_around_it_is_worse():
    assert first_level(BEST_FIRST) == pytest.approx(0)
    assert last_level(BEST_LAST, first=0.0) == pytest.approx(0)
    for changed in ({"x": 0.31}, {"x": 0.29}, {"y": 0.71}, {"y": 0.69}):
        assert first_level(BEST_FIRST.model_copy(update=changed)) > 0
    for changed in ({"rate": 0.02}, {"rate": 0.005}, {"fancy": False}, {"strength": 0.4}):
        assert last_level(BEST_LAST.model_copy(update=changed), first=0.0) > 0


def test_without_a_first_phase_the_error_starts_from_a_poor_one(make_inputs, drain):
    reports, _ = drain(rehearse_last(BEST_LAST, make_inputs()))
    assert reports[-1].metrics["val/error"] == pytest.approx(WITHOUT_FIRST + 1 / 3)


def test_seeds_differ_only_where_there_is_noise(make_inputs, drain):
    def error(seed, noise):
        config = LastRehearsalConfig(epochs=1, load={"noise": noise})
        reports, _ = drain(rehearse_last(config, make_inputs(seed=seed)))
        return reports[0].metrics["val/error"]

    assert error(1, noise=0) == error(2, noise=0)
    assert error(1, noise=0.1) != error(2, noise=0.1)
    assert error(1, noise=0.1) == error(1, noise=0.1)


def test_states_and_artifacts_have_the_size_asked_for(make_inputs, drain):
    config = FirstRehearsalConfig(epochs=1, load={"state_bytes": 4096})
    reports, artifacts = drain(rehearse_first(config, make_inputs()))
    assert reports[0].state()["weights"].nbytes == 4096
    assert isinstance(artifacts, Artifacts)
    assert artifacts.tensors["weights"]["weights"].nbytes == 4096


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("diverged", Diverged, "train/loss is nan in epoch 2"),
        ("memory", MemoryError, "planted: memory ran out"),
        ("error", RuntimeError, "planted: the code is wrong"),
    ],
)
def test_a_planted_fault_comes_in_its_epoch_and_no_other(make_inputs, kind, error, message):
    config = FirstRehearsalConfig(epochs=3, fault={"kind": kind, "epoch": 2})
    phase = rehearse_first(config, make_inputs())
    assert math.isfinite(next(phase).metrics["train/loss"])
    with pytest.raises(error, match=message):
        next(phase)


@pytest.mark.parametrize(("rate", "fails"), [(0.2, True), (0.1, False), (0.05, False)])
def test_a_fault_above_a_bound_leaves_the_rest_of_the_space_alone(make_inputs, drain, rate, fails):
    config = LastRehearsalConfig(rate=rate, fault={"kind": "diverged", "above": 0.1})
    phase = rehearse_last(config, make_inputs())
    if fails:
        with pytest.raises(Diverged):
            next(phase)
    else:
        assert len(drain(phase)[0]) == 3


def test_every_step_is_told(make_inputs, drain):
    told = []
    inputs = make_inputs(on_batch=lambda: told.append(1))
    drain(rehearse_first(FirstRehearsalConfig(epochs=2, load={"steps": 5}), inputs))
    assert len(told) == 10
