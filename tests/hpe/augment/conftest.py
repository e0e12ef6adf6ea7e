"""Samples to augment: a hand-like cloud of joints before a camera, in an image of one's choice."""

import numpy as np
import pytest

from hpe.augment.composition import Composition, CompositionConfig, build_composition
from hpe.data.hands import HandSample


def _make_sample(
    *, image=None, height=140, width=160, focal_px=260.0, foreground=None, seed=0
) -> HandSample:
    rng = np.random.default_rng(seed)
    joints_m = rng.uniform(-0.05, 0.05, (21, 3)) + np.array([0.01, -0.008, 0.5])
    intrinsics = np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])
    projected = joints_m @ intrinsics.T
    if image is None:
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return HandSample(
        image=image,
        joints_m=joints_m,
        intrinsics=intrinsics,
        keypoints_px=projected[:, :2] / projected[:, 2:],
        visible=np.ones(21, bool),
        foreground=foreground,
        unique_id=7,
    )


def _compose(settings=None, *, image_px=64, backgrounds=None) -> Composition:
    config = CompositionConfig.model_validate(settings or {})
    return build_composition(config, image_px=image_px, backgrounds=backgrounds)


@pytest.fixture
def make_sample():
    return _make_sample


@pytest.fixture
def compose():
    return _compose
