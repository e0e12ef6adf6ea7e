"""What a search space is put together from."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import optuna

Lookup = Callable[[str], Any]
"""Given the path of a setting, its value; None where the plan has no such setting."""


class Part(Protocol):
    """A part of a search space.

    A parameter that is a setting has the setting's path as its name. Others serve a setting, such
    as the sort key that an operation's rank comes from; their names lie below its path.
    """

    def suggest(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Ask the trial for values; return the settings that they mean, by path.

        Suggestions that mean the same give equal settings.
        """

    def locate(self, setting: Lookup) -> Mapping[str, Any]:
        """Return values of the parameters that are no settings, for `suggest` to come to these.

        A parameter is left out where no value of it would.
        """


@dataclass(frozen=True)
class Real:
    """A number that is a setting.

    Attributes:
        path: The setting's, which is the parameter's name.
        log: Whether its logarithm is uniform, rather than itself.
    """

    path: str
    low: float
    high: float
    log: bool = False

    def ask(self, trial: optuna.Trial) -> float:
        """Return what the trial suggests."""
        return trial.suggest_float(self.path, self.low, self.high, log=self.log)

    def suggest(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Return the setting."""
        return {self.path: self.ask(trial)}

    def locate(self, _setting: Lookup) -> Mapping[str, Any]:
        """Return nothing: the parameter is the setting."""
        return {}


@dataclass(frozen=True)
class Choice:
    """A whole number or a name that is a setting, one of a few."""

    path: str
    values: tuple[int | str, ...]

    def suggest(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Return the setting."""
        return {self.path: trial.suggest_categorical(self.path, self.values)}

    def locate(self, _setting: Lookup) -> Mapping[str, Any]:
        """Return nothing: the parameter is the setting."""
        return {}


@dataclass(frozen=True)
class Constants:
    """Settings that a space needs and does not vary."""

    settings: Mapping[str, Any]

    def suggest(self, _trial: optuna.Trial) -> Mapping[str, Any]:
        """Return the settings."""
        return self.settings

    def locate(self, _setting: Lookup) -> Mapping[str, Any]:
        """Return nothing: there are no parameters."""
        return {}


@dataclass(frozen=True)
class Parts:
    """Several parts as one."""

    parts: tuple[Part, ...]

    def suggest(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Return the settings of every part.

        Raises:
            ValueError: If two of them give the same setting.
        """
        found = [part.suggest(trial) for part in self.parts]
        times = Counter(path for settings in found for path in settings)
        twice = sorted(path for path, count in times.items() if count > 1)
        if twice:
            raise ValueError(f"two parts of the space set {', '.join(twice)}; leave it to one.")
        return {path: value for settings in found for path, value in settings.items()}

    def locate(self, setting: Lookup) -> Mapping[str, Any]:
        """Return what every part returns."""
        return {name: v for part in self.parts for name, v in part.locate(setting).items()}
