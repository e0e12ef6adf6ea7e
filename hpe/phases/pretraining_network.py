"""An encoder with the heads that pretraining's losses need."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from hpe.models.encoders import Encoder
from hpe.models.relative_head import RelativeHeads
from hpe.models.small_resnet import pool_2x2
from hpe.phases.precision import Numerics

PROJECTIONS = "projections"
RELATION = "relation/"
LOG_SCALE = "log_scale/"


class PooledMaps(nn.Module):
    """An encoder's maps as one feature per image: 2 x 2 cells of every channel."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch features"]:
        """Return the pooled maps of images in [0, 1]."""
        return pool_2x2(self.encoder.maps(images)).flatten(1)


class PretrainingNetwork(nn.Module):
    """Encoder, projection and relative heads as one module, so that gradients are shared once.

    What the relative heads and the probe read is the encoder's feature, or, where the projection
    works on maps, the pooled maps.

    Attributes:
        features: From images to that, for who wants features alone.
        log_scales: The s of the contrastive and the relative part, if their balance is learned.
    """

    def __init__(
        self,
        encoder: Encoder,
        numerics: Numerics,
        *,
        projection: nn.Module | None,
        relative: RelativeHeads | None,
        on_maps: bool = False,
        balanced_parts: tuple[str, ...] = (),
    ) -> None:
        """Join the parts.

        Args:
            encoder: With `maps`, if the projection reads them.
            numerics: How the encoder is computed.
            projection: None if there is no contrastive term.
            relative: None if there is no relative one.
            on_maps: Whether the projection reads maps.
            balanced_parts: Parts of the loss that are weighed by a learned scale.
        """
        super().__init__()
        self.encoder = encoder
        self.projection = projection
        self.relative = relative
        self.log_scales = nn.ParameterDict(
            {part: nn.Parameter(torch.zeros(())) for part in balanced_parts}
        )
        self.numerics = numerics
        self.on_maps = on_maps

    @property
    def features(self) -> nn.Module:
        return PooledMaps(self.encoder) if self.on_maps else self.encoder

    def forward(
        self,
        images: UInt8[Tensor, "pairs 2 height width 3"],
        relative_images: UInt8[Tensor, "pairs 2 height width 3"] | None = None,
    ) -> dict[str, Tensor]:
        """Return what the losses of these pairs need.

        Args:
            images: Pairs of views.
            relative_images: Other pairs for the relative heads, if they have their own.

        Returns:
            `projections`, a row per view; `relation/<name>`, a row per pair; `log_scale/<name>`,
            one number. Rows of several batches, and of several processes, may be put together.
        """
        outputs: dict[str, Tensor] = {}
        encoded = self._encode(images)
        if self.projection is not None:
            outputs[PROJECTIONS] = self.projection(encoded)
        scales = dict(self.log_scales.items())
        if self.relative is not None:
            seen = encoded if relative_images is None else self._encode(relative_images)
            features = pool_2x2(seen).flatten(1) if self.on_maps else seen
            relations = self.relative(features)
            outputs |= {RELATION + name: rows for name, rows in relations.items()}
            scales |= dict(self.relative.log_scales.items())
        return outputs | {LOG_SCALE + name: scale.reshape(1) for name, scale in scales.items()}

    def _encode(self, images: UInt8[Tensor, "pairs 2 height width 3"]) -> Tensor:
        encode = self.encoder.maps if self.on_maps else self.encoder
        return self.numerics.encode(encode, images.flatten(0, 1))
