"""Scenes and light networks for the phases of the segmentation GAN."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from hpe.data.hand_masks import SegmentationData
from hpe.models.seeding import seeded_weights
from hpe.models.segmenters import SegmenterConfig
from hpe.phases import mask_run
from hpe.phases.phase import Artifacts, PhaseInputs
from tests.hpe.phases.scene_fakes import fake_scenes


@pytest.fixture
def scenes() -> Callable[..., SegmentationData]:
    return fake_scenes


@pytest.fixture
def make_inputs() -> Callable[..., PhaseInputs]:
    def make(
        *, seed: int = 3, parents: dict[str, Artifacts] | None = None, **counts: int
    ) -> PhaseInputs:
        return PhaseInputs(
            data=fake_scenes(**counts),
            parents=parents or {},
            seed=seed,
            device=torch.device("cpu"),
        )

    return make


@pytest.fixture
def tiny_segmenters(monkeypatch) -> None:
    """Put two convolutions in the place of every segmentation network."""

    def build(config: SegmenterConfig, *, seed: int) -> nn.Module:
        with seeded_weights(seed):
            layers = (
                nn.Conv2d(3, 6, 5, padding=2),
                nn.BatchNorm2d(6),
                nn.ReLU(),
                nn.Conv2d(6, 34, 1),
            )
        return nn.Sequential(*layers)

    monkeypatch.setattr(mask_run, "build_segmenter", build)
