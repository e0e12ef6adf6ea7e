"""Search spaces by name."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import optuna

from search_spaces.augmentations import AUGMENTATIONS, ORDERED_AUGMENTATIONS
from search_spaces.body import BODY_VOLUMETRIC
from search_spaces.encoder_decoder import ENCODER_DECODER, PHOTOGRAPHED_ENCODER_DECODER
from search_spaces.equivariant import EQUIVARIANT
from search_spaces.evolution import EVOLUTION
from search_spaces.losses import (
    BALANCED_PRETRAINING_LOSS,
    FINETUNING_LOSS,
    PRETRAINING_LOSS,
    TEMPERATURE,
)
from search_spaces.optimization import COUPLED_PRETRAINING_OPTIMIZATION, PRETRAINING_OPTIMIZATION
from search_spaces.parameters import Lookup, Part, Parts
from search_spaces.rehearsal import suggest_rehearsal
from search_spaces.relative import HYBRID1, PAIRWISE
from search_spaces.segmentation import LAST_LOSS, SEGMENTATION


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

    def canonical(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that stand for all those that mean the same as these.

        They are what the journal, the sampler and the leaderboard get, so that one point has one
        place wherever it came from. A value that would change by rounding alone is kept, so that
        the settings are the same to the last bit.
        """
        located = self.locate(self.settings(params).get)
        return {
            name: located[name]
            if name in located and not _is_close(value, located[name])
            else value
            for name, value in params.items()
        }


def _is_close(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-12)


def _space(*parts: Part, about: str) -> Space:
    """Return the space of a plan `pretrain -> finetune` with these parts."""
    whole = Parts(parts)
    return Space(
        suggest=whole.suggest, plan=("pretrain", "finetune"), about=about, locate=whole.locate
    )


SPACES: Mapping[str, Space] = {
    "composition": _space(
        AUGMENTATIONS,
        PRETRAINING_LOSS,
        FINETUNING_LOSS,
        about="augmentation composition, temperature and loss weights",
    ),
    "pretraining": _space(
        AUGMENTATIONS,
        PRETRAINING_LOSS,
        FINETUNING_LOSS,
        PRETRAINING_OPTIMIZATION,
        about="composition, and pretraining's learning rate and weight decay",
    ),
    "ordered_composition": _space(
        ORDERED_AUGMENTATIONS,
        PRETRAINING_LOSS,
        FINETUNING_LOSS,
        about="up to five augmentations in any order, one of them geometric; loss weights",
    ),
    "balanced_pretraining": _space(
        AUGMENTATIONS,
        BALANCED_PRETRAINING_LOSS,
        FINETUNING_LOSS,
        COUPLED_PRETRAINING_OPTIMIZATION,
        about="composition, loss weights that sum to 1, and batch size with its learning rate",
    ),
    "equivariant": _space(
        EQUIVARIANT,
        about="PeCLR's composition with strengths, temperature and projection size",
    ),
    "pairwise": _space(
        PAIRWISE,
        FINETUNING_LOSS,
        PRETRAINING_OPTIMIZATION,
        about="which relations between views are regressed, over which ranges, and learning rate",
    ),
    "hybrid1": _space(
        AUGMENTATIONS,
        TEMPERATURE,
        HYBRID1,
        FINETUNING_LOSS,
        about="compositions of a contrastive and of a relative part, and how the two weigh",
    ),
    "evolution": Space(
        suggest=EVOLUTION.suggest,
        plan=("evolve", "lift"),
        about="how strongly skeletons are evolved, and their share of what a lifting network sees",
        locate=EVOLUTION.locate,
    ),
    "segmentation": Space(
        suggest=SEGMENTATION.suggest,
        plan=("generator", "pseudo_labels", "paired"),
        about="G2's encoder, pseudo-labels, augmentation, loss weights in time, adversary's rate",
        locate=SEGMENTATION.locate,
    ),
    "segmentation_loss_weights": Space(
        suggest=LAST_LOSS.suggest,
        plan=("generator", "pseudo_labels", "paired", "pseudo_labels", "paired"),
        about="the loss of the last of five phases, whose first four are trained once",
        locate=LAST_LOSS.locate,
    ),
    "encoder_decoder": Space(
        suggest=ENCODER_DECODER.suggest,
        plan=("encoder_decoder",),
        about="decoder, bins, augmentation, how points and distributions weigh, learning rate",
        locate=ENCODER_DECODER.locate,
    ),
    "encoder_decoder_photographed": Space(
        suggest=PHOTOGRAPHED_ENCODER_DECODER.suggest,
        plan=("encoder_decoder",),
        about="the same where nobody knows which pixels are background",
        locate=PHOTOGRAPHED_ENCODER_DECODER.locate,
    ),
    "body_volumetric": Space(
        suggest=BODY_VOLUMETRIC.suggest,
        plan=("body_pose",),
        about="occlusion and augmentation, loss weights, head, frozen stages, learning rate",
        locate=BODY_VOLUMETRIC.locate,
    ),
    "rehearsal": Space(
        suggest=suggest_rehearsal,
        plan=("rehearse_first", "rehearse_last"),
        about="two phases that train nothing, with an optimum that is known",
    ),
}
