"""S4's published ladder of body pose, for a study's arms to start from.

I is integral regression, O occlusion, A the other augmentations, H a higher resolution, E extra
data. Published errors on Human3.6M, in mm: direct regression 141.50, with O 84.50; ResNet-50 I
72.15, with O 63.01; ResNeXt-101 I, O, A 54.14, and with H, E 46.48.

S4 regresses with AlexNet; here a ResNet-50 does, so that one rung differs from the next in what
its name says. Before H it sees squares of 256 px in volumes 64 deep, whose depth cells it counts
from 1; our boxes stay 3 : 4, so those are 192 x 256 px. What is extra in E is the study's data. S4
freezes all but the last stage of its ResNeXt-101 and is taken to freeze as much of the ResNet-50.
"""

from collections.abc import Iterator

from search_spaces.published_augmentations import Settings
from search_spaces.published_training import Baseline, with_full

DIRECT: Settings = {"body_pose/head/kind": "direct"}
INTEGRAL: Settings = {"body_pose/head/kind": "volumetric"}
OCCLUSION: Settings = {
    "body_pose/augment/occlude/enabled": True,
    "body_pose/augment/occlude/prob": 1.0,
    "body_pose/augment/occlude/min_count": 1,
    "body_pose/augment/occlude/max_count": 7,
    "body_pose/augment/occlude/min_scale": 0.2,
    "body_pose/augment/occlude/max_scale": 1.0,
}
AUGMENTATION: Settings = {
    "body_pose/augment/scale/enabled": True,
    "body_pose/augment/scale/spread": 0.25,
    "body_pose/augment/rotate/enabled": True,
    "body_pose/augment/rotate/std_deg": 30.0,
    "body_pose/augment/rotate/prob": 0.6,
    "body_pose/augment/flip/enabled": True,
    "body_pose/augment/flip/prob": 0.5,
    "body_pose/augment/gain/enabled": True,
    "body_pose/augment/gain/spread": 0.2,
}
TRAINING: Settings = {
    "body_pose/epochs": 65,
    "body_pose/batch_size": 16,
    "body_pose/accumulate": 1,
    "body_pose/steps_per_epoch": None,
    "body_pose/frozen_stages": 4,
    "body_pose/encoder/init": "imagenet",
    "body_pose/head/upsamplings": 3,
    "body_pose/head/channels": 256,
    "body_pose/head/hidden": 4096,
    "body_pose/loss/depth_weight": 1.0,
    "body_pose/optimizer/name": "adam",
    "body_pose/optimizer/lr": 1e-4,
    "body_pose/optimizer/weight_decay": 0.0,
    "body_pose/optimizer/schedule": "multistep",
    "body_pose/optimizer/milestones": [55.0, 60.0],
    "body_pose/keep/best": True,
}
LOW_RESOLUTION: Settings = {
    "body_pose/width_px": 192,
    "body_pose/height_px": 256,
    "body_pose/head/depth": 64,
    "body_pose/head/compat": "s4",
}
HIGH_RESOLUTION: Settings = {
    "body_pose/width_px": 288,
    "body_pose/height_px": 384,
    "body_pose/head/depth": 72,
}
RESNET50: Settings = {"body_pose/encoder/name": "resnet50"}
RESNEXT101: Settings = {"body_pose/encoder/name": "resnext101_32x8d"}


def body_baselines() -> Iterator[tuple[str, Baseline]]:
    """Yield the ladder, each rung with `_full`."""
    yield from _rung("direct", "direct regression", DIRECT, RESNET50, LOW_RESOLUTION)
    yield from _rung(
        "direct_o", "direct regression, O", {**DIRECT, **OCCLUSION}, RESNET50, LOW_RESOLUTION
    )
    yield from _rung("integral", "I", INTEGRAL, RESNET50, LOW_RESOLUTION)
    yield from _rung("integral_o", "I, O", {**INTEGRAL, **OCCLUSION}, RESNET50, LOW_RESOLUTION)
    augmented = {**INTEGRAL, **OCCLUSION, **AUGMENTATION}
    yield from _rung("integral_oa", "I, O, A", augmented, RESNEXT101, LOW_RESOLUTION)
    yield from _rung("integral_oah", "I, O, A, H", augmented, RESNEXT101, HIGH_RESOLUTION)
    yield from _rung(
        "integral_oahe",
        "I, O, A, H, and E by the study's data",
        augmented,
        RESNEXT101,
        HIGH_RESOLUTION,
    )


def _rung(
    name: str, about: str, settings: Settings, encoder: Settings, resolution: Settings
) -> Iterator[tuple[str, Baseline]]:
    return with_full(f"s4_{name}", f"S4: {about}", settings, TRAINING, encoder, resolution)
