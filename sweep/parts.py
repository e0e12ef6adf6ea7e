"""Asking a sampler for a point in parts: first how it begins, then the rest of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from sweep.samplers import Reach
from sweep.study import label_of


@dataclass(frozen=True)
class Part:
    """Parameters that a sampler is asked for in one question.

    Attributes:
        labels: The plan labels that their names begin with.
        among: The numbers of the trials that the sampler is shown.
    """

    labels: frozenset[str]
    among: frozenset[int]

    def has(self, param: str) -> bool:
        """Say whether a parameter belongs to this part."""
        return label_of(param) in self.labels

    def of_reach(self, reach: Reach) -> Reach:
        """Return what a space may ask for in this part."""
        parameters = {name: value for name, value in reach.parameters.items() if self.has(name)}
        return Reach(parameters, frozenset(filter(self.has, reach.always)))

    def of_trials(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return this part of the trials that are shown; those without any of it are left out."""
        parts = (self._of_trial(trial) for trial in trials if trial.number in self.among)
        return [trial for trial in parts if trial.params]

    def _of_trial(self, trial: FrozenTrial) -> FrozenTrial:
        return FrozenTrial(
            number=trial.number,
            state=trial.state,
            value=None,
            values=trial.values,
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
            params={name: value for name, value in trial.params.items() if self.has(name)},
            distributions={name: d for name, d in trial.distributions.items() if self.has(name)},
            user_attrs=trial.user_attrs,
            system_attrs=trial.system_attrs,  # constraints among them
            intermediate_values=trial.intermediate_values,
            trial_id=trial._trial_id,
        )
