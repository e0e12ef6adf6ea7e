"""Weights of loss terms, of which only the proportions are searched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from search_spaces.parameters import Lookup, Real

SUM_TOLERANCE = 1e-9


@dataclass(frozen=True)
class SimplexWeights:
    """Weights that sum to 1, uniform over all such weights where their parameters are uniform.

    The first weight takes a share of 1, the second a share of what is left, and so on; the last
    gets the rest, so that k weights take k - 1 parameters. With the share of weight i at
    1 - (1 - u)^(1 / (k - i)), i from 1, and u uniform the weights are Dirichlet(1, ..., 1):
    stick-breaking by inverse distribution functions (Devroye, 1986, chapter XI.4).

    Attributes:
        paths: The weights' settings; the parameter of each but the last is `<path>/share`.
    """

    paths: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.paths) < 2:
            raise ValueError(f"weights on a simplex are two or more, got {list(self.paths)}.")

    def suggest(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Return the weights."""
        weights: dict[str, Any] = {}
        rest = 1.0
        for place, path in enumerate(self.paths[:-1]):
            draw = trial.suggest_float(f"{path}/share", 0.0, 1.0)
            left = rest * (1 - draw) ** (1 / self._others(place))
            weights[path], rest = rest - left, left
        return {**weights, self.paths[-1]: rest}

    def locate(self, setting: Lookup) -> Mapping[str, Any]:
        """Return the shares that come to these weights; none if they do not sum to 1."""
        weights = [setting(path) for path in self.paths]
        if None in weights or min(weights) < 0 or abs(sum(weights) - 1) > SUM_TOLERANCE:
            return {}
        shares: dict[str, Any] = {}
        rest = 1.0
        for place, (path, weight) in enumerate(zip(self.paths[:-1], weights, strict=False)):
            left = max(rest - weight, 0.0)
            if rest > 0:
                shares[f"{path}/share"] = 1 - (left / rest) ** self._others(place)
            rest = left
        return shares

    def _others(self, place: int) -> int:
        return len(self.paths) - 1 - place


@dataclass(frozen=True)
class LogRatioWeights:
    """Weights as ratios to the weight of one term, which stays 1.

    Attributes:
        reference: The setting that stays 1.
        ratios: The other weights; each is a setting, and log-uniform around 1 if its bounds say so.
    """

    reference: str
    ratios: tuple[Real, ...]

    def suggest(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Return the weights."""
        return {self.reference: 1.0, **{ratio.path: ratio.ask(trial) for ratio in self.ratios}}

    def locate(self, _setting: Lookup) -> Mapping[str, Any]:
        """Return nothing: the ratios are the settings."""
        return {}
