"""Where a fixed point, such as a published setting, lies in a search space."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search_spaces.space import Space
from sweep.naming import shown_setting
from trainables.plans import Configs, setting_of

Choice = None | bool | int | float | str


def place(space: Space, configs: Configs) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Return the parameters this space would have to suggest to give these settings.

    Paths that the settings' plan does not have, and values outside what the space may suggest, are
    left out; a sampler then learns nothing about them from this point.
    """
    trial = _placed(space, configs)
    return trial.params, trial.distributions


def outside(space: Space, configs: Configs) -> list[str]:
    """Return the parameters that `place` leaves out: this space would never come to these."""
    trial = _placed(space, configs)
    return [name for name in trial.asked if name not in trial.params]


def _placed(space: Space, configs: Configs) -> "_PlacedTrial":

    def setting(path: str) -> Any:
        try:
            return setting_of(configs, path)
        except KeyError:
            return None

    trial = _PlacedTrial(configs, space.locate(setting))
    space.suggest(cast(optuna.Trial, trial))
    return trial


class _PlacedTrial:
    """Stands in for an Optuna trial and answers every suggestion with what the settings say."""

    def __init__(self, configs: Configs, located: Mapping[str, Any]) -> None:
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}
        self.asked: list[str] = []
        self._configs, self._located = configs, located

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        distribution = FloatDistribution(low, high, log=log, step=step)
        return float(self._answer(name, distribution, otherwise=low))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        distribution = IntDistribution(low, high, log=log, step=step)
        return int(self._answer(name, distribution, otherwise=low))

    def suggest_categorical(self, name: str, choices: Sequence[Choice]) -> Choice:
        answer: Choice = self._answer(name, CategoricalDistribution(choices), otherwise=choices[0])
        return answer

    def _answer(self, name: str, distribution: BaseDistribution, *, otherwise: Any) -> Any:
        self.asked.append(name)
        try:
            value = (
                self._located[name] if name in self._located else setting_of(self._configs, name)
            )
        except KeyError:
            return otherwise
        if _is_inside(value, distribution):
            self.params[name] = value
            self.distributions[name] = distribution
        return otherwise if value is None else value


def _is_inside(value: Any, distribution: BaseDistribution) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if not distribution.low <= value <= distribution.high:
        return False
    if isinstance(distribution, IntDistribution) and value != int(value):
        return False
    if distribution.step is None:
        return True
    steps = (value - distribution.low) / distribution.step
    return abs(steps - round(steps)) < 1e-8


def distributions_to_json(distributions: Mapping[str, BaseDistribution]) -> dict[str, str]:
    """Return each distribution as the JSON text that Optuna reads."""
    return {
        name: optuna.distributions.distribution_to_json(distribution)
        for name, distribution in distributions.items()
    }


def distributions_from_json(texts: Mapping[str, str]) -> dict[str, BaseDistribution]:
    """Return what `distributions_to_json` was given."""
    return {name: optuna.distributions.json_to_distribution(text) for name, text in texts.items()}


def describe_distribution(distribution: BaseDistribution) -> str:
    """Return the values a parameter may take: `0.1 .. 1, log`, `32 | 64`."""
    match distribution:
        case CategoricalDistribution():
            return " | ".join(shown_setting(choice) for choice in distribution.choices)
        case FloatDistribution() | IntDistribution():
            step = f", step {distribution.step:g}" if distribution.step not in (None, 1) else ""
            log = ", log" if distribution.log else ""
            return f"{distribution.low:g} .. {distribution.high:g}{log}{step}"
    raise ValueError(f"there is no such distribution: {distribution}.")
