"""Pretraining whose views are made in batches on the device: the same geometry, and resumable."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from hpe.augment.composition import CompositionConfig
from hpe.data.hands import HandData
from hpe.phases.device_views import DeviceViews, SourceRows, source_rows
from hpe.phases.loaders import collate
from hpe.phases.pretrain import pretrain
from hpe.phases.pretrain_config import PretrainConfig
from hpe.phases.view_pairs import RECORDED, ViewPairs
from hpe.phases.views import training_composition

DRAWS = [(0, 3), (1, 5), (2**32, 1)]
MOVED = {"rotate": {"enabled": True}, "zoom": {"enabled": True}, "translate": {"enabled": True}}
COLORED = {"hsv_jitter": {"enabled": True}, "color_jitter": {"enabled": True}}
NOISY = {"noise": {"enabled": True, "prob": 1.0}}
SETTINGS = {
    "epochs": 3,
    "batch_size": 4,
    "image_px": 36,
    "encoder": {"width": 4},
    "projection": {"hidden": 8, "out": 8},
    "loss": {"equivariant_weight": 0.5},
    "probe": {"every": 0},
    "augment": {**MOVED, **COLORED, **NOISY},
    "augment_on": "device",
}


def composed(settings):
    config = CompositionConfig.model_validate(settings)
    return training_composition(config, image_px=36, seed=5)


@pytest.mark.parametrize("own", [None, {**COLORED, "flip": {"enabled": True}}])
def test_a_batch_is_that_of_the_loader_but_for_the_rounding_of_pixels(own, make_inputs):
    split = make_inputs().data.splits["unlabelled"]
    pair, relative = composed({**MOVED, **COLORED}), None if own is None else composed(own)
    expected = collate([ViewPairs(split, pair, 5, relative=relative)(draw) for draw in DRAWS])
    rows = source_rows(split, [pair] if relative is None else [pair, relative])
    views = DeviceViews(pair, 5, torch.device("cpu"), relative=relative)
    made = views(collate([rows(draw) for draw in DRAWS]))
    assert set(made) == set(expected)
    for name, values in expected.items():
        if name.removeprefix("relative_") in RECORDED:
            assert torch.equal(made[name], values), name
        else:
            assert made[name].shape == values.shape
            apart = (made[name].float() - values.float()).abs()
            assert apart.mean() < 2.5, name  # of 255; hues round coarsely


def test_views_do_not_depend_on_the_batch_they_are_made_in(make_inputs):
    split = make_inputs().data.splits["unlabelled"]
    pair = composed({**MOVED, **COLORED, **NOISY})
    rows, views = source_rows(split, [pair]), DeviceViews(pair, 5, torch.device("cpu"))
    together = views(collate([rows(draw) for draw in DRAWS]))
    alone = views(collate([rows(DRAWS[1])]))
    assert torch.equal(together["affine"][1:2], alone["affine"])
    assert torch.equal(together["image"][1:2], alone["image"])


def test_masks_travel_where_backgrounds_are_replaced(make_inputs):
    split = make_inputs().data.splits["unlabelled"]
    assert "foreground" not in source_rows(split, [composed(MOVED)])((0, 0))
    row = source_rows(split, [composed({"replace_background": {"enabled": True}})])((0, 0))
    assert row["foreground"].shape == row["image"].shape[:2]
    assert not row["has_foreground"]


def run_from(inputs, drain, resume=None, each=lambda report: None):
    return drain(pretrain(PretrainConfig.model_validate(SETTINGS), inputs, resume), each)


def test_a_resumed_run_equals_the_uninterrupted_one(make_inputs, drain):
    states = {}
    reports, whole = run_from(
        make_inputs(), drain, each=lambda report: states.update({report.epoch: report.state()})
    )
    resumed, end = run_from(make_inputs(), drain, resume=states[2])
    assert [r.metrics for r in resumed] == [r.metrics for r in reports[2:]]
    for name, values in whole.tensors["encoder"].items():
        assert torch.equal(values, end.tensors["encoder"][name])


@dataclass(frozen=True)
class OneLarger:
    """Samples, one of which has a larger picture."""

    samples: object
    larger: int

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        sample = self.samples[index]
        if index != self.larger:
            return sample
        return replace(sample, image=np.pad(sample.image, ((0, 4), (0, 0), (0, 0))))


def test_pictures_of_other_sizes_are_refused_before_work_begins(make_inputs, drain):
    inputs = make_inputs()
    splits = inputs.data.splits
    odd = OneLarger(splits["unlabelled"], len(splits["unlabelled"]) - 1)
    data = HandData("odd", "0", {**splits, "unlabelled": odd}, {})
    with pytest.raises(ValueError, match=r"48 x 52 px for unlabelled sample 15.*augment_on: cpu"):
        run_from(replace(inputs, data=data), drain)
    with pytest.raises(ValueError, match="one size"):
        SourceRows(odd, has_masks=False, size_px=(48, 48))((0, 15))


@pytest.mark.parametrize(
    "settings",
    [
        {"augment": {"occlude": {"enabled": True}}},
        {"augment": {"control": "trivial_augment"}},
        {
            "relative": {
                "weight": 1.0,
                "own_views": True,
                "augment": {"rotate": {"enabled": True}, "occlude": {"enabled": True}},
            }
        },
    ],
)
def test_settings_that_only_the_processor_can_make_are_refused(settings):
    raw = json.loads(json.dumps({**SETTINGS, **settings}))
    with pytest.raises(ValueError, match="augment on the cpu"):
        PretrainConfig.model_validate(raw)
    PretrainConfig.model_validate({**raw, "augment_on": "cpu"})
