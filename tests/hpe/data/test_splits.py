import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from hpe.data.hands import HandSample
from hpe.data.splits import nested_subset, partition, unique_ids


@dataclass
class Identified:
    unique_ids: np.ndarray

    def __len__(self):
        return len(self.unique_ids)

    def __getitem__(self, index):
        raise AssertionError("a sample was opened")


class Anonymous:
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return HandSample(
            image=np.zeros((2, 2, 3), np.uint8),
            joints_m=np.zeros((21, 3)),
            intrinsics=np.eye(3),
            keypoints_px=np.zeros((21, 2)),
            visible=np.ones(21, bool),
            foreground=None,
            unique_id=10 + index,
        )


def four_versions_of(count):
    return Identified(np.tile(np.arange(count), 4))


@pytest.mark.parametrize(("fraction", "num_ids"), [(0.1, 10), (0.2, 20), (0.4, 40), (1.0, 100)])
def test_a_fraction_keeps_all_versions_of_its_share_of_ids(fraction, num_ids):
    split = four_versions_of(100)
    chosen = nested_subset(split, fraction=fraction, seed=0)
    ids, counts = np.unique(split.unique_ids[list(chosen)], return_counts=True)
    assert len(ids) == num_ids
    assert (counts == 4).all()
    assert list(chosen) == sorted(chosen)


def test_fractions_of_one_seed_are_nested():
    split = four_versions_of(57)
    fractions = (0.01, 0.1, 0.2, 0.4, 0.8, 1.0)
    subsets = [set(nested_subset(split, fraction=fraction, seed=3)) for fraction in fractions]
    for smaller, larger in itertools.pairwise(subsets):
        assert smaller < larger
    assert len(subsets[0]) == 4


def test_the_published_fractions_of_freihand_are_nested_and_keep_versions_together():
    """32,560 ids with four versions each: 10, 20, 40, 80 and 100 %."""
    split = four_versions_of(32_560)
    subsets = [nested_subset(split, fraction=share, seed=5) for share in (0.1, 0.2, 0.4, 0.8, 1.0)]
    assert [len(subset) for subset in subsets] == [13_024, 26_048, 52_096, 104_192, 130_240]
    for smaller, larger in itertools.pairwise(map(set, subsets)):
        assert smaller < larger
    for subset in subsets:
        counts = np.bincount(split.unique_ids[list(subset)])
        assert set(counts.tolist()) <= {0, 4}


def test_seeds_choose_different_labels():
    split = four_versions_of(100)
    assert nested_subset(split, fraction=0.2, seed=0) == nested_subset(split, fraction=0.2, seed=0)
    assert nested_subset(split, fraction=0.2, seed=0) != nested_subset(split, fraction=0.2, seed=1)


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.01])
def test_refuses_a_fraction_out_of_range(fraction):
    with pytest.raises(ValueError, match=rf"in \(0, 1\], got {fraction}"):
        nested_subset(four_versions_of(3), fraction=fraction, seed=0)


def test_ids_are_read_from_samples_where_a_split_does_not_list_them():
    assert unique_ids(Anonymous()).tolist() == [10, 11, 12]


def test_a_partition_uses_every_id_once():
    ids = np.arange(100, 150)
    parts = partition(np.tile(ids, 4), val_share=0.1, test_share=0.2, seed=0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 35, "val": 5, "test": 10}
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), ids)


def test_a_partition_follows_from_its_seed():
    first, again, other = (
        partition(np.arange(50), val_share=0.2, test_share=0.2, seed=seed)["val"].tolist()
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_refuses_a_partition_without_training_ids():
    with pytest.raises(ValueError, match=r"leave something to train on, got 0\.5 and 0\.5 of 4"):
        partition(np.arange(4), val_share=0.5, test_share=0.5, seed=0)
