"""Every batch is told of, whether it is loaded, taken from memory, trained on or scored."""

import pytest

from hpe.phases.catalog import PHASES

COMMON = {"epochs": 2, "batch_size": 4, "image_px": 36, "encoder": {"width": 4}}
AUGMENT = {"augment": {"rotate": {"enabled": True}}}
PROBE = {"labels": 10, "val_samples": 6, "every": 1}

# Steps of an epoch, then what is loaded (the first time) or taken from memory to be scored.
CASES = {
    "pretrain": ("pretrain", {"projection": {"hidden": 8, "out": 8}, "probe": PROBE}, 4 + 2),
    "finetune": ("finetune", {"steps_per_epoch": 3}, 3 + 1),
    "finetune, augmented": ("finetune", {"steps_per_epoch": 3, **AUGMENT}, 3 + 1),
    "finetune, frozen": ("finetune", {"steps_per_epoch": 3, "train_encoder": False}, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_an_epoch_tells_of_all_its_batches(case, make_inputs, drain):
    name, raw, batches = CASES[case]
    told = []
    inputs = make_inputs(on_batch=lambda: told.append(1))
    config = PHASES[name].config.model_validate({**COMMON, **raw})
    counts = []
    drain(PHASES[name].run(config, inputs), each=lambda report: counts.append(len(told)))
    first, second = counts
    assert second - first == batches
    assert first > batches  # what is kept in memory from then on was loaded
