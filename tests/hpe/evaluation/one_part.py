"""A segmenter of one layer that says one class wherever it looks, and what a phase leaves of it."""

import torch
from torch import nn

from hpe.models.segmenters import SegmenterConfig
from hpe.phases.phase import Artifacts

LEFT_CLASS, RIGHT_CLASS = 3, 5


def one_layer(_config=None, *, seed=0):
    del seed
    return nn.Conv2d(3, 34, 1)


def one_part_artifacts(*, image_px=64, section="segmenter", phase="paired"):
    network = one_layer()
    nn.init.zeros_(network.weight)
    nn.init.zeros_(network.bias)
    network.bias.data[[LEFT_CLASS, 17 + RIGHT_CLASS]] = 1.0
    return Artifacts(
        tensors={section: network.state_dict(), "predictions": {"image": torch.zeros(1)}},
        facts={
            "phase": phase,
            section: SegmenterConfig().model_dump(mode="json"),
            "image_px": image_px,
        },
    )
