"""PeCLR's space: composition with strengths, temperature, and the size of the projection.

S0 and PeCLR compared compositions of fixed strengths at one temperature and one projection.
"""

from search_spaces.augmentations import (
    BACKGROUND,
    BLUR,
    COLOR_DROP,
    CUT_OUT,
    GEOMETRY,
    HSV_JITTER,
    NOISE,
    SOBEL,
)
from search_spaces.composition import Composition
from search_spaces.losses import TEMPERATURE
from search_spaces.parameters import Choice, Constants, Parts

EQUIVARIANT_AUGMENTATIONS = Composition(
    path="pretrain/augment",
    operations=(*GEOMETRY, BACKGROUND, SOBEL, CUT_OUT, BLUR, HSV_JITTER, NOISE, COLOR_DROP),
)
"""Any subset of S0's operations and new backgrounds, in S0's order."""

PROJECTION = Parts(
    (
        Choice("pretrain/projection/hidden", (128, 256, 512, 1024, 2048)),
        Choice("pretrain/projection/out", (32, 64, 128, 256)),
    )
)
"""Around the published 512 and 128; the equivariant term reads `out / 2` points."""

EQUIVARIANT = Parts(
    (
        EQUIVARIANT_AUGMENTATIONS,
        TEMPERATURE,
        PROJECTION,
        Constants({"pretrain/loss/invariant_weight": 0.0, "pretrain/loss/equivariant_weight": 1.0}),
    )
)
"""PeCLR's loss alone, everything that its ablations held fixed free."""
