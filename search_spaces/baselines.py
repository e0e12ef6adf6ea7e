"""Published settings, by name, for a study's arms to start from.

S0 is the code base behind Spurr et al., "Self-supervised 3D hand pose estimation from monocular RGB
via contrastive learning" (PeCLR, ICCV 2021); ranges are those of its `training_config.json` and
`SampleAugmenter`, the compositions those its experiments settle on.

What S0 measures in its own units is said in ours: a crop margin of U(0.9, 1.5) against the
reference crop's 1.25 is a zoom between 1.25 / 1.5 and 1.25 / 0.9; an origin moved by U(0, 15)
source pixels right and down is a move of up to 15 / 128 of the view left and up, which is how its
loss counts it as well. Its angle, floored to whole degrees, is continuous here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Settings = Mapping[str, Any]

_CROP_MARGIN = 1.25  # half side of S0's plain crop over the hand's radius
_SCALE: Settings = {
    "zoom/enabled": True,
    "zoom/min_factor": _CROP_MARGIN / 1.5,
    "zoom/max_factor": _CROP_MARGIN / 0.9,
}
_ROTATION: Settings = {"rotate/enabled": True, "rotate/max_deg": 45.0}
_TRANSLATION: Settings = {
    "translate/enabled": True,
    "translate/max_share": 15 / 128,
    "translate/one_sided": True,
}
_COLOR: Settings = {
    "hsv_jitter/enabled": True,
    "hsv_jitter/prob": 1.0,
    "hsv_jitter/min_hue": 0.01,
    "hsv_jitter/min_saturation": 0.01,
    "hsv_jitter/min_value": 0.5,
    "hsv_jitter/channels": "as_published",
}
_TEMPERATURE = 0.5  # S0's default, never overridden there


def _pretraining(
    *augmentations: Settings, invariant_weight: float, equivariant_weight: float
) -> dict[str, Any]:
    return {
        **{f"pretrain/augment/{path}": v for part in augmentations for path, v in part.items()},
        "pretrain/loss/invariant_weight": invariant_weight,
        "pretrain/loss/equivariant_weight": equivariant_weight,
        "pretrain/loss/temperature": _TEMPERATURE,
    }


@dataclass(frozen=True)
class Baseline:
    """A published setting.

    Attributes:
        about: What it is and where it was published.
        settings: Path -> value.
    """

    about: str
    settings: Settings


BASELINES: Mapping[str, Baseline] = {
    "simclr": Baseline(
        about="SimCLR with the composition S0 chose for it: scale and colour jitter",
        settings=_pretraining(_SCALE, _COLOR, invariant_weight=1.0, equivariant_weight=0.0),
    ),
    "peclr": Baseline(
        about="PeCLR as in its README: rotation, translation, scale and colour jitter",
        settings=_pretraining(
            _ROTATION,
            _TRANSLATION,
            _SCALE,
            _COLOR,
            invariant_weight=0.0,
            equivariant_weight=1.0,
        ),
    ),
    "supervised": Baseline(
        about="S0's supervised training and finetuning: rotation, translation and scale",
        settings={
            f"finetune/augment/{path}": value
            for part in (_ROTATION, _TRANSLATION, _SCALE)
            for path, value in part.items()
        },
    ),
}
