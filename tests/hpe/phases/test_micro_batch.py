"""Smaller batches for the same optimizer step."""

import pytest

from hpe.phases.catalog import PHASES
from hpe.phases.finetune_config import FinetuneConfig
from hpe.phases.micro_batch import halved_micro_batch
from hpe.phases.pretrain_config import PretrainConfig


@pytest.mark.parametrize("config", [PretrainConfig(batch_size=96), FinetuneConfig(batch_size=96)])
def test_a_step_keeps_its_samples_and_takes_them_in_twice_as_many_batches(config):
    assert halved_micro_batch(config) == {"batch_size": 48, "accumulate": 2}
    again = config.model_copy(update={"batch_size": 48, "accumulate": 2})
    assert halved_micro_batch(again) == {"batch_size": 24, "accumulate": 4}


@pytest.mark.parametrize("batch_size", [2, 3, 45])
def test_a_batch_that_has_no_half_is_left_alone(batch_size):
    assert halved_micro_batch(PretrainConfig(batch_size=batch_size)) is None


@pytest.mark.parametrize("name", ["pretrain", "finetune"])
def test_training_phases_can_be_made_lighter(name):
    spec = PHASES[name]
    lighter = spec.lighter(spec.config())
    assert lighter is not None
    assert spec.config.model_validate(lighter).accumulate == 2
