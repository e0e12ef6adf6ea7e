"""The architectures of encoders: timm's names for them, and the sizes of what they say."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

EncoderName = Literal[
    "small_resnet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "hrnet_w18_small",
    "hrnet_w32",
    "hrnet_w48",
    "efficientnet_lite0",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "s2_efficientnet_b0",
    "s2_efficientnet_b3",
    "s2_efficientnet_b4",
    "s2_efficientnet_b5",
    "s2_efficientnet_b6",
    "convnext_tiny",
    "convnext_small",
    "vit_small",
]

MeanStd = tuple[tuple[float, float, float], tuple[float, float, float]]

IMAGENET_MEAN_STD: MeanStd = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF_MEAN_STD: MeanStd = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""What EfficientNet-lite's and the vision transformer's ImageNet weights were trained with."""

NOT_NORMALISED: MeanStd = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""S2 gives its encoders pictures in [0, 1] as they are."""

HRNET_MAP_CHANNELS = 128
"""Whatever its width: the first stage of timm's head widens the branch at 1/4 resolution to it."""

VIT_PATCH_PX = 16


@dataclass(frozen=True)
class Architecture:
    """One of timm's networks.

    Attributes:
        timm_name: Its name and the tag of its ImageNet weights there.
        feature_dim: Length of the feature.
        map_channels: Channels of its maps, or None if it has none.
        map_stride: Input pixels per cell of a map, along each side.
        mean_std: Of the RGB images that its weights expect.
        padded_for_px: Side of pictures by which it pads all (`hpe.models.same_padding`); None where
            timm's way is kept.
    """

    timm_name: str
    feature_dim: int
    map_channels: int | None
    map_stride: int = 32
    mean_std: MeanStd = IMAGENET_MEAN_STD
    padded_for_px: int | None = None


def _convolutional(timm_name: str, channels: int, *, mean_std: MeanStd) -> Architecture:
    """Return a network whose feature is the mean of its last maps."""
    return Architecture(timm_name, channels, channels, mean_std=mean_std)


def _hrnet(timm_name: str) -> Architecture:
    return Architecture(timm_name, 2048, HRNET_MAP_CHANNELS, map_stride=4)


_CONVOLUTIONAL: Mapping[str, tuple[str, int]] = {
    "resnet18": ("resnet18.tv_in1k", 512),
    "resnet34": ("resnet34.tv_in1k", 512),
    "resnet50": ("resnet50.tv_in1k", 2048),
    "resnet101": ("resnet101.tv_in1k", 2048),
    "resnet152": ("resnet152.tv_in1k", 2048),
    "resnext50_32x4d": ("resnext50_32x4d.tv_in1k", 2048),
    "resnext101_32x8d": ("resnext101_32x8d.tv_in1k", 2048),
    "wide_resnet50_2": ("wide_resnet50_2.tv_in1k", 2048),
    "wide_resnet101_2": ("wide_resnet101_2.tv_in1k", 2048),
    "efficientnet_b0": ("efficientnet_b0.ra_in1k", 1280),
    "efficientnet_b1": ("efficientnet_b1.ft_in1k", 1280),
    "efficientnet_b2": ("efficientnet_b2.ra_in1k", 1408),
    "efficientnet_b3": ("efficientnet_b3.ra2_in1k", 1536),
    "efficientnet_b4": ("efficientnet_b4.ra2_in1k", 1792),
    "efficientnet_b5": ("efficientnet_b5.sw_in12k_ft_in1k", 2048),
    "efficientnet_b6": ("tf_efficientnet_b6.aa_in1k", 2304),
    "convnext_tiny": ("convnext_tiny.fb_in1k", 768),
    "convnext_small": ("convnext_small.fb_in1k", 768),
}
"""The ResNets' weights are torchvision's first ones, which PeCLR's code started from."""

_S2: Mapping[str, tuple[int, int]] = {
    "b0": (1280, 224),
    "b3": (1536, 300),
    "b4": (1792, 380),
    "b5": (2048, 456),
    "b6": (2304, 528),
}
"""S2's encoders, channels and the side that each was designed for: as efficientnet_pytorch computes
them, on pictures that are not normalised. The weights of `efficientnet_b4` would say other things
in `s2_efficientnet_b4`."""

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        **{
            name: _convolutional(timm_name, channels, mean_std=IMAGENET_MEAN_STD)
            for name, (timm_name, channels) in _CONVOLUTIONAL.items()
        },
        **{
            f"s2_efficientnet_{size}": Architecture(
                f"tf_efficientnet_{size}.aa_in1k",
                channels,
                channels,
                mean_std=NOT_NORMALISED,
                padded_for_px=side_px,
            )
            for size, (channels, side_px) in _S2.items()
        },
        "efficientnet_lite0": _convolutional("tf_efficientnet_lite0", 1280, mean_std=HALF_MEAN_STD),
        "hrnet_w18_small": _hrnet("hrnet_w18_small.ms_in1k"),
        "hrnet_w32": _hrnet("hrnet_w32.ms_in1k"),
        "hrnet_w48": _hrnet("hrnet_w48.ms_in1k"),
        "vit_small": Architecture(
            "vit_small_patch16_224.augreg_in1k",
            feature_dim=384,
            map_channels=None,
            map_stride=VIT_PATCH_PX,
            mean_std=HALF_MEAN_STD,
        ),
    }
)
"""All encoders but `small_resnet`, which is the project's own."""
