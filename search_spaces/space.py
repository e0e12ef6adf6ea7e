"""Search spaces by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import optuna

from search_spaces.augmentations import suggest_augmentations
from search_spaces.losses import suggest_finetuning_loss, suggest_pretraining_loss
from search_spaces.optimization import suggest_pretraining_optimization


@dataclass(frozen=True)
class Space:
    """What a search may vary.

    Attributes:
        suggest: Asks a trial for values; parameter names are paths into the plan's settings.
        plan: The plan labels those paths begin with.
        about: One line for people.
    """

    suggest: Callable[[optuna.Trial], None]
    plan: tuple[str, ...]
    about: str


def suggest_composition(trial: optuna.Trial) -> None:
    """Vary the augmentation composition, the contrastive loss and the finetuning loss."""
    suggest_augmentations(trial)
    suggest_pretraining_loss(trial)
    suggest_finetuning_loss(trial)


def suggest_pretraining(trial: optuna.Trial) -> None:
    """Vary all that `suggest_composition` does, and how pretraining is optimized."""
    suggest_composition(trial)
    suggest_pretraining_optimization(trial)


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
}
