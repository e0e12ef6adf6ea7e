"""Recorded poses: which samples count, and whose they are."""

import numpy as np
import pytest

from hpe.phases.recorded_poses import RecordedConfig, of_chosen_people, read_poses
from tests.hpe.evolution.stick_bodies import stick_bodies
from tests.hpe.phases.stick_body_data import StickBodySplit

TRAIN = read_poses(StickBodySplit(2, 56))


def test_poses_are_those_with_depth_in_the_cameras_frame():
    known = [index for index in range(56) if index % 7 != 6]
    np.testing.assert_allclose(TRAIN.joints_mm, stick_bodies(56, seed=2)[known], atol=1e-6)
    assert TRAIN.subjects == tuple(f"S{index % 4}" for index in known)


def test_samples_with_a_joint_that_nobody_annotated_do_not_count():
    split = [StickBodySplit(2, 4)[index] for index in range(4)]
    split[1].visible[3] = False
    assert len(read_poses(split)) == 3


def test_fewer_people_are_among_more():
    people = [
        set(of_chosen_people(TRAIN, RecordedConfig(subjects=count)).subjects)
        for count in (1, 2, 3, 4)
    ]
    assert [len(names) for names in people] == [1, 2, 3, 4]
    assert people[0] < people[1] < people[2] < people[3]


def test_all_poses_of_the_chosen_people_are_in_use():
    chosen = of_chosen_people(TRAIN, RecordedConfig(subjects=2, seed=1))
    assert len(chosen) == sum(name in set(chosen.subjects) for name in TRAIN.subjects)


def test_at_most_spreads_over_all_poses():
    some = of_chosen_people(TRAIN, RecordedConfig(at_most=5))
    rows = [0, 12, 24, 35, 47]
    np.testing.assert_array_equal(some.joints_mm, TRAIN.joints_mm[rows])


def test_refuses_people_where_nobody_is_named():
    nameless = read_poses(StickBodySplit(2, 8, named=False))
    with pytest.raises(ValueError, match="needs data that say who is seen"):
        of_chosen_people(nameless, RecordedConfig(subjects=1))


def test_refuses_more_people_than_there_are():
    with pytest.raises(ValueError, match="at most the 4 people of the training split, got 5"):
        of_chosen_people(TRAIN, RecordedConfig(subjects=5))


def test_refuses_data_without_depth():
    with pytest.raises(ValueError, match="got none among 1; use a data set that knows depths"):
        read_poses([StickBodySplit(2, 8)[6]])
