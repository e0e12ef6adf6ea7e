"""The sampler's view of a study: an Optuna study in memory, rebuilt from the ledger at start."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from search_spaces.space import Space
from sweep.ledger import Ledger, Trial, TrialState
from sweep.placement import distributions_from_json
from sweep.study import Study

DIVERGED = "diverged"


@dataclass(frozen=True)
class Suggestion:
    """What the sampler proposes for one trial number."""

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]


class SamplerView:
    """What the sampler knows: one Optuna trial per trial of the study, with equal numbers.

    It differs from the ledger in one point. No Optuna sampler reads FAIL trials, so a trial that
    diverged is held here as PRUNED without a value, which TPE ranks last: the sampler keeps away
    from there. For that reason rung values are told only at a trial's end.
    """

    def __init__(self, study: Study, space: Space, ledger: Ledger) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._seed = study.seeds.study
        self._sampler = SAMPLERS[study.search.sampler]
        self._trials: dict[int, optuna.Trial] = {}
        self._optuna = optuna.create_study(
            direction=study.objective.direction, sampler=RandomSampler(seed=0)
        )
        for trial in ledger.trials.values():
            self.begin(trial)
            self.end(trial)

    def ask(self, number: int) -> Suggestion:
        """Return the suggestion for the next trial number, which it then has.

        The sampler starts afresh from (study seed, trial number) every time, so what it suggests
        depends on what it knows and on nothing else: a restart neither repeats nor changes it.
        """
        self._optuna.sampler = self._sampler(_derived_seed(self._seed, number))
        trial = self._optuna.ask()
        assert trial.number == number, (trial.number, number)
        self._space.suggest(trial)
        self._trials[number] = trial
        return Suggestion(params=dict(trial.params), distributions=dict(trial.distributions))

    def begin(self, trial: Trial) -> None:
        """Take in a trial that the sampler did not suggest, or not in this session."""
        if trial.number in self._trials:
            return
        self._optuna.enqueue_trial(dict(trial.params))
        begun = self._optuna.ask(distributions_from_json(trial.distributions))
        assert begun.number == trial.number, (begun.number, trial.number)
        self._trials[trial.number] = begun

    def end(self, trial: Trial) -> None:
        """Take in how a trial ended; one that still runs is left as it is."""
        known = self._trials[trial.number]
        match trial.state:
            case TrialState.COMPLETE:
                _report_rungs(known, trial)
                self._optuna.tell(known, trial.objective)
            case TrialState.PRUNED:
                _report_rungs(known, trial)
                self._optuna.tell(known, state=optuna.trial.TrialState.PRUNED)
            case TrialState.FAIL if trial.error_class == DIVERGED:
                self._optuna.tell(known, state=optuna.trial.TrialState.PRUNED)
            case TrialState.FAIL:
                self._optuna.tell(known, state=optuna.trial.TrialState.FAIL)

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """Return the trials as the sampler sees them."""
        return self._optuna.trials


def _tpe(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # group, which conditional spaces need
        return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {"tpe": _tpe, "random": _random}


def _derived_seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _report_rungs(known: optuna.Trial, trial: Trial) -> None:
    """Report values under rung indices, so that only values of one rung are ever compared."""
    for rung in trial.rungs:
        known.report(rung.value, step=rung.rung)
