"""Relations between views: which are regressed, and how they weigh against the contrastive term."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from search_spaces import published_methods
from search_spaces.augmentations import GEOMETRY, HSV_JITTER
from search_spaces.composition import Composition, at_least
from search_spaces.parameters import Constants, Lookup, Parts, Real

RELATED = (*GEOMETRY, HSV_JITTER)
"""What a relation between two views can be read from: each that is on is regressed."""

_ONE = (at_least(1, [operation.name for operation in RELATED]),)

PAIRWISE_AUGMENTATIONS = Composition(path="pretrain/augment", operations=RELATED, bounds=_ONE)
"""Any of them but none, for the relative part alone."""

RELATIVE_AUGMENTATIONS = Composition(
    path="pretrain/relative/augment", operations=RELATED, bounds=_ONE
)
"""The same for the relative part's own views, beside a contrastive part."""


@dataclass(frozen=True)
class PartBalance:
    """How the contrastive and the relative part weigh: by learned scales, or a fixed ratio."""

    fixed: Real

    def suggest(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Return the kind, and the relative part's weight, which is 1 where scales are learned."""
        path = "pretrain/relative/balance"
        balance = trial.suggest_categorical(path, ["learned", "fixed"])
        weight = self.fixed.ask(trial) if balance == "fixed" else 1.0
        return {path: balance, self.fixed.path: weight}

    def locate(self, _setting: Lookup) -> Mapping[str, Any]:
        """Return nothing: the parameters are the settings."""
        return {}


PAIRWISE = Parts(
    (
        PAIRWISE_AUGMENTATIONS,
        Constants(published_methods.PAIRWISE),
    )
)
"""The relative part alone (S0's pairwise)."""

HYBRID1 = Parts(
    (
        RELATIVE_AUGMENTATIONS,
        PartBalance(Real("pretrain/relative/weight", 1e-3, 1.0, log=True)),
        Constants({"pretrain/relative/own_views": True}),
    )
)
"""A relative part on views of its own, beside whatever contrastive part there is.

Its errors are in degrees and pixels, tens where the contrastive loss is a few nats: a fixed weight
is below 1.
"""
