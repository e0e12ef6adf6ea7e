"""Choosing whose finished prefix the next searched point of a study takes over."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from hpe.phases.phase import PhaseSpec
from search_spaces.space import Space
from sweep.early_stop import rungs_of
from sweep.ledger import Ledger
from sweep.parts import Part
from sweep.prefixes import (
    Prefix,
    by_belief,
    finished_prefixes,
    is_reuse_due,
    parts_after,
    reusable_lengths,
    trained_labels,
)
from sweep.samplers import reach_of
from sweep.study import Study
from sweep.trials import Trial
from trainables.assignment import Stage
from trainables.plans import parse_plan


class PrefixChoice:
    """The prefixes that a point may take over, best first.

    Args:
        study: The study.
        phases: The phases by name.
        space: What is searched.
        ledger: What happened so far.
        stages_now: Returns the stages of a trial as code, data and libraries are now.
        are_finished: Whether the store has these stages.
    """

    def __init__(
        self,
        study: Study,
        *,
        phases: Mapping[str, PhaseSpec],
        space: Space,
        ledger: Ledger,
        stages_now: Callable[[Trial], Sequence[Stage]],
        are_finished: Callable[[Sequence[Stage]], bool],
    ) -> None:
        self._study, self._ledger = study, ledger
        self._stages_now, self._are_finished = stages_now, are_finished
        plan = parse_plan(study.plan, phases)
        self._labels = trained_labels(study, plan)
        self._rungs = rungs_of(study, plan)
        self._lengths = reusable_lengths(study, plan, list(reach_of(space).parameters))
        self._foreseen: tuple[int, Prefix | None] | None = None

    def foresee(self, number: int) -> Prefix | None:
        """Choose now for a trial that begins later, so that it can be prepared."""
        if self._foreseen is None or self._foreseen[0] != number:
            self._foreseen = (number, next(self._ranked(number), None))
        return self._foreseen[1]

    def prefixes(self, number: int) -> Iterator[Prefix]:
        """Yield what a trial may take over, best first; nothing if its prefix is to be fresh."""
        if self._foreseen is not None and self._foreseen[0] == number:
            if self._foreseen[1] is not None:
                yield self._foreseen[1]
            return
        yield from self._ranked(number)

    def parts_after(self, prefix: Prefix | None) -> list[Part]:
        """Return the parts in which the rest of a point is asked for; None: all of it."""
        return parts_after(
            0 if prefix is None else prefix.steps,
            self._study,
            self._ledger,
            labels=self._labels,
            lengths=self._lengths,
        )

    def _ranked(self, number: int) -> Iterator[Prefix]:
        if not is_reuse_due(self._study, self._ledger, number):
            return
        found = finished_prefixes(
            self._study,
            self._ledger,
            labels=self._labels,
            lengths=self._lengths,
            rungs=self._rungs,
        )
        yield from filter(self._is_trained, by_belief(found, self._study, number))

    def _is_trained(self, prefix: Prefix) -> bool:
        """Say whether it is still to be had: in the store, and of code and data as they are."""
        stages = self._stages_now(self._ledger.told()[prefix.trial])[: prefix.steps]
        keys = tuple(stage.key for stage in stages)
        return keys == prefix.keys and self._are_finished(stages)
