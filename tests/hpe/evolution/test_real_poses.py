"""Evolution on four real poses of Human3.6M, where they are at hand."""

import numpy as np

from hpe.evolution.bone_frames import to_global, to_local
from hpe.evolution.breeding import Strengths, breed
from hpe.evolution.joint_limits import estimate_limits
from hpe.evolution.operators import random_limbs
from tests.hpe.data.real_samples import REAL, needs_h36m


@needs_h36m
def test_real_poses_go_there_and_back_and_have_children_within_their_limits():
    with np.load(REAL / "h36m" / "test_h36m_body3d.npz") as file:
        poses = 1000.0 * file["S"][..., :3].astype(np.float64)
    local = to_local(poses)
    np.testing.assert_allclose(to_global(local), poses, atol=1e-9)
    np.testing.assert_allclose(local.lengths_mm[:, 5], local.lengths_mm[:, 7], rtol=1e-3)
    limits = estimate_limits(poses, coverage=0.99, smallest_deg=5.0, largest_deg=20.0)
    litters = [
        breed(
            poses,
            np.random.default_rng(seed),
            pairs=2,
            strengths=Strengths(),
            limits=limits,
            templates_mm=local.lengths_mm,
        )
        for seed in range(20)
    ]
    kept = np.concatenate([litter.joints_mm[litter.kept] for litter in litters])
    assert len(kept) > 10
    assert limits.satisfied(kept).all()
    lengths = to_local(kept).lengths_mm / local.lengths_mm.mean(axis=0)
    assert np.all((lengths > 0.7) & (lengths < 1.4))


@needs_h36m
def test_real_poses_are_valid_by_the_limits_of_the_others_more_often_than_random_ones():
    with np.load(REAL / "h36m" / "test_h36m_body3d.npz") as file:
        poses = 1000.0 * file["S"][..., :3].astype(np.float64)
    real, random = [], []
    for left_out in range(len(poses)):
        others = np.delete(poses, left_out, axis=0)
        limits = estimate_limits(others, coverage=0.99, smallest_deg=5.0, largest_deg=20.0)
        one = to_local(poses[[left_out] * 50])
        real.append(limits.satisfied(poses[[left_out]]).mean())
        random.append(limits.satisfied(random_limbs(one, np.random.default_rng(left_out))).mean())
    assert np.mean(real) > np.mean(random)
