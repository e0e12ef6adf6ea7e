"""Convolutions padded as TensorFlow pads them for pictures of one side, whatever theirs.

efficientnet_pytorch, on which S2 is built, works out TensorFlow's SAME padding once, for the side
that an EfficientNet was designed for (380 px for B4), and pads pictures of any size by that. timm's
`tf_` networks pad each picture by its own size: at 224 px one of B4's convolutions then samples its
maps one cell beside where S2's does.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad


class PaddedConv2d(nn.Conv2d):
    """A convolution that pads by as much as it is told, on each side."""

    def __init__(self, source: nn.Conv2d, *, before: int, after: int) -> None:
        """Take over another convolution's weight.

        Args:
            source: Without bias.
            before: Cells of zeros above and to the left.
            after: Cells of zeros below and to the right.
        """
        super().__init__(
            source.in_channels,
            source.out_channels,
            source.kernel_size,  # type: ignore[arg-type]  # a tuple of any length to mypy
            stride=source.stride,  # type: ignore[arg-type]
            groups=source.groups,
            bias=False,
            device=torch.device("meta"),
        )
        self.weight = source.weight
        self.sides = (before, after, before, after)

    def forward(
        self, maps: Float[Tensor, "batch before height width"]
    ) -> Float[Tensor, "batch after tall wide"]:
        """Return the maps of the padded ones."""
        padded = pad(maps, self.sides)
        return conv2d(padded, self.weight, stride=self.stride, groups=self.groups)


def pad_for_side(trunk: nn.Module, side_px: int) -> None:
    """Make a timm `tf_` EfficientNet pad all pictures as those of this side.

    Only convolutions that halve maps pad by the size of these, and they come in their order.
    """
    side = side_px
    convolutions = {n: m for n, m in trunk.named_modules() if isinstance(m, nn.Conv2d)}
    for name, source in convolutions.items():
        if source.stride == (1, 1):
            continue
        before, after = same_padding(side, kernel=source.kernel_size[0], stride=source.stride[0])
        parent, _, own = name.rpartition(".")
        setattr(trunk.get_submodule(parent), own, PaddedConv2d(source, before=before, after=after))
        side = math.ceil(side / source.stride[0])


def same_padding(side: int, *, kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's SAME padding before and after a side; the odd cell comes after."""
    cells = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
    return cells // 2, cells - cells // 2
