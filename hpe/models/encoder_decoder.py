"""An encoder and a decoder of axes as one network."""

from jaxtyping import Float
from torch import Tensor, nn

from hpe.models.axis_decoders import Decoder
from hpe.models.decoded_axes import DecodedAxes
from hpe.models.encoders import Encoder


class EncoderDecoder(nn.Module):
    """From images in [0, 1] to distributions of joints along axes."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        """Join the two."""
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> DecodedAxes:
        """Return what the decoder says of the encoder's pyramid."""
        decoded: DecodedAxes = self.decoder(*self.encoder.pyramid(images))
        return decoded
