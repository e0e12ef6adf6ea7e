"""Which points run again on fresh seeds for the verdict, and what they have reached there."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice

from sweep.candidates import candidates, failed_arms, in_order, keeps_constraints
from sweep.ledger import Ledger
from sweep.naming import trial_name
from sweep.objectives import breaks_on_average
from sweep.study import Objective, Study
from sweep.trials import Trial, TrialState
from sweep.verdict.race import Entrant, Race, Values, run_race

FIRST_SEED = 1000


Begun = Mapping[tuple[int, int], Trial]


@dataclass(frozen=True)
class Replication:
    """The replicates of a study as far as they have come.

    Attributes:
        sources: Name of an entrant -> the first trial of its point.
        seeds: The trial seed of each round.
        begun: Number of a source and trial seed -> the replicate, of all that have begun.
        values: Name -> what it has reached in each round it has finished.
        race: What follows from these.
        missing: Name of an arm that could not enter -> why.
        barred: Arms that broke a constraint in the search, which no answer has to be better than.
    """

    sources: Mapping[str, Trial]
    seeds: tuple[int, ...]
    begun: Begun
    values: Values
    race: Race
    missing: Mapping[str, str] = field(default_factory=dict)
    barred: tuple[str, ...] = ()

    def next_due(self) -> tuple[Trial, int] | None:
        """Return source and seed of the first replicate of the present round that has not begun."""
        for name in self.race.due(self.values):
            source, seed = self.sources[name], self.seeds[self.race.rounds]
            if (source.number, seed) not in self.begun:
                return source, seed
        return None


def replication_of(study: Study, ledger: Ledger) -> Replication | None:
    """Return the replicates' state; None where a study has none or its search is not over.

    The best `final.top_k` searched points of those that completed with every trial seed and keep
    the constraints, and all arms that did, which are the controls. Everyone in a round has the
    same trial seed, which the search has not used: arms may share stages, replicates of one point
    cannot. Who breaks a constraint by its mean over fresh seeds leaves the race.
    """
    if study.final.top_k == 0 or ledger.is_searching:
        return None
    sources, entrants = {}, []
    found = [c for c in candidates(ledger) if len(c.values) == len(study.seeds.trials)]
    kept = [c for c in found if keeps_constraints(c, study.objective)]
    points = [c for c in kept if c.arm is None]
    arms = [c for c in kept if c.arm in study.arms]
    for candidate in (*in_order(points, study.objective)[: study.final.top_k], *arms):
        source = candidate.trials[0]
        sources[trial_name(source)] = source
        entrants.append(Entrant(trial_name(source), is_control=candidate.arm is not None))
    seeds = final_seeds(study)
    begun = {
        (trial.replicate_of, trial.seed): trial
        for trial in ledger.replicates.values()
        if trial.replicate_of is not None and trial.without is None
    }
    ran = {
        name: [begun.get((source.number, seed)) for seed in seeds]
        for name, source in sources.items()
    }
    values = {name: finished_rounds(trials) for name, trials in ran.items()}
    breaking = {name: _breaking(trials, study.objective) for name, trials in ran.items()}
    direction = study.objective.direction
    race = run_race(entrants, values, rounds=len(seeds), direction=direction, breaking=breaking)
    barred = tuple(c.name for c in found if c.arm in study.arms and c not in kept)
    missing = _missing(study, ledger, {*sources, *barred})
    return Replication(sources, seeds, begun, values, race, missing, barred)


def _breaking(trials: Sequence[Trial | None], objective: Objective) -> tuple[bool, ...]:
    """Return of each round whether a constraint is broken by the mean until then."""
    if not objective.constraints:
        return ()
    complete = [t if t is not None and t.state is TrialState.COMPLETE else None for t in trials]
    return tuple(
        breaks_on_average([t for t in complete[:rounds] if t is not None], objective)
        for rounds in range(1, len(complete) + 1)
    )


def _missing(study: Study, ledger: Ledger, accounted: Collection[str]) -> dict[str, str]:
    """Return the arms that could not enter, which nobody was compared with, and why."""
    failed = failed_arms(ledger)
    absent = (name for name in (f"arm {arm}" for arm in study.arms) if name not in accounted)
    return {
        name: f"{failed[name]} in the search" if name in failed else "has not run in the search"
        for name in absent
    }


def final_seeds(study: Study) -> tuple[int, ...]:
    """Return the trial seeds of the rounds: from 1000 on, without those of the search."""
    return fresh_seeds(study, FIRST_SEED, study.final.seeds)


def fresh_seeds(study: Study, first: int, number: int) -> tuple[int, ...]:
    """Return so many trial seeds from the first on, without those of the search."""
    fresh = (seed for seed in count(first) if seed not in study.seeds.trials)
    return tuple(islice(fresh, number))


def finished_rounds(trials: Iterable[Trial | None]) -> list[float | None]:
    """Return what trials of one point reached, up to the first that has not ended or not begun.

    Args:
        trials: In the order of rounds. Of one that did not complete there is no objective.
    """
    values: list[float | None] = []
    for trial in trials:
        if trial is None or trial.state is TrialState.RUNNING:
            break
        values.append(trial.objective if trial.state is TrialState.COMPLETE else None)
    return values
