"""Published compositions, as {path below `augment`: value}.

S0 is the code base behind Spurr et al., "Self-supervised 3D hand pose estimation from monocular RGB
via contrastive learning" (PeCLR, ICCV 2021); ranges are those of its `training_config.json` and
`SampleAugmenter`, the compositions those its experiments settle on.

What S0 measures in its own units is said in ours: a crop margin of U(0.9, 1.5) against the
reference crop's 1.25 is a zoom between 1.25 / 1.5 and 1.25 / 0.9; an origin moved by U(0, 15)
source pixels right and down is a move of up to 15 / 128 of the view left and up, which is how its
loss counts it as well. Its angle, floored to whole degrees, is continuous here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hpe.augment.crop import CROP_MARGIN

Settings = Mapping[str, Any]

_SCALE: Settings = {
    "zoom/enabled": True,
    "zoom/min_factor": CROP_MARGIN / 1.5,
    "zoom/max_factor": CROP_MARGIN / 0.9,
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

PRESETS: Mapping[str, Settings] = MappingProxyType(
    {
        # S0, experiment list: the composition chosen for SimCLR, random_crop + color_jitter.
        "simclr": MappingProxyType({**_SCALE, **_COLOR}),
        # PeCLR's README: --color_jitter --random_crop --rotate --crop.
        "peclr": MappingProxyType({**_ROTATION, **_TRANSLATION, **_SCALE, **_COLOR}),
        # S0, experiment list: supervised training and finetuning, rotate + crop + random_crop.
        "supervised": MappingProxyType({**_ROTATION, **_TRANSLATION, **_SCALE}),
    }
)
