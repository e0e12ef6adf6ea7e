"""Discriminators that tell true part masks from predicted ones, patch by patch."""

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from hpe.config import Config
from hpe.losses.adversarial import MaskReading, num_channels
from hpe.models.seeding import seeded_weights

LEAST_PX = 64
"""Smaller masks leave `s3` nothing for its last convolution."""

_KERNEL, _SLOPE = 4, 0.2


class DiscriminatorConfig(Config):
    """Which discriminator.

    Attributes:
        kind: `s3` is that of S3's code, with batch norm after all layers but the first and the
            last; `s3_readme` that of its README, with batch norm after each but the last, whose
            output is the logit; `patch` has spectral norm in its place (Miyato et al., 2018).
        masks: What of predicted masks it is given: their probabilities, or one-hot masks through
            which the gradient of the probabilities passes.
        compat: `s3` gives it class ids, as S3 did, so that no gradient reaches the segmenter.
    """

    kind: Literal["s3", "s3_readme", "patch"] = "patch"
    masks: Literal["soft", "straight_through"] = "soft"
    compat: Literal["s3"] | None = None

    @property
    def reading(self) -> MaskReading:
        """How masks are given to it."""
        return "ids" if self.compat == "s3" else self.masks

    def canonical(self) -> "DiscriminatorConfig":
        """Return the settings without what the original way does not read."""
        return self if self.compat is None else self.model_copy(update={"masks": "soft"})


class MaskDiscriminator(nn.Module):
    """Convolutions of 4 x 4 from masks to one logit for each patch; true masks get high ones."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(
        self, masks: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch 1 patch_rows patch_columns"]:
        """Return logits of masks as `hpe.losses.adversarial` reads them."""
        logits: Tensor = self.layers(masks)
        return logits


def build_discriminator(config: DiscriminatorConfig, *, seed: int) -> MaskDiscriminator:
    """Build a discriminator on the CPU whose random weights depend on the seed alone."""
    in_channels = num_channels(config.reading)
    with seeded_weights(seed):
        match config.kind:
            case "s3":
                # Of 128 px it makes 5 x 5 logits: the last convolution neither strides nor pads.
                layers = [
                    *_normed(in_channels, 32, 64, 128, 256, first=False),
                    nn.Conv2d(256, 1, _KERNEL, bias=False),
                ]
            case "s3_readme":
                layers = [*_normed(in_channels, 64, 128, 256, 512, first=True), _halving(512, 1)]
            case "patch":
                layers = _spectral(in_channels, 64, 128, 256)
    return MaskDiscriminator(layers)


def _normed(in_channels: int, *widths: int, first: bool) -> list[nn.Module]:
    """Halve the maps once for each width, with batch norm; the first layer's is optional."""
    layers: list[nn.Module] = []
    for place, width in enumerate(widths):
        layers.append(_halving(in_channels, width))
        if place > 0 or first:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.LeakyReLU(_SLOPE))
        in_channels = width
    return layers


def _spectral(in_channels: int, *widths: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width in widths:
        layers.append(spectral_norm(nn.Conv2d(in_channels, width, _KERNEL, stride=2, padding=1)))
        layers.append(nn.LeakyReLU(_SLOPE))
        in_channels = width
    return [*layers, spectral_norm(nn.Conv2d(in_channels, 1, _KERNEL, padding=1))]


def _halving(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, _KERNEL, stride=2, padding=1, bias=False)
