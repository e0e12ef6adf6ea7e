"""Values of a search space as coordinates in [0, 1], and back."""

import math

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Number = FloatDistribution | IntDistribution


def value_at(coordinate: float, distribution: BaseDistribution) -> bool | int | float | str | None:
    """Return the value that lies at a coordinate; equal shares of [0, 1] are equally likely.

    Choices and steps each have an interval of their own, so a coordinate drawn uniformly gives
    each of them with the same probability, as Optuna's independent sampling does.
    """
    if isinstance(distribution, CategoricalDistribution):
        count = len(distribution.choices)
        return distribution.choices[min(int(coordinate * count), count - 1)]
    assert isinstance(distribution, Number)
    low, high = _bounds(distribution)
    position = low + coordinate * (high - low)
    if distribution.log:
        position = math.exp(position)
    if distribution.step is not None:
        num_steps = round((distribution.high - distribution.low) / distribution.step)
        steps = round((position - distribution.low) / distribution.step)
        position = distribution.low + min(max(steps, 0), num_steps) * distribution.step
    inside = min(max(position, distribution.low), distribution.high)
    return int(inside) if isinstance(distribution, IntDistribution) else inside


def coordinate_of(value: float, distribution: Number) -> float:
    """Return where a number lies; a step lies in the middle of its interval."""
    low, high = _bounds(distribution)
    return ((math.log(value) if distribution.log else value) - low) / (high - low)


def _bounds(distribution: Number) -> tuple[float, float]:
    half = 0.0 if distribution.step is None else distribution.step / 2
    low, high = distribution.low - half, distribution.high + half
    return (math.log(low), math.log(high)) if distribution.log else (low, high)
