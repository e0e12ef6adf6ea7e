"""Evolution's operators: what they change, and above all what they leave alone."""

import numpy as np
import pytest

from hpe.evolution.bone_frames import to_global, to_local
from hpe.evolution.limbs import LIMBS, NUM_LIMBS, SUBTREES, TORSO, subtree_masks
from hpe.evolution.operators import (
    crossover,
    exchange_lengths,
    lower_to_published_level,
    mutate_lengths,
    mutate_limbs,
    random_turns,
    stand_like,
    turn_bodies,
)
from hpe.geometry.body_skeleton import BODY_BONES
from tests.hpe.evolution.stick_bodies import stick_bodies

ALL = np.ones((10, NUM_LIMBS), dtype=bool)


def bone_lengths(joints_mm):
    starts, ends = np.array(BODY_BONES).T
    return np.linalg.norm(joints_mm[:, ends] - joints_mm[:, starts], axis=-1)


@pytest.mark.parametrize("root", SUBTREES)
def test_crossover_swaps_exactly_the_subtree(root):
    fathers, mothers = to_local(stick_bodies(10)), to_local(stick_bodies(10, seed=1))
    mask = np.tile(subtree_masks(SUBTREES)[list(SUBTREES).index(root)], (10, 1))
    sons, daughters = crossover(fathers, mothers, mask)
    for limb in range(NUM_LIMBS):
        of_son, of_daughter = (mothers, fathers) if limb in SUBTREES[root] else (fathers, mothers)
        np.testing.assert_array_equal(sons.directions[:, limb], of_son.directions[:, limb])
        np.testing.assert_array_equal(
            daughters.directions[:, limb], of_daughter.directions[:, limb]
        )
    moved = 0 in SUBTREES[root]
    np.testing.assert_array_equal(sons.neck, (mothers if moved else fathers).neck)
    np.testing.assert_array_equal(sons.torso_mm, fathers.torso_mm)


def test_crossover_and_turns_keep_the_length_of_every_bone():
    poses = stick_bodies(10)
    fathers, mothers = to_local(poses), to_local(stick_bodies(10, seed=1))
    sons, _ = crossover(fathers, mothers, ALL & (np.arange(NUM_LIMBS) > 0))
    rng = np.random.default_rng(0)
    turned = mutate_limbs(sons, ALL, rng, prob=0.7, deg=40.0)
    bodies = turn_bodies(to_global(turned), rng, prob=0.7, deg=60.0)
    np.testing.assert_allclose(bone_lengths(bodies), bone_lengths(poses), atol=1e-9)


def test_a_head_that_is_swapped_keeps_its_length_and_brings_its_shape():
    fathers, mothers = to_local(stick_bodies(10)), to_local(stick_bodies(10, seed=1))
    sons, _ = crossover(fathers, mothers, ALL & (np.arange(NUM_LIMBS) == 0))
    joints = to_global(sons)
    np.testing.assert_allclose(
        np.linalg.norm(joints[:, 10] - joints[:, 8], axis=1), fathers.lengths_mm[:, 0]
    )
    theirs = to_global(mothers)
    share = np.linalg.norm(theirs[:, 9] - theirs[:, 8], axis=1) / mothers.lengths_mm[:, 0]
    np.testing.assert_allclose(
        np.linalg.norm(joints[:, 9] - joints[:, 8], axis=1) / fathers.lengths_mm[:, 0], share
    )


def test_lengths_are_exchanged_between_children():
    fathers, mothers = to_local(stick_bodies(10)), to_local(stick_bodies(10, seed=1))
    sons, daughters = exchange_lengths(fathers, mothers)
    np.testing.assert_array_equal(sons.lengths_mm, mothers.lengths_mm)
    np.testing.assert_array_equal(daughters.lengths_mm, fathers.lengths_mm)


def test_only_limbs_that_may_turn_do():
    poses = to_local(stick_bodies(10))
    limbs = ALL & np.isin(np.arange(NUM_LIMBS), SUBTREES["left_shoulder"])
    turned = mutate_limbs(poses, limbs, np.random.default_rng(0), prob=1.0, deg=30.0)
    changed = np.any(turned.directions != poses.directions, axis=-1)
    np.testing.assert_array_equal(changed, limbs)


