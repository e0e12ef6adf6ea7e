"""A decoder that finds joints in the plane by their graph and lifts them to space (S2's GraphPose).

Known of S2's are its order (ResNet-50, a graph network to 2D, a Graph-U-Net to 3D), which is that
of HOPE-Net (Doosti et al., 2020), and the U-Net's nodes and features. Taken here: the first guess
in the plane is linear in the mean of the coarse maps; three convolutions over the hand's graph,
told that mean beside each joint's guess, move it; the U-Net knows the points alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from hpe.geometry.skeleton import NUM_JOINTS
from hpe.models.decoded_axes import DecodedAxes, without_bins
from hpe.models.graph_unet import FEATURES, GraphConvolution, GraphUNet
from hpe.models.seeding import seeded_weights


class GraphDecoder(nn.Module):
    """From the mean of the coarse maps to points of the view, to space."""

    def __init__(self, coarse_channels: int, *, width: int, seed: int) -> None:
        """Build one.

        Args:
            coarse_channels: Of the coarse maps.
            width: Features of a node on the way to the plane.
            seed: Of its weights.
        """
        super().__init__()
        with seeded_weights(seed):
            self.guess = nn.Linear(coarse_channels, 2 * NUM_JOINTS)
            self.context = nn.Linear(coarse_channels, width)
            self.plane = nn.ModuleList(
                [
                    GraphConvolution(NUM_JOINTS, 2 + width, width),
                    GraphConvolution(NUM_JOINTS, width, width),
                    GraphConvolution(NUM_JOINTS, width, 2),
                ]
            )
            self.lift = GraphUNet(before=2)
            self.space = nn.Linear(FEATURES[0], 3, bias=False)
        nn.init.zeros_(self.space.weight)
        self.mean = nn.Parameter(torch.full((NUM_JOINTS, 3), 0.5))

    def start_from(self, mean_shares: Float[Tensor, "21 3"]) -> None:
        """Make this pose what the decoder says before it has learnt."""
        self.mean.data.copy_(mean_shares)

    def forward(
        self,
        _fine: Float[Tensor, "batch fine_channels fine_height fine_width"],
        coarse: Float[Tensor, "batch coarse_channels side side"],
    ) -> DecodedAxes:
        """Return shares, and the points that they were lifted from."""
        seen = coarse.mean(dim=(-2, -1))
        guess = self.guess(seen).reshape(-1, NUM_JOINTS, 2)
        context = self.context(seen)[:, None].expand(-1, NUM_JOINTS, -1)
        first, second, last = self.plane
        nodes = relu(second(relu(first(torch.cat([guess, context], dim=-1)))))
        plane = guess + last(nodes)
        shares = self.mean + self.space(self.lift(plane))
        return without_bins(shares.float(), plane=plane.float())
