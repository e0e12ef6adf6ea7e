"""Which variants of the winner are trained on which seeds, and what they have reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb

from hpe.metrics.direction import Direction
from sweep.ablation.effects import (
    WHOLE,
    Effect,
    Names,
    effects_of,
    interactions_of,
    strongest_pairs,
)
from sweep.ablation.plan import Plan, plan_from
from sweep.candidates import leading
from sweep.ledger import Ledger
from sweep.study import Study
from sweep.trials import Trial, TrialState
from sweep.verdict.replicates import finished_rounds, fresh_seeds, replication_of
from sweep.verdict.verdict import first_of

FIRST_SEED = 2000
"""Trial seed of the first round: none that a winner was chosen by, which would flatter it."""


@dataclass(frozen=True)
class Ablation:
    """The ablation of a study as far as it has come.

    Attributes:
        source: The winner's first trial.
        plan: What can be switched off of it; None before the first of it has begun.
        seeds: The trial seed of each round.
        strongest: How many factors are also switched off in pairs.
        direction: Of the objective.
        begun: What is switched off and trial seed -> the trial, of all that have begun.
    """

    source: Trial
    plan: Plan | None
    seeds: tuple[int, ...]
    strongest: int
    direction: Direction
    begun: Mapping[tuple[Names, int], Trial]

    def next_due(self) -> tuple[Names, int] | None:
        """Return what is switched off, and the seed, of the next to begin.

        Round by round the winner as it is and without each factor; when all of these have ended,
        round by round the pairs.
        """
        if self.plan is None:
            return WHOLE, self.seeds[0]
        return self._first_missing((WHOLE, *self.singles)) or self._first_missing(self.pairs or ())

    @property
    def num_left(self) -> int:
        """Return how many have not ended; pairs that are not chosen yet are counted too."""
        if self.plan is None:
            return len(self.seeds)
        pairs = comb(min(self.strongest, len(self.singles)), 2)
        variants = 1 + len(self.singles) + (pairs if self.pairs is None else len(self.pairs))
        return variants * len(self.seeds) - sum(_has_ended(t) for t in self.begun.values())

    @property
    def singles(self) -> tuple[Names, ...]:
        """Return every factor by itself."""
        return () if self.plan is None else tuple((f.name,) for f in self.plan.factors)

    @cached_property
    def pairs(self) -> tuple[Names, ...] | None:
        """Return what is switched off together; None until every factor by itself has ended."""
        if self.plan is None or not self._have_ended((WHOLE, *self.singles)):
            return None
        chosen = strongest_pairs(self.effects, self.strongest)
        return tuple(pair for pair in chosen if frozenset(pair) not in self.plan.impossible)

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        """Return what each factor is worth."""
        return effects_of(self.values, self._shared, direction=self.direction)

    @cached_property
    def interactions(self) -> tuple[Effect, ...]:
        """Return how the factors of each pair interact."""
        pairs = self.pairs or ()
        return interactions_of(self.values, self._shared, pairs, direction=self.direction)

    @cached_property
    def values(self) -> Mapping[Names, Sequence[float | None]]:
        """Return what is switched off -> its objective on each seed; None where it failed.

        Of rounds that all who are in them have finished.
        """
        rows = {
            names: finished_rounds(self.begun.get((names, seed)) for seed in self.seeds)
            for names in dict.fromkeys(names for names, _ in self.begun)
        }
        finished = min(len(rows.get(names, ())) for names in (WHOLE, *self.singles))
        return {names: row[:finished] for names, row in rows.items()}

    @property
    def is_over(self) -> bool:
        """Say whether all of it has ended."""
        return self.pairs is not None and self._have_ended(self.pairs)

    @cached_property
    def _shared(self) -> dict[str, int]:
        """Return how many stages each variant has in common with the whole winner."""
        return {name: self._num_shared((name,)) for (name,) in self.singles}

    def _num_shared(self, names: Names) -> int:
        for seed in self.seeds:
            whole, variant = self.begun.get((WHOLE, seed)), self.begun.get((names, seed))
            if whole is not None and variant is not None:
                pairs = zip(whole.stages, variant.stages, strict=False)
                return sum(ours.key == theirs.key for ours, theirs in pairs)
        return 0

    def _first_missing(self, variants: Sequence[Names]) -> tuple[Names, int] | None:
        rounds = ((names, seed) for seed in self.seeds for names in variants)
        return next((due for due in rounds if due not in self.begun), None)

    def _have_ended(self, variants: Sequence[Names]) -> bool:
        trials = [self.begun.get((names, seed)) for names in variants for seed in self.seeds]
        return all(trial is not None and _has_ended(trial) for trial in trials)


def ablation_of(study: Study, ledger: Ledger) -> Ablation | None:
    """Return the ablation's state; None where a study has none or its winner is not known yet."""
    if study.ablation.seeds == 0:
        return None
    source = _winner(study, ledger)
    if source is None:
        return None
    record = ledger.ablations.get(source.number)
    seeds = ablation_seeds(study)
    begun = {
        (trial.without, trial.seed): trial
        for trial in ledger.replicates.values()
        if trial.without is not None and trial.replicate_of == source.number
    }
    return Ablation(
        source=source,
        plan=None if record is None else plan_from(record),
        seeds=seeds,
        strongest=study.ablation.interactions,
        direction=study.objective.direction,
        begun={key: trial for key, trial in begun.items() if key[1] in seeds},
    )


def ablation_seeds(study: Study) -> tuple[int, ...]:
    """Return the trial seeds of the rounds: from 2000 on, without those of the search."""
    return fresh_seeds(study, FIRST_SEED, study.ablation.seeds)


def _winner(study: Study, ledger: Ledger) -> Trial | None:
    """Return the first trial of the point that the study ends with, once that is settled.

    The verdict's winner; where every candidate fell behind, the strongest control; without a
    verdict the best of the search and the arms.
    """
    if ledger.is_searching:
        return None
    if study.final.top_k > 0:
        replication = replication_of(study, ledger)
        if replication is None or replication.race.ended_by is None:
            return None
        direction = study.objective.direction
        name = first_of(replication.race, replication.values, direction=direction)
        return None if name is None else replication.sources[name]
    first = leading(ledger, study.objective)
    return first[0].trials[0] if first else None


def _has_ended(trial: Trial) -> bool:
    return trial.state is not TrialState.RUNNING
