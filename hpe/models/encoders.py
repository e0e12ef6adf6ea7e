"""Image encoders by name: timm's networks, and a small ResNet for CPUs."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from hpe.config import Config
from hpe.models.architectures import (
    ARCHITECTURES,
    IMAGENET_MEAN_STD,
    VIT_PATCH_PX,
    Architecture,
    EncoderName,
)
from hpe.models.efficientnet_lite import imagenet_weights
from hpe.models.same_padding import pad_for_side
from hpe.models.seeding import seeded_weights
from hpe.models.small_resnet import (
    FINE_STAGES,
    SmallResNet,
    small_resnet_channels,
    small_resnet_features,
)
from hpe.models.torchvision_on_cpu import import_timm

HRNET_STRIDE = 32
PYRAMID_LEVELS = (-3, -1)  # of timm's feature maps, each at half the resolution of the one before
TRACE_PX = 64  # side of the image that shows which weights maps depend on; any that works will do


class EncoderConfig(Config):
    """Settings of an encoder.

    Attributes:
        name: The architecture.
        width: Channels of the first stage of `small_resnet`; the others have theirs fixed.
        init: Starting weights. ImageNet weights of `efficientnet_lite0` come with the project's
            packages, those of the others are downloaded once by timm.
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


def encoder_architecture(config: EncoderConfig) -> Architecture:
    """Return the sizes of what an encoder with these settings says, without building it."""
    if config.name != "small_resnet":
        return ARCHITECTURES[config.name]
    return Architecture(
        timm_name="",
        feature_dim=small_resnet_features(config.width),
        map_channels=small_resnet_channels(config.width),
        mean_std=IMAGENET_MEAN_STD,
    )


def feature_dim(config: EncoderConfig) -> int:
    """Return the length of the features that an encoder with these settings gives."""
    return encoder_architecture(config).feature_dim


