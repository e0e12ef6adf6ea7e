"""What parts of a point are worth, from trainings without them on the same seeds.

The noise of a training is taken to be the same whatever is switched off, as long as it enters in
the same step: variants that share the first stages with the whole point differ from it by what
happens after these alone, so that those which share as many are pooled. In such a group the
residuals of seeds and variants estimate the variance s^2 (randomised blocks), with
(seeds - 1) x variants degrees of freedom; a difference from the whole has twice, an interaction
four times that variance.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from hpe.metrics.direction import Direction
from sweep.verdict.dunnett import two_sided_dunnett_quantile
from sweep.verdict.verdict import CONFIDENCE

Names = tuple[str, ...]
"""What is switched off; () for the whole point."""

WHOLE: Names = ()

Values = Mapping[Names, Sequence[float | None]]
"""What is switched off -> the objective on each seed, in order; None where there is none."""


@dataclass(frozen=True)
class Effect:
    """What a factor is worth, or how a pair of them interacts.

    Attributes:
        names: The factor, or the pair.
        mean: In the objective's unit. Of a factor: how much better the point is with it. Of a pair:
            how much more one is worth where the other is there (below zero: each can stand in for
            the other). None where no seed tells.
        interval: Holds the truth with the verdict's confidence, for all factors together, or for
            all pairs that there could be; None where the seeds are too few.
        seeds: Seeds it is of.
        lost: Seeds on which the whole point completed and something without it did not.
    """

    names: Names
    mean: float | None
    interval: tuple[float, float] | None
    seeds: int
    lost: int

    @property
    def is_separated(self) -> bool | None:
        """Say whether the data separates it from nothing; None where it cannot tell."""
        if self.interval is None:
            return None
        low, high = self.interval
        return low > 0 or high < 0


@dataclass(frozen=True)
class _Noise:
    """The variance of a training, and the degrees of freedom it was estimated with."""

    variance: float
    df: int


def effects_of(
    values: Values, shared: Mapping[str, int], *, direction: Direction
) -> tuple[Effect, ...]:
    """Return what each factor is worth, in their order.

    The intervals are Dunnett's two-sided ones for as many factors as there are.

    Args:
        values: Of the whole point, and of it without each factor.
        shared: Factor -> how many stages its variant shares with the whole point.
        direction: Which values are better.
    """
    merits = _merits(values, direction)
    noise = _noise(merits, shared)
    found = []
    for name in shared:
        row = merits.get((name,), [])
        differences = _differences(merits, name)
        half = None
        if name in noise:
            quantile = two_sided_dunnett_quantile(
                CONFIDENCE, candidates=len(shared), df=noise[name].df
            )
            half = quantile * math.sqrt(2 * noise[name].variance / len(differences))
        found.append(_effect((name,), differences, half, lost=_lost(merits, [row])))
    return tuple(found)


def interactions_of(
    values: Values, shared: Mapping[str, int], pairs: Sequence[Names], *, direction: Direction
) -> tuple[Effect, ...]:
    """Return how the factors of each pair interact.

    On each seed: the whole point, less what it is without one, less what it is without the other,
    plus what it is without both. Intervals are Šidák's for all pairs of factors, not these alone,
    so that they hold although these were chosen for what the same seeds say of each factor.

    Args:
        values: Also of the point without both of each pair.
        shared: As for `effects_of`.
        pairs: Two names each.
        direction: Which values are better.
    """
    merits = _merits(values, direction)
    noise = _noise(merits, shared)
    possible = math.comb(len(shared), 2)
    found = []
    for first, second in pairs:
        rows = [merits.get(names, []) for names in ((first,), (second,), (first, second))]
        contrasts = [
            whole - one - other + none
            for whole, one, other, none in zip(merits.get(WHOLE, []), *rows, strict=False)
            if whole is not None and one is not None and other is not None and none is not None
        ]
        later = max((first, second), key=shared.__getitem__)  # what comes before it cancels
        half = None
        if later in noise and contrasts:
            level = (1 + CONFIDENCE ** (1 / possible)) / 2
            quantile = float(stats.t.ppf(level, noise[later].df))
            half = quantile * math.sqrt(4 * noise[later].variance / len(contrasts))
        found.append(_effect((first, second), contrasts, half, lost=_lost(merits, rows)))
    return tuple(found)


def strongest_pairs(effects: Sequence[Effect], count: int) -> list[Names]:
    """Return all pairs of so many factors: those without which the point changes most."""
    told = [effect for effect in effects if effect.mean is not None]
    told.sort(key=lambda effect: -abs(effect.mean or 0.0))
    chosen = {effect.names for effect in told[:count]}
    names = [effect.names[0] for effect in effects if effect.names in chosen]
    return list(combinations(names, 2))


Merits = Mapping[Names, Sequence[float | None]]


def _merits(values: Values, direction: Direction) -> Merits:
    sign = 1.0 if direction == "maximize" else -1.0
    return {
        names: [None if value is None else sign * value for value in row]
        for names, row in values.items()
    }


def _differences(merits: Merits, name: str) -> list[float]:
    pairs = zip(merits.get(WHOLE, []), merits.get((name,), []), strict=False)
    return [a - b for a, b in pairs if a is not None and b is not None]


def _lost(merits: Merits, rows: Sequence[Sequence[float | None]]) -> int:
    together = zip(merits.get(WHOLE, []), *rows, strict=False)
    return sum(whole is not None and None in others for whole, *others in together)


def _noise(merits: Merits, shared: Mapping[str, int]) -> dict[str, _Noise]:
    """Return the noise of each factor's variant, where it can be told."""
    noise: dict[str, _Noise] = {}
    for group in _groups(merits, shared):
        rows = [merits.get(names, []) for names in (WHOLE, *((name,) for name in group))]
        seeds = [seed for seed in zip(*rows, strict=False) if None not in seed]
        if len(seeds) > 1:
            noise |= dict.fromkeys(group, _residual(seeds))
    return noise


def _groups(merits: Merits, shared: Mapping[str, int]) -> list[list[str]]:
    """Return the factors whose noise is alike; one that lacks a seed stands by itself."""
    seeds = sum(value is not None for value in merits.get(WHOLE, []))
    groups: dict[tuple[int, str], list[str]] = {}
    for name, depth in shared.items():
        lacks_none = len(_differences(merits, name)) == seeds
        groups.setdefault((depth, "" if lacks_none else name), []).append(name)
    return list(groups.values())


def _residual(table: Sequence[Sequence[float | None]]) -> _Noise:
    """Return the variance that is left of seeds x variants once both have their means."""
    values = np.array(table, dtype=float)
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    df = (values.shape[0] - 1) * (values.shape[1] - 1)
    return _Noise(float((rest**2).sum()) / df, df)


def _effect(names: Names, values: Sequence[float], half: float | None, *, lost: int) -> Effect:
    mean = statistics.fmean(values) if values else None
    interval = None if half is None or mean is None else (mean - half, mean + half)
    return Effect(names, mean, interval, len(values), lost)
