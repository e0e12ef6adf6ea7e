"""Towers that widen coarse maps, block by block, until their sides are the bins of axes."""

from jaxtyping import Float
from torch import Tensor, cat, nn
from torch.nn.functional import relu

MERGE_AFTER = 2
"""Blocks that bring maps from 1/32 of an image's resolution to the 1/8 of the fine ones."""


class UpsamplingBlock(nn.Module):
    """Doubles a map's sides: transposed convolution (4x4, stride 2), ReLU, batch norm (S2's block).

    `dense` mixes channels in the convolution; otherwise each channel is widened alone and a 1x1
    convolution mixes them.
    """

    def __init__(self, before: int, after: int, *, dense: bool) -> None:
        super().__init__()
        self.mix: nn.Module = nn.Identity()
        if dense:
            self.widen = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)
        else:
            self.widen = nn.ConvTranspose2d(before, before, 4, stride=2, padding=1, groups=before)
            self.mix = nn.Conv2d(before, after, 1)
        self.norm = nn.BatchNorm2d(after)

    def forward(
        self, maps: Float[Tensor, "batch before height width"]
    ) -> Float[Tensor, "batch after tall wide"]:
        """Return maps of twice the sides."""
        widened: Tensor = self.norm(relu(self.mix(self.widen(maps))))
        return widened


class Tower(nn.Module):
    """Upsampling blocks of one width; the first is dense unless it is to be `lite`."""

    def __init__(
        self, channels: int, *, width: int, blocks: int, lite: bool, fine_channels: int | None
    ) -> None:
        """Build a tower.

        Args:
            channels: Of the coarse maps.
            width: Channels after every block.
            blocks: Each doubles the sides.
            lite: Whether no block is dense.
            fine_channels: Of the maps to be merged in after two blocks; None to merge none.
        """
        super().__init__()
        self.blocks = nn.ModuleList(
            UpsamplingBlock(
                channels if number == 0 else width, width, dense=number == 0 and not lite
            )
            for number in range(blocks)
        )
        self.merge = None if fine_channels is None else nn.Conv2d(width + fine_channels, width, 1)

    def forward(
        self,
        coarse: Float[Tensor, "batch channels height width"],
        fine: Float[Tensor, "batch fine_channels fine_height fine_width"],
    ) -> Float[Tensor, "batch tower_width tall wide"]:
        """Return the last block's maps."""
        maps = coarse
        for number, block in enumerate(self.blocks, start=1):
            maps = block(maps)
            if self.merge is not None and number == MERGE_AFTER:
                maps = relu(self.merge(cat([maps, fine], dim=1)))
        return maps
