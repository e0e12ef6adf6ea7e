"""A worker trains a stage of the segmentation GAN on scenes that lack one part."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hpe.data.hand_masks import MaskedSample, MaskedSplit, SegmentationData
from hpe.models.seeding import seeded_weights
from hpe.models.segmenters import SegmenterConfig
from hpe.phases import mask_run
from hpe.phases.catalog import PHASES
from tests.hpe.phases.scene_fakes import fake_scenes
from trainables.assignment import Assignment, Directive, Stage
from trainables.saved_states import History
from trainables.stages import StageStore
from trainables.training import Seat, train_stage
from trainables.worker_group import News

ABSENT = 15
RAW = {"epochs": 2, "steps_per_epoch": 1, "batch_size": 2, "loss": {"adversarial_weight": 0}}


@dataclass(frozen=True)
class WithoutPart:
    """A split's scenes with one part painted over by its neighbour."""

    split: MaskedSplit

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> MaskedSample:
        sample = self.split[index]
        assert sample.masks is not None
        masks = np.where(sample.masks == ABSENT, ABSENT - 1, sample.masks)
        return replace(sample, masks=masks.astype(np.uint8))


class Desk:
    """A slot that stops after an epoch, or never."""

    def __init__(self, stop_after: int | None) -> None:
        self.stop_after = stop_after

    def begin(self, epoch: int, history: History) -> Directive:
        return Directive.CONTINUE

    def working(self, beat: int, on_batches: bool) -> None:
        pass

    def report(self, epochs: News) -> Directive:
        return Directive.ABANDON if epochs[-1][0] == self.stop_after else Directive.CONTINUE

    def finish(self, history: History) -> None:
        pass


@pytest.fixture
def tiny_segmenters(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(config: SegmenterConfig, *, seed: int) -> nn.Module:
        with seeded_weights(seed):
            return nn.Sequential(nn.Conv2d(3, 34, 1), nn.BatchNorm2d(34))

    monkeypatch.setattr(mask_run, "build_segmenter", build)


def scenes(_: Any) -> SegmentationData:
    data = fake_scenes(train=4, val=2)
    return replace(data, splits={**data.splits, "val": WithoutPart(data.splits["val"])})


def stage() -> Stage:
    config = PHASES["paired"].config.model_validate(RAW)
    return Stage(
        key="b" * 64,
        label="paired",
        phase="paired",
        config=config.model_dump(mode="json"),
        parents={},
        data={"name": "fake_two_hands", "root": "nowhere", "digest": "0" * 64},
        seed=0,
        epochs=2,
    )


@pytest.mark.usefixtures("tiny_segmenters")
@pytest.mark.parametrize("stop_after", [None, 2])
def test_a_part_that_no_scored_image_shows_is_no_divergence(
    tmp_path: Path, stop_after: int | None
) -> None:
    job, store = stage(), StageStore(tmp_path)
    for stop in dict.fromkeys((stop_after, None)):
        train_stage(
            Assignment(trial=0, attempt=1, stage=job),
            store=store,
            phases=PHASES,
            open_data=scenes,
            desk=Desk(stop),
            seat=Seat(rank=0, world_size=1, device=torch.device("cpu")),
            lineage={},
        )
    part_iou = store.artifacts(job.key).tensors["predictions"]["part_iou"]
    assert part_iou.shape == (3, 16)
    assert part_iou[2, ABSENT - 1].isnan()  # of what is hidden