def test_limbs_turn_with_their_probability_by_normal_angles():
    poses = to_local(np.tile(stick_bodies(1), (4000, 1, 1)))
    every = np.ones((4000, NUM_LIMBS), dtype=bool)
    turned = mutate_limbs(poses, every, np.random.default_rng(0), prob=0.3, deg=10.0)
    cosines = (turned.directions * poses.directions).sum(-1)
    changed = np.any(turned.directions != poses.directions, axis=-1)
    assert changed.mean() == pytest.approx(0.3, abs=0.01)
    # A turn by a moves a vector at angle b to its axis by 2 sin(a/2) sin(b), and E sin^2 b = 2/3.
    moved = 2 - 2 * cosines[changed]
    assert np.sqrt(moved.mean() / (2 / 3)) == pytest.approx(np.deg2rad(10.0), rel=0.05)


def test_turns_about_coordinate_axes_leave_one_coordinate_alone():
    turns = random_turns(200, np.random.default_rng(0), deg=60.0, axes="coordinate").as_matrix()
    assert np.all(np.isclose(np.abs(turns).max(axis=(1, 2)), 1.0))
    fixed = np.isclose(turns[:, range(3), range(3)], 1.0).argmax(axis=1)
    assert set(fixed.tolist()) == {0, 1, 2}
    free = random_turns(200, np.random.default_rng(0), deg=60.0, axes="any").as_matrix()
    assert np.isclose(free[:, range(3), range(3)], 1.0, rtol=0, atol=1e-6).mean() < 0.01


def test_bodies_turn_about_the_pelvis_by_the_angle_that_is_asked_for():
    poses = np.tile(stick_bodies(1), (4000, 1, 1))
    turned = turn_bodies(poses, np.random.default_rng(0), prob=0.1, deg=30.0)
    np.testing.assert_allclose(turned[:, 0], poses[:, 0])
    changed = np.any(turned != poses, axis=(1, 2))
    assert changed.mean() == pytest.approx(0.1, abs=0.02)
    angles = random_turns(4000, np.random.default_rng(0), deg=30.0, axes="any").magnitude()
    assert np.rad2deg(np.sqrt((angles**2).mean())) == pytest.approx(30.0, rel=0.05)


def test_lengths_come_from_templates_and_stay_symmetric():
    poses = to_local(stick_bodies(200))
    templates = np.array([[200.0, 260, 240, 260, 240, 420, 410, 420, 410]])
    changed = mutate_lengths(poses, templates, np.random.default_rng(0), prob=0.5, spread=0.05)
    mutated = np.any(changed.lengths_mm != poses.lengths_mm, axis=1)
    assert mutated.mean() == pytest.approx(0.5, abs=0.1)
    lengths = changed.lengths_mm[mutated]
    left, right = LIMBS.index("left_thigh"), LIMBS.index("right_thigh")
    np.testing.assert_array_equal(lengths[:, left], lengths[:, right])
    assert np.log(lengths[:, left] / 420).std() == pytest.approx(0.05, rel=0.25)
    assert np.abs(np.corrcoef(lengths[:, left], lengths[:, left + 1])[0, 1]) < 0.3
    unchanged = mutate_lengths(poses, templates, np.random.default_rng(0), prob=0.0, spread=0.1)
    np.testing.assert_array_equal(unchanged.lengths_mm, poses.lengths_mm)


def test_children_stand_as_low_as_their_fathers_and_nowhere_else():
    children, fathers = stick_bodies(10), stick_bodies(10, seed=1)
    placed = stand_like(children, fathers)
    np.testing.assert_allclose(placed[..., 1].max(axis=1), fathers[..., 1].max(axis=1))
    np.testing.assert_array_equal(placed[..., [0, 2]], children[..., [0, 2]])


def test_the_published_level_is_twenty_millimetres_along_z():
    placed = lower_to_published_level(stick_bodies(200), np.random.default_rng(0))
    lowest = placed[..., 2].min(axis=1)
    assert lowest.mean() == pytest.approx(20.0, abs=0.8)
    assert lowest.std() == pytest.approx(3.0, rel=0.15)


def test_operators_draw_from_the_generator_alone():
    poses = to_local(stick_bodies(10))
    first, second = (
        mutate_limbs(poses, ALL, np.random.default_rng(4), prob=0.5, deg=10.0) for _ in range(2)
    )
    np.testing.assert_array_equal(first.directions, second.directions)
    np.testing.assert_array_equal(first.torso_mm, poses.torso_mm)
    assert first.torso_mm.shape[1] == len(TORSO)
