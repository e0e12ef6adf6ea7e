"""The augmentations of S0 and S1 in this project's units, by the codes of their experiments.

What S0 measures in its own units is said in ours: a crop margin of U(0.9, 1.5) against the
reference crop's 1.25 is a zoom between 1.25 / 1.5 and 1.25 / 0.9; an origin moved by U(0, 15)
source pixels right and down is a move of up to 15 / 128 of the view left and up, which is how its
loss counts it as well. Its angle, floored to whole degrees, is continuous here. Whatever is off,
every view is the reference crop in size (S0's `resize`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

Settings = Mapping[str, Any]

_CROP_MARGIN = 1.25  # half side of S0's plain crop over the hand's radius


def _turned(max_deg: float) -> Settings:
    return {"rotate/enabled": True, "rotate/max_deg": max_deg}


def _scaled(narrowest: float, widest: float) -> Settings:
    return {
        "zoom/enabled": True,
        "zoom/min_factor": _CROP_MARGIN / widest,
        "zoom/max_factor": _CROP_MARGIN / narrowest,
    }


AUGMENTATIONS: Mapping[str, Settings] = {
    "Ro": _turned(45.0),
    "C": {
        "translate/enabled": True,
        "translate/max_share": 15 / 128,
        "translate/one_sided": True,
    },
    "RC": _scaled(0.9, 1.5),
    "CJ": {
        "hsv_jitter/enabled": True,
        "hsv_jitter/prob": 1.0,
        "hsv_jitter/min_hue": 0.01,
        "hsv_jitter/min_saturation": 0.01,
        "hsv_jitter/min_value": 0.5,
        "hsv_jitter/channels": "as_published",
    },
    "SF": {"sobel/enabled": True, "sobel/prob": 0.5},
    "CO": {"cut_out/enabled": True, "cut_out/prob": 0.5, "cut_out/max_share": 0.16},
    "GB": {"blur/enabled": True, "blur/prob": 0.5, "blur/max_sigma": 2.0},
    "GN": {
        "noise/enabled": True,
        "noise/prob": 0.5,
        "noise/min_std": 25.0,
        "noise/max_std": 25.0,
    },
    "CD": {"color_drop/enabled": True, "color_drop/prob": 0.5},
}
"""With the ranges of `training_config.json`, those of S0's later experiments and of S1."""

EARLY_AUGMENTATIONS: Mapping[str, Settings] = {
    **AUGMENTATIONS,
    "Ro": _turned(90.0),
    "RC": _scaled(0.6, 2.0),
}
"""With the ranges of the `nips_*` configurations: the experiments A1 and their downstream runs."""


def composed(
    codes: Iterable[str], *, phase: str, of: Mapping[str, Settings] = AUGMENTATIONS
) -> dict[str, Any]:
    """Return the settings that a phase's composition has with these augmentations."""
    return {f"{phase}/augment/{path}": value for code in codes for path, value in of[code].items()}
