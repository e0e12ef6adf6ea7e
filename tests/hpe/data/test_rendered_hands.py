"""The rendered data set: made in any order it is the same; broken folders are refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from hpe.data.hands import SPLITS
from hpe.data.rendered_hands import (
    RenderedHandsConfig,
    open_rendered_hands,
    prepare_rendered_hands,
)

TINY = RenderedHandsConfig(image_px=32, unlabelled=3, train=34, val=2, test=2)


def ignore(done: int, total: int) -> None:
    """Take no notice of progress."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tiny data set in it."""
    made = tmp_path_factory.mktemp("rendered")
    prepare_rendered_hands(TINY, made, processes=1, progress=ignore)
    return made


def test_has_all_splits_with_the_counts_asked_for(folder):
    data = open_rendered_hands(TINY, folder)
    assert {split: len(data.splits[split]) for split in SPLITS} == {
        "unlabelled": 3,
        "train": 34,
        "val": 2,
        "test": 2,
    }


@pytest.mark.parametrize("split", SPLITS)
def test_keypoints_are_the_projections_of_the_joints_of_mirrored_hands_too(folder, split):
    samples = open_rendered_hands(TINY, folder).splits[split]
    for index in range(len(samples)):
        sample = samples[index]
        image = sample.joints_m @ sample.intrinsics.T
        np.testing.assert_allclose(image[:, :2] / image[:, 2:], sample.keypoints_px, atol=1e-9)


def test_a_pickled_split_maps_the_files_again(folder):
    samples = open_rendered_hands(TINY, folder).splits["train"]
    data = pickle.dumps(samples)
    assert len(data) < 2000
    np.testing.assert_array_equal(pickle.loads(data)[3].image, samples[3].image)  # noqa: S301
