"""What sits on an encoder: a projection head for pretraining, a pose head for finetuning."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hpe.config import Config
from hpe.geometry.skeleton import NUM_JOINTS
from hpe.models.seeding import seeded_weights


class ProjectionHeadConfig(Config):
    """Settings of a projection head; the defaults are PeCLR's.

    Attributes:
        hidden: Width of the hidden layer.
        out: Length of a projection; an equivariant loss reads it as out / 2 points.
        kind: What is projected and compared: the encoder's feature to a `vector`; or its maps, by
            convolutions, to out / 2 heatmaps, which are compared cell by cell (`maps`) or by the
            `points` where they have their mass (S0's heatmap models).
    """

    hidden: int = Field(512, ge=1)
    out: int = Field(128, ge=2, multiple_of=2)
    kind: Literal["vector", "points", "maps"] = "vector"


class ProjectionHead(nn.Module):
    """Linear, batch norm, ReLU, linear without bias (Chen et al., 2020; PeCLR)."""

    def __init__(self, in_dim: int, config: ProjectionHeadConfig, *, seed: int) -> None:
        super().__init__()
        with seeded_weights(seed):
            self.layers = nn.Sequential(
                nn.Linear(in_dim, config.hidden),
                nn.BatchNorm1d(config.hidden),
                nn.ReLU(),
                nn.Linear(config.hidden, config.out, bias=False),
            )

    def forward(self, features: Float[Tensor, "batch in_dim"]) -> Float[Tensor, "batch out"]:
        """Return raw projections; losses normalise them."""
        projections: Tensor = self.layers(features)
        return projections


class PoseHead(nn.Module):
    """One linear layer from a feature to (u_n, v_n, zr) of each joint.

    Weights start at zero, so that training starts from the bias, the same constant hand whatever
    the encoder, and a fresh head cannot wreck a pretrained encoder with its first gradients. See
    `hpe.geometry.decoding` for what the numbers mean.
    """

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        with seeded_weights(0):  # the layer draws weights before they are zeroed
            self.linear = nn.Linear(in_dim, NUM_JOINTS * 3)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def start_from(self, mean_pose: Float[Tensor, "21 3"]) -> None:
        """Make this pose the bias: the mean of the training targets in head coordinates."""
        self.linear.bias.data.copy_(mean_pose.flatten())

    def forward(self, features: Float[Tensor, "batch in_dim"]) -> Float[Tensor, "batch 21 3"]:
        """Return (u_n, v_n, zr) per joint."""
        flat: Tensor = self.linear(features)
        return flat.reshape(-1, NUM_JOINTS, 3)
