"""Points that cover a search space evenly."""

import optuna
from optuna.distributions import FloatDistribution

from sweep.quasi_random import SobolSampler


def points(count, *, sequence_seed=3):
    found = []
    for place in range(count):
        sampler = SobolSampler(["b", "a"], place=place, sequence_seed=sequence_seed, seed=place)
        trial = optuna.create_study(sampler=sampler).ask()
        found.append((trial.suggest_float("a", 0.0, 1.0), trial.suggest_float("b", 0.0, 1.0)))
    return found


def test_sixteen_points_lie_in_sixteen_squares():
    """A Sobol sequence is a (0, 4, 2) net: every quarter by quarter box has one point."""
    boxes = {(int(4 * a), int(4 * b)) for a, b in points(16)}
    assert len(boxes) == 16


def test_another_study_seed_scrambles_otherwise():
    assert points(4) != points(4, sequence_seed=4)


def test_a_parameter_without_a_coordinate_is_drawn_at_random():
    def draw(seed):
        sampler = SobolSampler([], place=0, sequence_seed=0, seed=seed)
        trial = optuna.create_study(sampler=sampler).ask({"rare": FloatDistribution(0.0, 1.0)})
        return trial.params["rare"]

    assert draw(1) == draw(1) != draw(2)
