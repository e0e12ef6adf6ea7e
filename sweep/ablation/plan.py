"""What of a winner is switched off, written down once, before the first of it is trained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from sweep.ablation.factors import Factor, changes_without, factors_of
from sweep.ledger import Record
from sweep.points import Point
from sweep.trials import Trial

NOTHING_READS_IT = "nothing reads it here, so that without it the same would be trained"

PointWith = Callable[[Mapping[str, Any]], Point]
"""Given settings to change, what a point is then; ValueError if its plan refuses that."""


@dataclass(frozen=True)
class Plan:
    """What can be switched off of a point.

    Attributes:
        factors: In the order of the point's plan.
        left_out: Name -> why something that is on cannot be switched off by itself.
        impossible: Pairs of names that cannot be off together.
    """

    factors: tuple[Factor, ...]
    left_out: Mapping[str, str]
    impossible: frozenset[frozenset[str]]

    def named(self, names: Sequence[str]) -> list[Factor]:
        """Return the factors of these names."""
        return [factor for factor in self.factors if factor.name in names]


def plan_record(
    source: Trial, point_with: PointWith, keys_of: Callable[[Point], Sequence[str]]
) -> dict[str, Any]:
    """Return the journal record of what is switched off of a trial's point.

    Args:
        source: The trial.
        point_with: Its point with other settings.
        keys_of: The keys of the stages that a point comes to on some trial seed.
    """
    whole = keys_of(point_with({}))
    factors, left_out = [], {}
    for factor in factors_of(source.stages, source.params):
        try:
            point = point_with(changes_without(source.stages, [factor]))
        except ValueError as error:
            left_out[factor.name] = f"the plan refuses that: {error}"
            continue
        if keys_of(point) == whole:
            left_out[factor.name] = NOTHING_READS_IT
        else:
            factors.append(factor)
    return {
        "kind": "ablation",
        "of": source.number,
        "factors": [{**asdict(factor), "shares": list(factor.shares)} for factor in factors],
        "left_out": left_out,
        "impossible": _impossible(source, factors, point_with),
    }


def plan_from(record: Record) -> Plan:
    """Return what `plan_record` wrote down."""
    return Plan(
        factors=tuple(
            Factor(entry["name"], entry["off"], tuple(entry["shares"]))
            for entry in record["factors"]
        ),
        left_out=record["left_out"],
        impossible=frozenset(frozenset(pair) for pair in record["impossible"]),
    )


def _impossible(source: Trial, factors: Sequence[Factor], point_with: PointWith) -> list[list[str]]:
    found = []
    for first, second in combinations(factors, 2):
        try:
            point_with(changes_without(source.stages, [first, second]))
        except ValueError:
            found.append([first.name, second.name])
    return found
