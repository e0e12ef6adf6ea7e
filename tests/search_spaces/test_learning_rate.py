"""A learning rate that goes with the batch size."""

import dataclasses

import pytest
from optuna.trial import FixedTrial

from hpe.phases.catalog import PHASES
from hpe.phases.optimization import peak_lr
from hpe.phases.pretrain_config import PretrainConfig
from search_spaces.learning_rate import LearningRateForBatch
from trainables.plans import configure, parse_plan

SQRT = LearningRateForBatch(
    path="pretrain", low=1e-4, high=1e-2, reference=128, smallest=64, doublings=3, rule="sqrt"
)
LINEAR = dataclasses.replace(SQRT, rule="linear")


def suggested(couple, *, doublings, rate):
    params = {"pretrain/batch_size/doublings": doublings, "pretrain/optimizer/lr/reference": rate}
    return couple.suggest(FixedTrial(params))


@pytest.mark.parametrize(
    ("couple", "doublings", "batch", "rate"),
    [(SQRT, 1, 128, 1e-3), (SQRT, 3, 512, 2e-3), (LINEAR, 3, 512, 4e-3), (LINEAR, 0, 64, 5e-4)],
)
def test_the_rate_grows_with_the_batch_by_the_rule(couple, doublings, batch, rate):
    settings = suggested(couple, doublings=doublings, rate=1e-3)
    assert settings["pretrain/batch_size"] == batch
    assert settings["pretrain/optimizer/lr"] == pytest.approx(rate)


def test_the_phase_does_not_scale_it_a_second_time():
    plan = parse_plan(["pretrain"], PHASES)
    config = configure(plan, suggested(SQRT, doublings=3, rate=1e-3))["pretrain"]
    assert isinstance(config, PretrainConfig)
    assert peak_lr(config.optimizer, effective_batch=512) == pytest.approx(2e-3)


def test_settings_that_the_phase_scales_are_located_at_their_peak():
    settings = {
        "pretrain/batch_size": 256,
        "pretrain/accumulate": 4,
        "pretrain/optimizer/lr": 1e-4,
        "pretrain/optimizer/sqrt_scaling": True,
    }
    located = SQRT.locate(settings.get)
    assert located["pretrain/batch_size/doublings"] == 2
    peak = 1e-4 * 1024**0.5
    assert located["pretrain/optimizer/lr/reference"] == pytest.approx(peak / 2**0.5)


def test_a_batch_between_doublings_has_no_place():
    settings = {"pretrain/batch_size": 100, "pretrain/optimizer/lr": 1e-3}
    assert set(SQRT.locate(settings.get)) == {"pretrain/optimizer/lr/reference"}


def test_a_plan_without_the_phase_has_no_place():
    assert SQRT.locate({}.get) == {}
