"""What encoder-decoders leave open: decoder, bins, augmentation, how their losses weigh, rate.

S2's settings lie inside every range: it turns by any angle, scales by 20 %, moves by 20 of 224
pixels, has 56 to 224 bins for 224 pixels (3 to 5 blocks) and learns at 1e-4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from search_spaces.augmentations import BACKGROUND, COLOR_JITTER, GEOMETRY
from search_spaces.composition import Composition, Operation
from search_spaces.parameters import Choice, Lookup, Parts, Real

PHASE = "encoder_decoder"

AUGMENTATIONS = Composition(
    path=f"{PHASE}/augment",
    operations=(Operation("flip"), *GEOMETRY, BACKGROUND, COLOR_JITTER),
)
"""Any subset of S2's operations and of other backgrounds."""

PHOTOGRAPHED = Composition(
    path=AUGMENTATIONS.path,
    operations=tuple(
        operation for operation in AUGMENTATIONS.operations if operation != BACKGROUND
    ),
)
"""Any subset of S2's operations: of a photograph nobody knows which pixels are background."""


@dataclass(frozen=True)
class SmallWeight:
    """A weight over orders of magnitude, and another that makes their total 1.

    Squared errors in millimetres are thousands where divergences of distributions are below 1, so
    that the two balance where the first's weight is small.

    Attributes:
        path: The weight's setting, which is the parameter's name.
        rest: The setting of the other.
        low: The smallest weight; the largest is 1.
    """

    path: str
    rest: str
    low: float

    def suggest(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Return both weights."""
        weight = trial.suggest_float(self.path, self.low, 1.0, log=True)
        return {self.path: weight, self.rest: 1.0 - weight}

    def locate(self, _setting: Lookup) -> Mapping[str, Any]:
        """Return nothing: the parameter is the setting."""
        return {}


_OTHERS = (
    Choice(f"{PHASE}/decoder/kind", ("f1", "f2", "f3", "f4")),
    Choice(f"{PHASE}/decoder/blocks", (3, 4, 5)),
    SmallWeight(f"{PHASE}/loss/points_weight", rest=f"{PHASE}/loss/distribution_weight", low=1e-4),
    Real(f"{PHASE}/optimizer/lr", 1e-4, 1e-2, log=True),
)
ENCODER_DECODER = Parts((AUGMENTATIONS, *_OTHERS))
"""Three to five blocks are 8 to 32 times the bins that the coarse maps have cells."""

PHOTOGRAPHED_ENCODER_DECODER = Parts((PHOTOGRAPHED, *_OTHERS))
"""The same for data without a known background, such as `freihand_course`."""
