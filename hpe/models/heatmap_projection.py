"""Projection heads on an encoder's maps: heatmaps, and the points that they mean (S0)."""

from jaxtyping import Float
from torch import Tensor, nn

from hpe.geometry.soft_argmax import normalized_from_cells, soft_argmax
from hpe.models.seeding import seeded_weights


class HeatmapProjection(nn.Module):
    """3x3 convolution, batch norm, ReLU, 3x3 convolution, to out / 2 maps.

    Borders are padded so that the maps span the view as the encoder's maps do, which undoing a
    view's affine relies on.
    """

    def __init__(self, in_channels: int, *, hidden: int, out: int, seed: int) -> None:
        super().__init__()
        with seeded_weights(seed):
            self.layers = nn.Sequential(
                nn.Conv2d(in_channels, hidden, 3, padding=1, bias=False),
                nn.BatchNorm2d(hidden),
                nn.ReLU(),
                nn.Conv2d(hidden, out // 2, 3, padding=1, bias=False),
            )

    def forward(
        self, maps: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch points height width"]:
        """Return maps, which losses normalise."""
        projected: Tensor = self.layers(maps)
        return projected


class PointProjection(nn.Module):
    """Projects onto heatmaps and says where each has its mass."""

    def __init__(self, in_channels: int, *, hidden: int, out: int, seed: int) -> None:
        super().__init__()
        self.heatmaps = HeatmapProjection(in_channels, hidden=hidden, out=out, seed=seed)

    def forward(
        self, maps: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out"]:
        """Return out / 2 points (x, y) in normalised coordinates of the view, flattened."""
        logits: Tensor = self.heatmaps(maps)
        height, width = logits.shape[-2:]
        points = normalized_from_cells(soft_argmax(logits), height=height, width=width)
        return points.flatten(1)
