"""How a trial of the study is shown to its sampler."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from sweep.facts import DIVERGED
from sweep.known_trials import known_id
from sweep.objectives import targets, values_of, violations
from sweep.samplers import Reach, SamplerKind
from sweep.study import Objective
from sweep.trials import PAUSE, RungEntry, Trial, TrialState

MARGIN = 0.1
"""How much worse than the worst value a diverged trial counts, as a share of the values' spread."""


@dataclass(frozen=True)
class Told:
    """What the sampler's view was told of a trial."""

    frozen: FrozenTrial
    is_arm: bool
    diverged: bool


def told(trial: Trial, objective: Objective) -> Told:
    """Return a trial as it stands.

    - COMPLETE and PRUNED are what they are. Values of rungs are told at the end alone, under rung
      indices, so that only values of one rung are compared; with several objectives they are not
      told, because Optuna compares them with a single one.
    - FAIL is not read by any sampler; a diverged one is marked for `shown`.
    - A paused trial counts as PRUNED at its last pause, until it ends.
    - Any other trial is RUNNING.
    """
    pauses = [i for i, rung in enumerate(trial.rungs, start=1) if rung.decision == PAUSE]
    match trial.state:
        case TrialState.COMPLETE if (values := values_of(trial, objective)) is not None:
            state, rungs = OptunaState.COMPLETE, trial.rungs
        case TrialState.COMPLETE:  # one of its values is not known
            state, rungs = OptunaState.FAIL, []
        case TrialState.PRUNED:
            state, rungs = OptunaState.PRUNED, trial.rungs
        case TrialState.RUNNING if pauses:
            state, rungs = OptunaState.PRUNED, trial.rungs[: pauses[-1]]
        case _:
            state, rungs = OptunaState[trial.state.name], []
    frozen = FrozenTrial(
        number=trial.number,
        state=state,
        value=None,
        values=values if state is OptunaState.COMPLETE else None,
        datetime_start=None,
        datetime_complete=None,
        params=dict(trial.params),
        distributions=distributions_of(trial),
        user_attrs={},
        system_attrs={},
        intermediate_values=_by_rung(rungs) if len(targets(objective)) == 1 else {},
        trial_id=known_id(trial.number),
    )
    if state is OptunaState.COMPLETE:
        for name, excess in violations(trial, objective).items():
            frozen.set_constraint(name, excess)
    diverged = trial.state is TrialState.FAIL and trial.error_class == DIVERGED
    return Told(frozen, is_arm=trial.arm is not None, diverged=diverged)


def shown(
    known: Sequence[Told], *, kind: SamplerKind, reach: Reach, objective: Objective
) -> list[FrozenTrial]:
    """Return the trials as a sampler is to see them.

    No Optuna sampler reads FAIL trials, so one that diverged would teach nothing. A sampler that
    reads stopped trials sees it as PRUNED without a value, which TPE ranks last; the others (GP,
    CMA-ES, NSGA-II), as COMPLETE with values worse than the worst there are. Where there are
    constraints, it breaks each by more than any other trial does, or TPE would rank it before
    those that break one.
    """
    complete = [t.frozen for t in known if t.frozen.state is OptunaState.COMPLETE]
    worst = _worse_than_all(complete, objective)
    excesses = _worse_excesses(complete)
    trials = []
    for trial in known:
        if trial.diverged:
            values = None if kind.reads_stopped else worst
            trials.append(_as_diverged(trial.frozen, values=values, excesses=excesses))
        elif trial.is_arm and kind.whole_points and not reach.always <= trial.frozen.params.keys():
            trials.append(_changed(trial.frozen, state=OptunaState.FAIL, values=None))
        else:
            trials.append(trial.frozen)
    return trials


def _as_diverged(
    trial: FrozenTrial, *, values: list[float] | None, excesses: dict[str, float]
) -> FrozenTrial:
    state = OptunaState.PRUNED if values is None else OptunaState.COMPLETE
    diverged = _changed(trial, state=state, values=values)
    for name, excess in excesses.items():
        diverged.set_constraint(name, excess)
    return diverged


def _changed(trial: FrozenTrial, *, state: OptunaState, values: list[float] | None) -> FrozenTrial:
    return FrozenTrial(
        number=trial.number,
        state=state,
        value=None,
        values=values,
        datetime_start=None,
        datetime_complete=None,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=known_id(trial.number),
    )


def _worse_than_all(complete: Sequence[FrozenTrial], objective: Objective) -> list[float]:
    """Return values worse than the worst by a share of their spread; zeros if there are none."""
    worse = []
    for i, target in enumerate(targets(objective)):
        values = [trial.values[i] for trial in complete] or [0.0]
        margin = MARGIN * (max(values) - min(values)) or 1.0
        minimized = target.direction == "minimize"
        worse.append(max(values) + margin if minimized else min(values) - margin)
    return worse


def _worse_excesses(complete: Sequence[FrozenTrial]) -> dict[str, float]:
    names = list(complete[0].constraints) if complete else []
    return {name: 1.0 + max(0.0, *(t.constraints[name] for t in complete)) for name in names}


def _by_rung(rungs: Sequence[RungEntry]) -> dict[int, float]:
    return {rung.rung: rung.value for rung in rungs}


def distributions_of(trial: Trial) -> dict[str, BaseDistribution]:
    """Return what each of a trial's parameters was drawn from."""
    return {name: _distribution(text) for name, text in trial.distributions.items()}


@lru_cache(maxsize=4096)
def _distribution(text: str) -> BaseDistribution:
    return optuna.distributions.json_to_distribution(text)
