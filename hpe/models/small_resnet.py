"""A small residual network for training on CPUs."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu

NUM_STAGES = 4
FINE_STAGES = 2  # after which maps are at 1/8 of the resolution


def small_resnet_channels(width: int) -> int:
    """Return the channels of the last stage: each doubles those before it."""
    return width << (NUM_STAGES - 1)


def small_resnet_features(width: int) -> int:
    """Return the length of a feature: 2 x 2 cells of the last stage's channels."""
    return 4 * small_resnet_channels(width)


class SmallResNet(nn.Module):
    """Four stages of one basic block (He et al., 2016), then 2x2 average pooling, flattened.

    As in larger ResNets, the stem and a max pooling bring the image to a quarter; each later stage
    halves it again while doubling the channels. Pooling to 2x2 instead of 1x1 keeps where things
    are, which pose needs and a narrow network cannot otherwise carry.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = [width << stage for stage in range(NUM_STAGES)]
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        self.stages = nn.Sequential(
            BasicBlock(width, width, stride=1),
            *(BasicBlock(before, after, stride=2) for before, after in pairwise(channels)),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch features"]:
        """Return features of normalised images whose sides are at least 33 px."""
        return pool_2x2(self.forward_features(images)).flatten(1)

    def forward_features(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels map_height map_width"]:
        """Return the last stage's maps, at 1/32 of the resolution; named as in timm's networks."""
        return self.pyramid(images)[1]

    def pyramid(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch fine_channels fine_height fine_width"],
        Float[Tensor, "batch channels map_height map_width"],
    ]:
        """Return the maps at 1/8 and at 1/32 of the resolution."""
        maps = max_pool2d(relu(self.stem(images)), 3, stride=2, padding=1)
        fine: Tensor = self.stages[:FINE_STAGES](maps)
        maps = self.stages[FINE_STAGES:](fine)
        return fine, maps


class BasicBlock(nn.Module):
    """relu(shortcut(x) + conv-norm-relu-conv-norm(x)); the shortcut projects when shapes differ."""

    def __init__(self, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(
        self, maps: Float[Tensor, "batch before height width"]
    ) -> Float[Tensor, "batch after height2 width2"]:
        """Return the block's output, smaller by its stride."""
        out = self.norm2(self.conv2(relu(self.norm1(self.conv1(maps)))))
        return relu(out + self.shortcut(maps))


def pool_2x2(
    maps: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels 2 2"]:
    """Average into 2x2 windows, which overlap by one where a side is odd.

    The same as `adaptive_avg_pool2d(maps, 2)`, whose gradient is not deterministic on CUDA.

    Raises:
        ValueError: If a side is shorter than 2.
    """
    height, width = maps.shape[-2:]
    if min(height, width) < 2:
        raise ValueError(
            f"pooling to 2x2 needs maps of at least 2x2, got {height}x{width}; use larger images "
            "(for small_resnet at least 33 px)."
        )
    window = (height + 1) // 2, (width + 1) // 2
    return avg_pool2d(maps, window, stride=(height // 2, width // 2))
