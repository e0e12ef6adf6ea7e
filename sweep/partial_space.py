"""A search space without the phases that given weights replace."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import optuna

from search_spaces.space import Space
from sweep.study import label_of
from trainables.plans import Configs, setting_of

Choice = None | bool | int | float | str


def without_phases(space: Space, replaced: Sequence[str], configs: Configs) -> Space:
    """Return the space with everything of these phases fixed to what their settings say.

    Args:
        space: The whole space.
        replaced: Plan labels that are not trained.
        configs: The study's settings, which answer for them.
    """

    def suggest(trial: optuna.Trial) -> Mapping[str, Any]:
        partial = _PartialTrial(trial, frozenset(replaced), configs)
        settings = space.suggest(cast(optuna.Trial, partial))
        return {path: value for path, value in settings.items() if label_of(path) not in replaced}

    labels = tuple(label for label in space.plan if label not in replaced)
    return replace(space, suggest=suggest, plan=labels)


class _PartialTrial:
    """Passes suggestions on to a trial, except those for phases that are not trained."""

    def __init__(self, trial: optuna.Trial, replaced: frozenset[str], configs: Configs) -> None:
        self._trial, self._replaced, self._configs = trial, replaced, configs

    @property
    def params(self) -> dict[str, Any]:
        return self._trial.params

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if self._is_fixed(name):
            return float(self._fixed(name, otherwise=low))
        return self._trial.suggest_float(name, low, high, step=step, log=log)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        if self._is_fixed(name):
            return int(self._fixed(name, otherwise=low))
        return self._trial.suggest_int(name, low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Choice]) -> Choice:
        if self._is_fixed(name):
            answer: Choice = self._fixed(name, otherwise=choices[0])
            return answer
        return self._trial.suggest_categorical(name, choices)

    def _is_fixed(self, name: str) -> bool:
        return label_of(name) in self._replaced

    def _fixed(self, name: str, *, otherwise: Any) -> Any:
        try:
            value = setting_of(self._configs, name)
        except KeyError:  # no setting itself; what it serves is left out whatever it is
            return otherwise
        return otherwise if value is None else value
