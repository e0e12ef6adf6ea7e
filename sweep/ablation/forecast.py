"""How much an ablation may train, told before there is a winner."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import comb
from typing import Any

import optuna

from sweep.ablation.factors import factors_of
from sweep.points import Point
from sweep.pricing.samples import draw_points
from sweep.study_check import CheckedStudy
from trainables.plans import trained_steps

SAMPLES = 32
"""Points of the space that are looked at; all of its parts are on in some of so many."""


@dataclass(frozen=True)
class Forecast:
    """What an ablation comes to at most.

    Attributes:
        parts: Parts of any point, arms included, that can be switched off.
        pairs: Pairs of the strongest of them.
        trainings: Of the winner, and of it without each of these, over all seeds.
    """

    parts: int
    pairs: int
    trainings: int


def forecast(checked: CheckedStudy) -> Forecast:
    """Return what the ablation of a study may train."""
    rules, given = checked.study.ablation, checked.study.from_weights
    names = {
        factor.name
        for point in _points(checked)
        for factor in factors_of(_steps(point, given), searched=checked.searched)
    }
    pairs = comb(min(rules.interactions, len(names)), 2)
    return Forecast(len(names), pairs, (1 + len(names) + pairs) * rules.seeds)


@dataclass(frozen=True)
class _Step:
    label: str
    phase: str
    config: Mapping[str, Any]


def _steps(point: Point, given: Collection[str]) -> list[_Step]:
    return [
        _Step(step.label, step.phase, point.configs[step.label].model_dump(mode="json"))
        for step in trained_steps(point.plan, given)
    ]


def _points(checked: CheckedStudy) -> Iterator[Point]:
    yield from checked.arms.values()
    if checked.space is not None:
        phases = {step.phase: step.spec for step in checked.base.plan}
        sampler = optuna.samplers.RandomSampler(seed=0)
        yield from draw_points(checked, phases, space=checked.space, count=SAMPLES, sampler=sampler)
