"""Training on several data sets at once, one of which knows keypoints only."""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from hpe.data.hands import flat_sample
from hpe.data.mixture import MixtureConfig, mix
from hpe.phases.catalog import PHASES

pytestmark = pytest.mark.slow

COMMON = {"batch_size": 4, "image_px": 36, "encoder": {"width": 4}}
PRETRAIN = COMMON | {
    "epochs": 2,
    "projection": {"hidden": 8, "out": 8},
    "probe": {"labels": 10, "val_samples": 6},
}
FINETUNE = COMMON | {"epochs": 2, "steps_per_epoch": 4}
BOTH = ("freihand", "youtube_hands")


@dataclass(frozen=True)
class Flat:
    """Another split's samples without their depths; counts which are opened.

    Attributes:
        degenerate: Whether all keypoints of the scale bone are one point.
    """

    split: object
    degenerate: bool = False
    opened: Counter = field(default_factory=Counter)

    @property
    def unique_ids(self):
        return self.split.first + np.arange(len(self))

    def __len__(self):
        return len(self.split)

    def __getitem__(self, index):
        sample = self.split[index]
        self.opened[index] += 1
        keypoints_px = np.array(sample.keypoints_px)
        if self.degenerate:
            keypoints_px[10] = keypoints_px[9]
        return flat_sample(
            sample.image, keypoints_px, visible=sample.visible, unique_id=sample.unique_id
        )


@pytest.fixture
def mixed_inputs(make_inputs):
    """Inputs with 8 hands in space and 32 in 2D, and the split of the latter."""

    def make(*, degenerate=False, **roles):
        deep, flat = (make_inputs(unlabelled=n, train=n).data for n in (8, 32))
        splits = {name: Flat(split, degenerate=degenerate) for name, split in flat.splits.items()}
        opened = {"freihand": deep, "youtube_hands": replace(flat, splits=splits)}
        return replace(make_inputs(), data=mix(MixtureConfig(**roles), opened)), splits

    return make


def run(name, settings, inputs, resume=None):
    spec = PHASES[name]
    return spec.run(spec.config.model_validate(settings), inputs, resume)


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def test_pretraining_draws_each_source_by_its_weight(mixed_inputs, drain):
    inputs, splits = mixed_inputs()
    reports, _ = drain(run("pretrain", PRETRAIN, inputs))
    drawn = splits["unlabelled"].opened.total()
    assert abs(drawn - 20 * len(reports)) <= len(reports)  # of 8 + 32 samples in an epoch


def test_finetuning_draws_each_source_by_its_weight(mixed_inputs, drain):
    inputs, splits = mixed_inputs(train_on=BOTH)
    augment = {"rotate": {"enabled": True}}  # or else crops are made once and kept
    settings = FINETUNE | {"steps_per_epoch": 10, "augment": augment}
    drain(run("finetune", settings, inputs))
    opened = splits["train"].opened
    drawn = opened.total() - 32  # once each for the mean pose
    assert abs(drawn - 2 * 20) <= 2


@pytest.mark.parametrize(("name", "settings"), [("pretrain", PRETRAIN), ("finetune", FINETUNE)])
def test_a_resumed_run_draws_what_an_unbroken_one_does(mixed_inputs, drain, name, settings):
    inputs, _ = mixed_inputs(train_on=BOTH)
    whole, _ = drain(run(name, settings, inputs))
    states = []
    phase = run(name, settings, inputs)
    states.append(next(phase).state())
    phase.close()
    rest, _ = drain(run(name, settings, inputs, resume=states[0]))
    assert equal(dict(rest[-1].metrics), dict(whole[-1].metrics))


def test_hands_without_depth_teach_keypoints_and_no_depth(mixed_inputs, drain):
    """The score needs depth, and has it: of the sources only one is scored."""
    inputs, splits = mixed_inputs(train_on=BOTH, score_on=("freihand",))
    reports, _ = drain(run("finetune", FINETUNE, inputs))
    assert sum(splits["train"].opened.values()) > 0
    assert np.isfinite(list(reports[-1].metrics.values())).all()


def test_hands_whose_scale_bone_is_a_point_train_nothing_but_keypoints(mixed_inputs, drain):
    inputs, _ = mixed_inputs(degenerate=True, train_on=BOTH)
    reports, artifacts = drain(run("finetune", FINETUNE, inputs))
    assert np.isfinite(list(reports[-1].metrics.values())).all()
    for tensor in artifacts.tensors["head"].values():
        assert tensor.isfinite().all()


def test_errors_are_those_of_the_hands_in_space(mixed_inputs, drain):
    """Scored with 2D hands beside, errors in space stay what they are without."""
    alone, beside = (
        drain(run("finetune", FINETUNE, mixed_inputs(score_on=names)[0]))[0][-1].metrics
        for names in (("freihand",), BOTH)
    )
    assert beside["val/root_epe_mm"] == pytest.approx(alone["val/root_epe_mm"], rel=1e-6)
    assert beside["val/pa_epe_mm"] == pytest.approx(alone["val/pa_epe_mm"], rel=1e-6)
    probed = [
        drain(run("pretrain", PRETRAIN, mixed_inputs(score_on=names)[0]))[0][-1].metrics
        for names in (("freihand",), BOTH)
    ]
    for metrics in probed:
        assert np.isfinite(metrics["val/probe_root_epe_mm"])
