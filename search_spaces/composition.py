"""Composition as a type: which operations, how strongly, in which order, within bounds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna

from search_spaces.parameters import Lookup, Real


@dataclass(frozen=True)
class Operation:
    """Something that a composition may contain.

    Attributes:
        name: The section of its settings.
        strengths: Settings it has where it is on; their paths lie below its own.
        ordered: Whether it matters when it applies; it has a setting `order` then.
    """

    name: str
    strengths: tuple[Real, ...] = ()
    ordered: bool = False


@dataclass(frozen=True)
class Bounds:
    """How many of some operations are on.

    Attributes:
        among: Their names.
        at_least: The fewest.
        at_most: The most; None for all of them.
    """

    among: frozenset[str]
    at_least: int = 0
    at_most: int | None = None

    def __str__(self) -> str:
        most = len(self.among) if self.at_most is None else self.at_most
        return f"between {self.at_least} and {most} of {', '.join(sorted(self.among))}"

    def can_hold(self, on: Collection[str], undecided: Collection[str]) -> bool:
        """Say whether these bounds alone can be kept by some choice of what is undecided."""
        count = len(self.among & set(on))
        enough = count + len(self.among & set(undecided)) >= self.at_least
        return enough and (self.at_most is None or count <= self.at_most)


def at_most(count: int, among: Collection[str]) -> Bounds:
    """Return the rule that no more than so many of these are on."""
    return Bounds(frozenset(among), at_most=count)


def at_least(count: int, among: Collection[str]) -> Bounds:
    """Return the rule that no fewer than so many of these are on."""
    return Bounds(frozenset(among), at_least=count)


def not_together(*names: str) -> Bounds:
    """Return the rule that at most one of these is on."""
    return Bounds(frozenset(names), at_most=1)


@dataclass(frozen=True)
class Composition:
    """A subset of operations, their strengths and, if that is searched, their order.

    Encoding: a flag per operation (`blur/enabled`); where it is on, its strengths
    (`blur/max_sigma`) and, if the order is searched and matters to it, a sort key in [0, 1]
    (`blur/order/key`). A parameter per operation lets a sampler learn about each one by itself,
    whereas positional slots ("the third operation is a blur") say the same thing in as many ways as
    there are positions. `benchmarks/composition_search.py` compares the two.

    Canonical form: the settings hold every flag, and of the operations that are on the strengths
    and ranks 0, 1, 2, ... in place of keys, ties going to the one listed first. Keys that sort
    alike mean the same composition and give equal settings.

    Bounds are kept without repair. Flags are asked for in the order of `operations`; where only one
    answer leaves a way to keep all bounds, it is taken and the flag not asked for. So no suggestion
    has to be changed afterwards, and a sampler is never told that a point was tried which was not:
    every parameter of a trial is what was trained. What that costs: a sampler's first, blind
    suggestions turn on what is listed first more often, if at most so many may be on. (Dropping
    some of too many instead treats all alike but reports flags as on that were off.)

    Attributes:
        path: Where the operations' settings are.
        operations: What it may contain. Where the order is searched that is every ordered operation
            that may be on, in the order they have by default.
        bounds: What every suggestion keeps.
        searches_order: Whether the order of the ordered operations is searched.
    """

    path: str
    operations: tuple[Operation, ...]
    bounds: tuple[Bounds, ...] = ()
    searches_order: bool = False

    def __post_init__(self) -> None:
        names = [operation.name for operation in self.operations]
        if len(set(names)) != len(names):
            raise ValueError(f"an operation is listed once, got {names}.")
        for rule in self.bounds:
            if unknown := sorted(rule.among - set(names)):
                raise ValueError(
                    f"bounds are about operations of the composition ({', '.join(names)}), got "
                    f"{', '.join(unknown)}."
                )
        if not self._can_end_well((), names):
            rules = "; ".join(str(rule) for rule in self.bounds)
            raise ValueError(f"no subset of {', '.join(names)} keeps all of: {rules}.")

    def suggest(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Ask for a composition; return its settings in canonical form."""
        settings: dict[str, Any] = {}
        keys: dict[str, float] = {}
        on: list[str] = []
        names = [operation.name for operation in self.operations]
        for place, operation in enumerate(self.operations):
            enabled = self._is_on(trial, operation.name, on, names[place + 1 :])
            settings[self._at(operation, "enabled")] = enabled
            if not enabled:
                continue
            on.append(operation.name)
            for strength in operation.strengths:
                setting = replace(strength, path=self._at(operation, strength.path))
                settings[setting.path] = setting.ask(trial)
            if self._has_key(operation):
                keys[operation.name] = trial.suggest_float(self._key(operation.name), 0.0, 1.0)
        for rank, name in enumerate(sorted(keys, key=keys.__getitem__)):
            settings[f"{self.path}/{name}/order"] = float(rank)
        return settings

    def locate(self, setting: Lookup) -> Mapping[str, Any]:
        """Return keys that sort the operations as these settings do, evenly spaced."""
        orders = {
            operation.name: setting(self._at(operation, "order"))
            for operation in self.operations
            if self._has_key(operation) and setting(self._at(operation, "enabled"))
        }
        ranked = sorted(orders, key=orders.__getitem__)
        return {self._key(name): (rank + 0.5) / len(ranked) for rank, name in enumerate(ranked)}

    def _is_on(
        self, trial: optuna.Trial, name: str, on: Sequence[str], later: Sequence[str]
    ) -> bool:
        if not self._can_end_well(on, later):
            return True
        if not self._can_end_well([*on, name], later):
            return False
        return bool(trial.suggest_categorical(f"{self.path}/{name}/enabled", [True, False]))

    def _can_end_well(self, on: Sequence[str], undecided: Sequence[str]) -> bool:
        """Say whether some choice of what is undecided keeps all bounds."""
        if not all(rule.can_hold(on, undecided) for rule in self.bounds):
            return False
        if not undecided:
            return True
        name, *rest = undecided
        return self._can_end_well(on, rest) or self._can_end_well([*on, name], rest)

    def _has_key(self, operation: Operation) -> bool:
        return self.searches_order and operation.ordered

    def _at(self, operation: Operation, field: str) -> str:
        return f"{self.path}/{operation.name}/{field}"

    def _key(self, name: str) -> str:
        return f"{self.path}/{name}/order/key"
