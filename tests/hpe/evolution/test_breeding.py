"""A generation: every kept child is possible, and the published way differs where it is said to."""

from dataclasses import replace

import numpy as np
import pytest

from hpe.evolution.bone_frames import to_local
from hpe.evolution.breeding import Strengths, breed
from hpe.evolution.joint_limits import estimate_limits
from hpe.evolution.limbs import FIRST
from tests.hpe.evolution.stick_bodies import stick_bodies

POSES = stick_bodies(200)
TEMPLATES = to_local(POSES).lengths_mm
LIMITS = estimate_limits(POSES, coverage=0.99, smallest_deg=5.0, largest_deg=15.0)
MILD = Strengths()
WILD = Strengths(limb_prob=1.0, limb_deg=60.0)


def litter(strengths=MILD, *, limits=LIMITS, seed=0, pairs=50):
    rng = np.random.default_rng(seed)
    return breed(
        POSES, rng, pairs=pairs, strengths=strengths, limits=limits, templates_mm=TEMPLATES
    )


@pytest.mark.parametrize("strengths", [MILD, WILD])
def test_every_kept_child_satisfies_all_limits(strengths):
    born = litter(strengths)
    assert 0 < born.kept.sum() < 100
    assert LIMITS.satisfied(born.joints_mm[born.kept]).all()
    assert not LIMITS.satisfied(born.joints_mm[~born.kept]).all(axis=1).any()


def test_stronger_mutation_leaves_fewer_children():
    assert litter(WILD).kept.sum() < litter().kept.sum()


class NoFirstLimb:
    """Finds every limb at the torso impossible, and no other."""

    def satisfied(self, joints_mm):
        possible = np.ones((len(joints_mm), 9), dtype=bool)
        possible[:, FIRST] = False
        return possible


@pytest.mark.parametrize(("compat", "kept"), [("none", 0), ("evoskeleton_v1", 100)])
def test_only_the_published_way_keeps_children_whose_first_limbs_are_impossible(compat, kept):
    assert litter(Strengths(compat=compat), limits=NoFirstLimb()).kept.sum() == kept


def test_without_limits_every_child_is_kept():
    assert litter(WILD, limits=None).kept.all()


def test_fewer_required_limbs_keep_more_children():
    some = litter(replace(WILD, required_limbs=6))
    np.testing.assert_array_equal(some.kept, some.satisfied.sum(axis=1) >= 6)
    assert some.kept.sum() > litter(WILD).kept.sum()


def test_parents_are_drawn_once_each_and_a_pair_has_two_children():
    born = litter()
    assert len(set(born.fathers.tolist())) == 100
    np.testing.assert_array_equal(born.fathers[:50], born.mothers[50:])
    np.testing.assert_array_equal(born.fathers[50:], born.mothers[:50])


def test_a_child_has_its_fathers_torso_where_nothing_turns_it():
    still = Strengths(turn_prob=0.0)
    born = litter(still)
    torso = [0, 1, 4, 7, 8, 11, 14]
    moved = born.joints_mm[:, torso] - POSES[born.fathers][:, torso]
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1], moved.shape), atol=1e-9)
    np.testing.assert_allclose(moved[..., [0, 2]], 0.0, atol=1e-9)
    np.testing.assert_allclose(
        born.joints_mm[..., 1].max(axis=1), POSES[born.fathers][..., 1].max(axis=1)
    )


def test_without_any_operator_children_are_their_fathers():
    nothing = Strengths(
        crossover=False, exchange_lengths=False, limb_prob=0.0, turn_prob=0.0, length_prob=0.0
    )
    born = litter(nothing)
    np.testing.assert_allclose(born.joints_mm, POSES[born.fathers], atol=1e-9)


def test_children_get_their_mothers_limb_lengths():
    born = litter(Strengths(length_prob=0.0))
    np.testing.assert_allclose(to_local(born.joints_mm).lengths_mm, TEMPLATES[born.mothers])


def test_the_published_way_turns_bodies_further_than_it_is_told():
    def turned(compat):
        strengths = Strengths(
            crossover=False, limb_prob=0.0, turn_prob=1.0, turn_deg=1.0, compat=compat
        )
        born = litter(strengths, pairs=100)
        relative = born.joints_mm - born.joints_mm[:, :1]
        before = POSES[born.fathers] - POSES[born.fathers][:, :1]
        cosine = (relative[:, 8] * before[:, 8]).sum(-1) / (before[:, 8] ** 2).sum(-1)
        return np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).mean()

    assert turned("none") < 2.0
    assert turned("evoskeleton_v1") > 20.0


def test_the_published_way_never_exchanges_a_head():
    strengths = Strengths(limb_prob=0.0, length_prob=0.0)
    fathers = to_local(POSES).directions[litter(strengths).fathers][:, 0]
    correct = to_local(litter(strengths).joints_mm).directions[:, 0]
    born = litter(replace(strengths, compat="evoskeleton_v1"))
    published = to_local(born.joints_mm).directions[:, 0]
    assert not np.allclose(correct, fathers)
    np.testing.assert_allclose(published, to_local(POSES).directions[born.fathers][:, 0])


def test_refuses_more_parents_than_there_are():
    with pytest.raises(ValueError, match="101 pairs need at least 202 poses, got 200"):
        litter(pairs=101)
