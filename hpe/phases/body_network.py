"""An encoder, of which the first stages may stay as they are, and a head on bodies."""

from collections.abc import Sequence

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from hpe.models.encoders import Encoder
from hpe.models.stages import first_stages
from hpe.models.volumetric import BodyHead, DirectHead, build_body_head
from hpe.phases.body_config import BodyPoseConfig
from hpe.phases.phase import PhaseInputs
from hpe.phases.precision import Numerics
from hpe.phases.starting_encoder import starting_encoder


class BodyNetwork(nn.Module):
    """From images to joints in S4's coordinates.

    Volumes are made in the encoder's number format, and added up in float32; the layers of direct
    regression are float32.
    """

    def __init__(
        self,
        encoder: Encoder,
        head: BodyHead,
        numerics: Numerics,
        *,
        unchanging: Sequence[nn.Module] = (),
    ) -> None:
        """Join the two.

        Args:
            encoder: With `maps`, if the head reads them.
            head: What reads it.
            numerics: How they are computed.
            unchanging: Parts of the encoder that stay in evaluation mode while training.
        """
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.numerics = numerics
        self._unchanging = tuple(unchanging)

    def train(self, mode: bool = True) -> "BodyNetwork":
        """Set the mode of all but the parts that do not change."""
        super().train(mode)
        for module in self._unchanging:
            module.eval()
        return self

    def forward(self, images: UInt8[Tensor, "batch height width 3"]) -> Float[Tensor, "batch 17 3"]:
        """Return (x, y, z) per joint, in float32."""
        if isinstance(self.head, DirectHead):
            points: Tensor = self.head(self.numerics.encode(self.encoder, images))
            return points
        return self.numerics.encode(self._points_on_maps, images)

    def _points_on_maps(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 17 3"]:
        points: Tensor = self.head(self.encoder.maps(images))
        return points


def build_body_network(
    config: BodyPoseConfig,
    inputs: PhaseInputs,
    numerics: Numerics,
    *,
    mean_points: Float[Tensor, "17 3"],
) -> BodyNetwork:
    """Build the network on its device; random weights depend on the seed alone.

    Args:
        config: The phase's settings.
        inputs: What it works on; a pretrained encoder among them is taken.
        numerics: Where and how it is computed.
        mean_points: Mean of the training targets, where direct regression starts.
    """
    encoder = starting_encoder(config.encoder, inputs)
    head = build_body_head(config.head, encoder, seed=inputs.seed)
    if isinstance(head, DirectHead):
        head.start_from(mean_points)
    frozen = first_stages(encoder, config.frozen_stages, name=config.encoder.name)
    for module in frozen:
        module.requires_grad_(False)
    if config.head.on_maps:
        encoder.train_maps_only()
    unchanging = frozen if config.frozen_statistics else []
    return numerics.placed(BodyNetwork(encoder, head, numerics, unchanging=unchanging))
