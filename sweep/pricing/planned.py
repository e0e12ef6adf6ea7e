"""The trials a study still has to run, with the stages that they share."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import optuna

from hpe.phases.phase import PhaseSpec
from sweep.early_stop import rung_epochs, rungs_of
from sweep.grid import grid_point
from sweep.ledger import Ledger
from sweep.points import Point, searched_point
from sweep.pricing.samples import config_identity, draw_points
from sweep.study import EarlyStop, Study
from sweep.study_check import CheckedStudy
from sweep.trials import TrialState
from trainables.plans import derive_seed, trained_steps

MEDIAN_SHARE = 0.5


@dataclass(frozen=True)
class PlannedStage:
    """A stage some trial needs.

    Attributes:
        key: Equal for stages that are trained once: settings, seed and parents are the same.
        label: Its place in the plan.
        config: Its settings' identity (`config_identity`).
        epochs: Its epochs.
    """

    key: str
    label: str
    config: str
    epochs: int


@dataclass(frozen=True)
class PlannedTrial:
    """A trial to run.

    Attributes:
        is_searched: Whether early stopping may end it.
    """

    is_searched: bool
    stages: tuple[PlannedStage, ...]


@dataclass(frozen=True)
class Share:
    """How much of a phase the searched trials run, of what they would without early stopping.

    Attributes:
        begun: Share of the trials that come to the phase.
        trained: Share of all their epochs in it that are trained.
        ended: Share of the trials that come to its end.
    """

    begun: float = 1.0
    trained: float = 1.0
    ended: float = 1.0


NOTHING_STOPPED = Share()

IsCommitted = Callable[[Point, int, str], bool]
"""Says whether the stage of a point, trial seed and label is trained already."""


def planned_trials(
    checked: CheckedStudy,
    ledger: Ledger,
    phases: Mapping[str, PhaseSpec],
    is_committed: IsCommitted,
) -> list[PlannedTrial]:
    """Return every trial that has not ended; those to be suggested are drawn at random.

    Stages that are trained already are left out of their trials.
    """
    study = checked.study
    ended = [t for t in ledger.trials.values() if t.state is not TrialState.RUNNING]
    arms_done = {(trial.arm, trial.seed) for trial in ended}
    trials = [
        PlannedTrial(False, tuple(_stages(point, seed, study.from_weights, is_committed)))
        for name, point in checked.arms.items()
        for seed in study.seeds.trials
        if (name, seed) not in arms_done
    ]
    searched_done = sum(trial.arm is None for trial in ended)
    left = max(0, checked.searched_trials - searched_done)
    points = list(_points_left(checked, phases, math.ceil(left / len(study.seeds.trials))))
    return trials + [
        PlannedTrial(True, tuple(_stages(point, seed, study.from_weights, None)))
        for point in points
        for seed in study.seeds.trials
    ]


def _points_left(
    checked: CheckedStudy, phases: Mapping[str, PhaseSpec], count: int
) -> Iterator[Point]:
    """Yield the points still to come: of a grid the last ones, else some drawn at random."""
    study = checked.study
    if study.search.grid:
        for place in range(study.search.trials - count, study.search.trials):
            yield searched_point(study, grid_point(study.search.grid, place), phases)
    elif checked.space is not None and count > 0:
        sampler = optuna.samplers.RandomSampler(seed=study.seeds.study)
        yield from draw_points(checked, phases, space=checked.space, count=count, sampler=sampler)


def shares_of(study: Study, trials: Sequence[PlannedTrial], base: Point) -> dict[str, Share]:
    """Return, per label, what the early-stopping rule leaves of the searched trials' work.

    It assumes that good and bad trials come in any order: a trial then goes on from a rung with the
    probability that it is among the best `keep` of all that have been there. Arms count there, and
    always go on.
    """
    searched = sum(trial.is_searched for trial in trials)
    rungs = rungs_of(study, base.plan)
    alive, shares = float(searched), {step.label: NOTHING_STOPPED for step in base.plan}
    for step in trained_steps(base.plan, study.from_weights) if searched else ():
        epochs = step.spec.epochs(base.configs[step.label])
        arms = sum(
            stage.label == step.label
            for trial in trials
            if not trial.is_searched
            for stage in trial.stages
        )
        begun, trained, last = alive, 0.0, 0
        for epoch in sorted(rung_epochs(rungs, label=step.label, epochs=epochs)):
            trained += alive * (epoch - last)
            last = epoch
            alive = expected_survivors(round(alive), arms, study.early_stop)
        trained += alive * (epochs - last)
        shares[step.label] = Share(
            begun / searched, trained / (searched * epochs), alive / searched
        )
    return shares


def expected_survivors(arrivals: int, before: int, rules: EarlyStop) -> float:
    """Return how many of the trials that arrive at a rung go on, if they come in any order.

    Args:
        arrivals: Trials that the rule may stop.
        before: Those that came first and always go on.
        rules: The study's rule.
    """
    keep = MEDIAN_SHARE if rules.rule == "median" else rules.keep
    if rules.rule == "sync":
        return arrivals * max(1, math.floor(keep * rules.cohort)) / rules.cohort
    chances = (
        1.0 if seen <= rules.grace else max(1, math.floor(keep * seen)) / seen
        for seen in range(before + 1, before + arrivals + 1)
    )
    return sum(chances)


def _stages(
    point: Point, seed: int, given: Mapping[str, str], is_committed: IsCommitted | None
) -> Iterator[PlannedStage]:
    """Yield the stages a point has to train with a seed, in order."""
    keys: dict[str, str] = {}
    trained = trained_steps(point.plan, given)
    for place, step in enumerate(point.plan):
        followed = {earlier.phase: earlier.label for earlier in point.plan[:place]}
        parents = [keys[label] for phase, label in followed.items() if phase in step.spec.follows]
        config = config_identity(point.plan, point.configs, step.label)
        text = "\n".join([config, str(derive_seed(seed, step.label)), *parents])
        keys[step.label] = hashlib.sha256(text.encode()).hexdigest()
        if step not in trained or (
            is_committed is not None and is_committed(point, seed, step.label)
        ):
            continue
        epochs = step.spec.epochs(point.configs[step.label])
        yield PlannedStage(keys[step.label], step.label, config, epochs)
