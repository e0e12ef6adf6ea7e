"""Image encoders by name: ResNet-18/50 and EfficientNet-lite0 of timm, a small ResNet for CPUs."""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from hpe.config import Config
from hpe.models.efficientnet_lite import imagenet_weights
from hpe.models.seeding import seeded_weights
from hpe.models.small_resnet import SmallResNet, small_resnet_features
from hpe.models.torchvision_on_cpu import import_timm

EncoderName = Literal["small_resnet", "resnet18", "resnet50", "efficientnet_lite0"]

IMAGENET_MEAN_STD = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LITE_MEAN_STD = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""What EfficientNet-lite's ImageNet weights were trained with."""

TIMM_NAMES: Mapping[str, str] = {
    "resnet18": "resnet18.tv_in1k",
    "resnet50": "resnet50.tv_in1k",
    "efficientnet_lite0": "tf_efficientnet_lite0",
}
"""The ResNets' weights are torchvision's first ones, which PeCLR's code started from."""

_TIMM_FEATURES = {"resnet18": 512, "resnet50": 2048, "efficientnet_lite0": 1280}


class EncoderConfig(Config):
    """Settings of an encoder.

    Attributes:
        name: The architecture.
        width: Channels of the first stage of `small_resnet`; the others have theirs fixed.
        init: Starting weights. ImageNet weights of `efficientnet_lite0` come with the project's
            packages, those of the ResNets are downloaded once by timm.
    """

    name: EncoderName = "small_resnet"
    width: int = Field(32, ge=1)
    init: Literal["random", "imagenet"] = "random"

    @model_validator(mode="after")
    def _has_imagenet_weights(self) -> "EncoderConfig":
        if self.init == "imagenet" and self.name == "small_resnet":
            raise ValueError(
                "small_resnet has no ImageNet weights; use init: random, or name: "
                "efficientnet_lite0, resnet18 or resnet50."
            )
        return self


def feature_dim(config: EncoderConfig) -> int:
    """Return the length of the features that an encoder with these settings gives."""
    if config.name == "small_resnet":
        return small_resnet_features(config.width)
    return _TIMM_FEATURES[config.name]


class Encoder(nn.Module):
    """A network from images in [0, 1] to one feature vector each.

    Attributes:
        feature_dim: Length of a feature.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        *,
        feature_dim: int,
        mean_std: tuple[tuple[float, ...], tuple[float, ...]],
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.feature_dim = feature_dim
        mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in mean_std)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch feature_dim"]:
        """Normalise RGB images by the encoder's own mean and deviation, and encode them."""
        features: Tensor = self.trunk((images - self.mean) / self.std)
        return features


def build_encoder(config: EncoderConfig, *, seed: int) -> Encoder:
    """Build an encoder on the CPU whose random weights depend on the seed alone.

    Raises:
        FileNotFoundError: If ImageNet weights of a ResNet can be neither found nor downloaded.
    """
    with seeded_weights(seed):
        trunk = _build_trunk(config)
    is_lite = config.name == "efficientnet_lite0"
    mean_std = LITE_MEAN_STD if is_lite else IMAGENET_MEAN_STD
    return Encoder(trunk, feature_dim=feature_dim(config), mean_std=mean_std)


def _build_trunk(config: EncoderConfig) -> nn.Module:
    if config.name == "small_resnet":
        return SmallResNet(config.width)
    if config.name == "efficientnet_lite0":
        lite = _timm_trunk(config.name, pretrained=False)
        if config.init == "imagenet":
            lite.load_state_dict(imagenet_weights(lite.state_dict()))
        return lite
    return _timm_trunk(config.name, pretrained=config.init == "imagenet")


def _timm_trunk(name: EncoderName, *, pretrained: bool) -> nn.Module:
    """Return timm's model without its classifier: features after global average pooling."""
    timm = import_timm()
    try:
        trunk: nn.Module = timm.create_model(
            TIMM_NAMES[name], pretrained=pretrained, num_classes=0, global_pool="avg"
        )
    except OSError as error:
        raise FileNotFoundError(
            f"no ImageNet weights for {name}: they are not in the local cache and cannot be "
            f"downloaded ({error}). Use encoder/name=efficientnet_lite0, whose weights are "
            "installed with the project, encoder/init=random, or --from-weights with a file."
        ) from error
    return trunk
