"""The augmentations of the reference systems in this project's units, by their codes or names.

What S0 measures in its own units is said in ours: a crop margin of U(0.9, 1.5) against the
reference crop's 1.25 is a zoom between 1.25 / 1.5 and 1.25 / 0.9; an origin moved by U(0, 15)
source pixels right and down is a move of up to 15 / 128 of the view left and up, which is how its
loss counts it as well. Its angle, floored to whole degrees, is continuous here. Whatever is off,
every view is the reference crop in size (S0's `resize`).

S2, S3 and S4 draw turns and zooms of their own distributions; what is here has their ranges. S3 and
S4 turn by a clipped normal angle 3 views in 5; S4's zoom factor, and S2's, is uniform or normal
where the field of view is uniform here.
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
    "CO": {
        "cut_out/enabled": True,
        "cut_out/prob": 0.5,
        "cut_out/max_share": 0.16,
        "cut_out/centers": "as_published",
    },
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

S2_AUGMENTATIONS: Mapping[str, Settings] = {
    "rotation": _turned(180.0),
    "horizontal_flip": {"flip/enabled": True, "flip/horizontal_prob": 0.5},
    "vertical_flip": {
        "flip/enabled": True,
        "flip/horizontal_prob": 0.0,
        "flip/vertical_prob": 0.5,
    },
    "scale": {"zoom/enabled": True, "zoom/min_factor": 0.8, "zoom/max_factor": 1.2},
    "translation": {
        "translate/enabled": True,
        "translate/max_share": 20 / 224,
        "translate/fixed": True,
    },
    "random_translation": {"translate/enabled": True, "translate/max_share": 20 / 224},
    "color_jitter": {"color_jitter/enabled": True},
}
"""S2's translation is fixed, the random one is what its name says; its final model only turns."""

S3_AUGMENTATIONS: Mapping[str, Settings] = {
    "translation": {"translate/enabled": True, "translate/max_share": 0.01},
    "scale": {"zoom/enabled": True, "zoom/min_factor": 0.99, "zoom/max_factor": 1.01},
    "rotation": _turned(10.0),
    "horizontal_flip": {"flip/enabled": True, "flip/horizontal_prob": 0.5},
    "channel_gain": {
        "channel_gain/enabled": True,
        "channel_gain/min_gain": 0.99,
        "channel_gain/max_gain": 1.01,
    },
}

S4_AUGMENTATIONS: Mapping[str, Settings] = {
    "scale": {"zoom/enabled": True, "zoom/min_factor": 0.75, "zoom/max_factor": 1.25},
    "rotation": _turned(60.0),
    "horizontal_flip": {"flip/enabled": True, "flip/horizontal_prob": 0.5},
    "channel_gain": {
        "channel_gain/enabled": True,
        "channel_gain/min_gain": 0.8,
        "channel_gain/max_gain": 1.2,
    },
    "occlusion": {
        "occlude/enabled": True,
        "occlude/prob": 1.0,
        "occlude/min_count": 1,
        "occlude/max_count": 7,
        "occlude/min_scale": 0.2,
        "occlude/max_scale": 1.0,
    },
}
"""Its occluders are VOC's: `occlude/source` voc with `occlude/folder`; objects drawn here else."""

CONTROL_ARMS: Mapping[str, Settings] = {
    "rand_augment": {
        "control": "rand_augment",
        "rand_augment/num_operations": 2,
        "rand_augment/magnitude": 9.0,
    },
    "trivial_augment": {"control": "trivial_augment"},
}
"""Policies that need no search, to compare a search with."""


def composed(
    codes: Iterable[str], *, phase: str, of: Mapping[str, Settings] = AUGMENTATIONS
) -> dict[str, Any]:
    """Return the settings that a phase's composition has with these augmentations."""
    return {f"{phase}/augment/{path}": value for code in codes for path, value in of[code].items()}
