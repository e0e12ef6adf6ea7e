"""Which augmentations pretraining applies, how strongly and in which order.

The published strengths lie inside every range: S0 turns by up to 45 (earlier 90) degrees, zooms
between crop margins of 0.9 and 1.5 (earlier 0.6 and 2.0), moves the crop by up to 15 of about 128
pixels and cuts out boxes of up to 16 % of each side.
"""

from search_spaces.composition import Composition, Operation, at_least, at_most, not_together
from search_spaces.parameters import Real

GEOMETRY = (
    Operation("rotate", (Real("max_deg", 10.0, 180.0),)),
    Operation("zoom", (Real("max_factor", 1.1, 2.0),)),
    Operation("translate", (Real("max_share", 0.02, 0.3),)),
)
"""One warp, whatever the order."""

BACKGROUND = Operation("replace_background", (Real("prob", 0.3, 1.0),))
SOBEL = Operation("sobel", (Real("prob", 0.1, 0.5),), ordered=True)
CUT_OUT = Operation("cut_out", (Real("max_share", 0.1, 0.4),), ordered=True)
BLUR = Operation("blur", (Real("max_sigma", 0.3, 2.0),), ordered=True)
COLOR_JITTER = Operation("color_jitter", (Real("strength", 0.2, 1.0),), ordered=True)
HSV_JITTER = Operation("hsv_jitter", (Real("min_value", 0.3, 0.9),), ordered=True)
NOISE = Operation("noise", (Real("max_std", 5.0, 30.0),), ordered=True)
COLOR_DROP = Operation("color_drop", (Real("prob", 0.1, 0.5),), ordered=True)

AUGMENTATIONS = Composition(
    path="pretrain/augment",
    operations=(*GEOMETRY, BACKGROUND, COLOR_JITTER, COLOR_DROP, BLUR, NOISE, CUT_OUT),
)
"""Any subset, in S0's order."""

_GEOMETRIC = tuple(operation.name for operation in GEOMETRY)
_EVERY = (
    *GEOMETRY,
    BACKGROUND,
    SOBEL,
    CUT_OUT,
    BLUR,
    COLOR_JITTER,
    HSV_JITTER,
    NOISE,
    COLOR_DROP,
)

ORDERED_AUGMENTATIONS = Composition(
    path="pretrain/augment",
    operations=_EVERY,
    bounds=(
        at_most(5, [operation.name for operation in _EVERY]),  # no composition of S0 or S1 has more
        at_least(1, _GEOMETRIC),
        not_together("color_jitter", "hsv_jitter"),  # two forms of one operation
    ),
    searches_order=True,
)
"""At most five of all operations, one of them geometric, in any order."""
