"""Where a network runs, in which number format and memory layout."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

Precision = Literal["fp32", "bf16"]
Module = TypeVar("Module", bound=nn.Module)
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Numerics:
    """How the encoder's forward and backward passes are computed.

    Weights, heads, losses and metrics are float32 or finer whatever is chosen here.

    Attributes:
        device: Where weights and batches live.
        precision: `bf16` runs the encoder under autocast.
        channels_last: Lay images and convolution weights out with channels innermost.
    """

    device: torch.device
    precision: Precision
    channels_last: bool

    def placed(self, module: Module) -> Module:
        """Move a module to the device and layout."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        module.to(self.device).to(memory_format=layout)  # type: ignore[call-overload]  # undeclared
        return module

    def network_input(
        self, images: UInt8[Tensor, "batch height width 3"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return images as the encoders expect them, in [0, 1].

        Stored images already lie in memory as channels_last, which is kept unless declined.
        """
        pixels = images.to(self.device).permute(0, 3, 1, 2).to(torch.float32).div_(255)
        return pixels if self.channels_last else pixels.contiguous()

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which networks are computed."""
        bf16 = self.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16)

    def encode(
        self, encoder: Encode, images: UInt8[Tensor, "batch height width 3"]
    ) -> Float[Tensor, "batch *feature"]:
        """Return float32 features, or float32 maps where `encoder` is an encoder's `maps`."""
        with self.autocast():
            features: Tensor = encoder(self.network_input(images))
        return features.float()


class EncodedHead(nn.Module):
    """An encoder and a head as one module, so that gradients are shared between processes once."""

    def __init__(
        self, encoder: nn.Module, head: nn.Module, numerics: Numerics, *, on_maps: bool = False
    ) -> None:
        """Join the two.

        Args:
            encoder: With `maps`, if the head reads them.
            head: From the encoder's features, or its maps, to whatever it says.
            numerics: How the encoder is computed.
            on_maps: Whether the head reads maps.
        """
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.numerics = numerics
        self.on_maps = on_maps

    def encode(
        self, images: UInt8[Tensor, "batch height width 3"]
    ) -> Float[Tensor, "batch *feature"]:
        """Return what the head reads, in float32."""
        encoder: Encode = self.encoder.maps if self.on_maps else self.encoder  # type: ignore[assignment]  # Module's attributes
        return self.numerics.encode(encoder, images)

    def forward(self, images: UInt8[Tensor, "batch height width 3"]) -> Tensor:
        """Return the head's output, in float32."""
        output: Tensor = self.head(self.encode(images))
        return output
