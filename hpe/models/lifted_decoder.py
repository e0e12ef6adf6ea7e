"""A decoder that finds joints in the plane by heatmaps and lifts them to space (S2's HMLifted).

Known of S2's are a U-Net over ResNet-34 that ends in 42 channels, a 2D soft-argmax with beta = 100,
and a "feature decoder" from there to 3D; its U-Net's file is missing. Taken here:

- The U-Net's way up is a tower of upsampling blocks, one skip connection bringing in the maps at
  1/8 of the resolution.
- The 42 channels are two maps per joint: the heatmap, and one that is read where the heatmap has
  its mass, for what the plane does not show, such as depth (as Iqbal et al., 2018).
- The feature decoder is two hidden layers of 512 on the 21 points, what was read at them, and the
  mean of the coarse maps.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hpe.geometry.skeleton import NUM_JOINTS
from hpe.models.axis_towers import Tower
from hpe.models.decoded_axes import DecodedAxes, without_bins
from hpe.models.heads import PoseHead
from hpe.models.pose_heads import pose_from_maps
from hpe.models.seeding import seeded_weights

LIFT_HIDDEN = 512


class LiftedDecoder(nn.Module):
    """From maps to heatmaps, to points of the view, to space."""

    def __init__(
        self,
        fine_channels: int,
        coarse_channels: int,
        *,
        width: int,
        blocks: int,
        lite: bool,
        beta: float,
        seed: int,
    ) -> None:
        """Build one for maps of these channels.

        Args:
            fine_channels: Of the maps at 1/8 of the resolution.
            coarse_channels: Of those at 1/32.
            width: Channels of the tower.
            blocks: Of the tower; each doubles the coarse maps' sides.
            lite: Whether no block of it is dense.
            beta: Heatmaps times this are the logits of the soft-argmax.
            seed: Of its weights.
        """
        super().__init__()
        self.beta = beta
        with seeded_weights(seed):
            self.tower = Tower(
                coarse_channels, width=width, blocks=blocks, lite=lite, fine_channels=fine_channels
            )
            self.maps = nn.Conv2d(width, 2 * NUM_JOINTS, 1)
            self.lift = nn.Sequential(
                nn.Linear(3 * NUM_JOINTS + coarse_channels, LIFT_HIDDEN),
                nn.ReLU(),
                nn.Linear(LIFT_HIDDEN, LIFT_HIDDEN),
                nn.ReLU(),
            )
        self.pose = PoseHead(LIFT_HIDDEN)

    def start_from(self, mean_shares: Float[Tensor, "21 3"]) -> None:
        """Make this pose what the decoder says before it has learnt."""
        self.pose.start_from(mean_shares)

    def forward(
        self,
        fine: Float[Tensor, "batch fine_channels fine_height fine_width"],
        coarse: Float[Tensor, "batch coarse_channels side side"],
    ) -> DecodedAxes:
        """Return shares, and the points and heatmaps that they were lifted from."""
        maps = self.maps(self.tower(coarse, fine)).float()
        heatmaps, read = maps.split(NUM_JOINTS, dim=1)
        seen = pose_from_maps(torch.cat([self.beta * heatmaps, read], dim=1), from_edge=False)
        known = torch.cat([seen.flatten(1), coarse.mean(dim=(-2, -1))], dim=1)
        shares = self.pose(self.lift(known)).float()
        return without_bins(shares, plane=seen[..., :2], heatmaps=heatmaps)
