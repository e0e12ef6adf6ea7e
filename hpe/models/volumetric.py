"""Heads that say where a body's joints are: by volumes of logits, or by regression (S4's two).

Both answer in S4's coordinates: (u / W - 1/2, v / H - 1/2, depth as a share of the volume's), so
that the pelvis of a centred body is at 0 and what the network sees lies within [-1/2, 1/2].
"""

from itertools import pairwise
from typing import Literal

from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from hpe.config import Config
from hpe.geometry.body_skeleton import NUM_BODY_JOINTS
from hpe.geometry.volume import volume_means
from hpe.models.encoders import Encoder
from hpe.models.seeding import seeded_weights

S4_DEPTHS = (72, 64)
S4_ONE_BASED_DEPTH = 64
START_STD = 0.001  # of the weights of all convolutions, as Xiao et al. (2018) start theirs


class BodyHeadConfig(Config):
    """Settings of the head on a body's encoder.

    Attributes:
        kind: `volumetric` reads the encoder's maps and says a volume of logits for each joint
            (integral regression, Sun et al., 2018); `direct` reads its feature and says
            coordinates, as S4's AlexNet baseline does.
        depth: Cells of the volume along the optical axis. Width and height follow from the image:
            with `upsamplings` 3 they are a quarter of its sides.
        upsamplings: Transposed convolutions, each of which doubles the encoder's maps.
        channels: Of each of them.
        hidden: Width of the two hidden layers of `direct`.
        compat: `s4` counts depth cells from 1 where there are 64 of them, from 0 where there are
            72, and knows no other depths. Otherwise cells count from 0 whatever the depth.
    """

    kind: Literal["volumetric", "direct"] = "volumetric"
    depth: int = Field(72, ge=2)
    upsamplings: int = Field(3, ge=0, le=5)
    channels: int = Field(256, ge=1)
    hidden: int = Field(4096, ge=1)
    compat: Literal["none", "s4"] = "none"

    @model_validator(mode="after")
    def _has_a_depth_that_s4_knows(self) -> "BodyHeadConfig":
        if self.kind == "volumetric" and self.compat == "s4" and self.depth not in S4_DEPTHS:
            raise ValueError(
                f"compat=s4 counts depth cells for depth 72 and 64 only, got {self.depth}; "
                "use compat=none"
            )
        return self

    @property
    def on_maps(self) -> bool:
        """Whether the head reads an encoder's maps."""
        return self.kind == "volumetric"

    @property
    def first_depth_cell(self) -> int:
        """The number of the volume's nearest cell."""
        return int(self.compat == "s4" and self.depth == S4_ONE_BASED_DEPTH)

    def canonical(self) -> "BodyHeadConfig":
        """Return the settings without those that this kind of head does not read."""
        fields = type(self).model_fields
        read = {"kind", "hidden"} if self.kind == "direct" else {*fields} - {"hidden"}
        unread = {name: field.default for name, field in fields.items() if name not in read}
        if not self.first_depth_cell:
            unread["compat"] = "none"
        return self.model_copy(update=unread)


class VolumetricHead(nn.Module):
    """Transposed convolutions to a volume of logits per joint, and where each has its mass.

    S4's cells lie at their left edges: the middle of a flat volume is half a cell off 0. What a
    network learns makes up for that shift.
    """

    def __init__(self, in_channels: int, config: BodyHeadConfig, *, seed: int) -> None:
        super().__init__()
        self._first_depth_cell = config.first_depth_cell
        widths = [in_channels, *[config.channels] * config.upsamplings]
        with seeded_weights(seed):
            self.upsampling = nn.Sequential(
                *(layer for pair in pairwise(widths) for layer in _doubling(*pair))
            )
            self.volumes = nn.Conv2d(widths[-1], NUM_BODY_JOINTS * config.depth, 1)
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                    nn.init.normal_(module.weight, std=START_STD)
        assert self.volumes.bias is not None
        nn.init.zeros_(self.volumes.bias)

    def logits(
        self, maps: Float[Tensor, "batch in_channels map_height map_width"]
    ) -> Float[Tensor, "batch 17 depth height width"]:
        """Return each joint's volume."""
        volumes: Tensor = self.volumes(self.upsampling(maps))
        return volumes.reshape(len(maps), NUM_BODY_JOINTS, -1, *volumes.shape[2:])

    def forward(
        self, maps: Float[Tensor, "batch in_channels map_height map_width"]
    ) -> Float[Tensor, "batch 17 3"]:
        """Return (x, y, z) per joint in S4's coordinates, in float32 or finer."""
        return points_of_volume(self.logits(maps), first_depth_cell=self._first_depth_cell)


class DirectHead(nn.Module):
    """Two hidden layers from a feature to coordinates: S4's regression, on any encoder.

    The last layer's weights start at zero, so that training starts from its bias.
    """

    def __init__(self, in_dim: int, *, hidden: int, seed: int) -> None:
        super().__init__()
        with seeded_weights(seed):
            self.layers = nn.Sequential(
                nn.Linear(in_dim, hidden),
                nn.ReLU(),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
            )
            self.last = nn.Linear(hidden, NUM_BODY_JOINTS * 3)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def start_from(self, mean_points: Float[Tensor, "17 3"]) -> None:
        """Make these points what the head says before it has learnt."""
        self.last.bias.data.copy_(mean_points.flatten())

    def forward(self, features: Float[Tensor, "batch in_dim"]) -> Float[Tensor, "batch 17 3"]:
        """Return (x, y, z) per joint in S4's coordinates."""
        flat: Tensor = self.last(self.layers(features))
        return flat.reshape(-1, NUM_BODY_JOINTS, 3)


BodyHead = VolumetricHead | DirectHead


def points_of_volume(
    logits: Float[Tensor, "batch joints depth height width"], *, first_depth_cell: int = 0
) -> Float[Tensor, "batch joints 3"]:
    """Return (x / width - 1/2, y / height - 1/2, z / depth - 1/2) of each volume's mean cell.

    Args:
        logits: A volume per joint.
        first_depth_cell: The number of the nearest cell; the others' count from 0.
    """
    means = volume_means(logits)
    depth, height, width = logits.shape[2:]
    first = means.new_tensor([0, 0, first_depth_cell])
    return (means + first) / means.new_tensor([width, height, depth]) - 0.5


def build_body_head(config: BodyHeadConfig, encoder: Encoder, *, seed: int) -> BodyHead:
    """Build the head that fits an encoder; random weights depend on the seed alone.

    Raises:
        ValueError: If the head reads maps and the encoder has none.
    """
    if config.kind == "direct":
        return DirectHead(encoder.feature_dim, hidden=config.hidden, seed=seed)
    return VolumetricHead(encoder.map_channels, config, seed=seed)


def _doubling(before: int, after: int) -> tuple[nn.Module, ...]:
    return (
        nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