class Encoder(nn.Module):
    """A network from images in [0, 1] to one feature vector each, or to maps of features.

    Attributes:
        feature_dim: Length of a feature.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: nn.Module, config: EncoderConfig) -> None:
        super().__init__()
        self.trunk = trunk
        self._name = config.name
        self._is_hrnet = config.name.startswith("hrnet")
        self._architecture = encoder_architecture(config)
        self.feature_dim = self._architecture.feature_dim
        mean, std = (
            torch.tensor(values).reshape(1, 3, 1, 1) for values in self._architecture.mean_std
        )
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    @property
    def map_channels(self) -> int:
        """Channels of `maps`.

        Raises:
            ValueError: If the encoder has no maps.
        """
        if self._architecture.map_channels is None:
            raise ValueError(
                f"{self._name} has no feature maps, only one feature per image; use a "
                "convolutional encoder (for heatmaps best hrnet_w32, whose maps are the finest), "
                "or a head on features."
            )
        return self._architecture.map_channels

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch feature_dim"]:
        """Normalise RGB images by the encoder's own mean and deviation, and encode them."""
        features: Tensor = self.trunk(self._normalised(images))
        return features

    def maps(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch {self.map_channels} map_height map_width"]:
        """Return what the network says about every cell of its images.

        HRNet's are those of its finest branch, at 1/4 of the input's resolution, widened to 128
        channels by the first stage of its head; the others' those of their last stage, before
        pooling, at 1/32.

        Raises:
            ValueError: If the encoder has no maps.
        """
        assert self.map_channels  # says what to do where there are none
        normalised = self._normalised(images)
        if self._is_hrnet:
            taken: list[Tensor] = self.trunk.forward_intermediates(  # type: ignore[operator]
                normalised, indices=[1], stop_early=True, intermediates_only=True
            )
            return taken[0]
        maps: Tensor = self.trunk.forward_features(normalised)  # type: ignore[operator]
        return maps

    @property
    def pyramid_channels(self) -> tuple[int, int]:
        """Channels of the maps of `pyramid`.

        Raises:
            ValueError: If the encoder has no maps.
        """
        assert self.map_channels  # says what to do where there are none
        if isinstance(self.trunk, SmallResNet):
            return self.map_channels >> FINE_STAGES, self.map_channels
        fine, deepest = (
            int(self.trunk.feature_info[level]["num_chs"])  # type: ignore[index]  # timm's
            for level in PYRAMID_LEVELS
        )
        return fine, deepest

    def pyramid(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch fine_channels fine_height fine_width"],
        Float[Tensor, "batch channels map_height map_width"],
    ]:
        """Return maps at 1/8 and at 1/32 of the input's resolution, as the last block leaves them.

        EfficientNets' and HRNets' widening convolution before pooling does not belong to them.

        Raises:
            ValueError: If the encoder has no maps.
        """
        assert self.map_channels  # says what to do where there are none
        normalised = self._normalised(images)
        if isinstance(self.trunk, SmallResNet):
            return self.trunk.pyramid(normalised)
        fine, deepest = self.trunk.forward_intermediates(  # type: ignore[operator]
            normalised, indices=list(PYRAMID_LEVELS), stop_early=True, intermediates_only=True
        )
        return fine, deepest

    def _normalised(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        height, width = images.shape[-2:]
        if self._is_hrnet and (height % HRNET_STRIDE or width % HRNET_STRIDE):
            raise ValueError(
                f"{self._name} halves its images five times and adds what it sees in each: sides "
                f"must be multiples of {HRNET_STRIDE} px, got {height}x{width}; set image_px to "
                "one, such as 64, 128 or 224."
            )
        return (images - self.mean) / self.std

    def train_maps_only(self) -> None:
        """Stop training weights that `maps` do not depend on, such as the rest of HRNet's head.

        Several processes that share gradients wait for one from every weight that is trained.
        """
        self._train_only(lambda encoder, images: encoder.maps(images).sum())

    def train_pyramid_only(self) -> None:
        """Stop training weights that `pyramid` does not depend on, for the same reason."""
        self._train_only(
            lambda encoder, images: sum(maps.sum() for maps in encoder.pyramid(images))
        )

    def _train_only(self, total: Callable[["Encoder", Tensor], Any]) -> None:
        traced = deepcopy(self).to("meta")  # shapes alone: no weight, statistic or time is touched
        named = {name: p for name, p in traced.named_parameters() if p.requires_grad}
        with torch.enable_grad():
            read = total(traced, torch.zeros(2, 3, TRACE_PX, TRACE_PX, device="meta"))
            gradients = torch.autograd.grad(read, list(named.values()), allow_unused=True)
        own = dict(self.named_parameters())
        for name, gradient in zip(named, gradients, strict=True):
            own[name].requires_grad_(gradient is not None)


def build_encoder(config: EncoderConfig, *, seed: int) -> Encoder:
    """Build an encoder on the CPU whose random weights depend on the seed alone.

    Raises:
        FileNotFoundError: If ImageNet weights can be neither found nor downloaded.
    """
    with seeded_weights(seed):
        trunk = _build_trunk(config)
    return Encoder(trunk, config)


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
    """Return timm's model without its classifier: features after global pooling.

    A vision transformer's feature is its class token's; images whose sides are no multiple of the
    patch are padded, and position embeddings are resampled to any size of image.
    """
    timm = import_timm()
    architecture = ARCHITECTURES[name]
    is_vit = architecture.map_stride == VIT_PATCH_PX
    options = (
        {"dynamic_img_size": True, "dynamic_img_pad": True} if is_vit else {"global_pool": "avg"}
    )
    try:
        trunk: nn.Module = timm.create_model(
            architecture.timm_name, pretrained=pretrained, num_classes=0, **options
        )
    except OSError as error:
        raise FileNotFoundError(
            f"no ImageNet weights for {name}: they are not in the local cache and cannot be "
            f"downloaded ({error}). Use encoder/name=efficientnet_lite0, whose weights are "
            "installed with the project, encoder/init=random, or --from-weights with a file."
        ) from error
    if architecture.padded_for_px is not None:
        pad_for_side(trunk, architecture.padded_for_px)
    return trunk
