"""Search spaces by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import optuna

from search_spaces.augmentations import suggest_augmentations
from search_spaces.losses import suggest_finetuning_loss, suggest_pretraining_loss
from search_spaces.optimization import suggest_pretraining_optimization
from search_spaces.rehearsal import suggest_rehearsal

Lookup = Callable[[str], Any]
"""Given the path of a setting, its value; None where the plan has no such setting."""


def _nothing(_setting: Lookup) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Space:
    """What a search may vary.

    A parameter that is a setting has the setting's path as its name. Others serve a setting, such
    as the sort key that an operation's rank comes from; their names lie at or below its path.

    Attributes:
        suggest: Asks a trial for values and returns the settings that they mean, path -> value.
            Suggestions that mean the same give equal settings.
        plan: The plan labels those paths begin with.
        about: One line for people.
        locate: Given settings, values of those parameters that are no settings themselves, so that
            `suggest` would come to these settings; for a published setting's place in the space.
    """

    suggest: Callable[[optuna.Trial], Mapping[str, Any]]
    plan: tuple[str, ...]
    about: str
    locate: Callable[[Lookup], Mapping[str, Any]] = _nothing

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that a trial's parameters mean.

        Raises:
            ValueError: If the space asks for a parameter that is not among them.
        """
        return dict(self.suggest(cast(optuna.Trial, optuna.trial.FixedTrial(dict(params)))))


def suggest_composition(trial: optuna.Trial) -> Mapping[str, Any]:
    """Vary the augmentation composition, the contrastive loss and the finetuning loss."""
    suggest_augmentations(trial)
    suggest_pretraining_loss(trial)
    suggest_finetuning_loss(trial)
    return trial.params


def suggest_pretraining(trial: optuna.Trial) -> Mapping[str, Any]:
    """Vary all that `suggest_composition` does, and how pretraining is optimized."""
    suggest_composition(trial)
    suggest_pretraining_optimization(trial)
    return trial.params


SPACES: Mapping[str, Space] = {
    "composition": Space(
        suggest=suggest_composition,
        plan=("pretrain", "finetune"),
        about="augmentation composition, temperature and loss weights",
    ),
    "pretraining": Space(
        suggest=suggest_pretraining,
        plan=("pretrain", "finetune"),
        about="composition, and pretraining's learning rate and weight decay",
    ),
    "rehearsal": Space(
        suggest=suggest_rehearsal,
        plan=("rehearse_first", "rehearse_last"),
        about="two phases that train nothing, with an optimum that is known",
    ),
}
