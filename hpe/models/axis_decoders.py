"""Decoders that say where 21 joints are along x, y and z, most by distributions over bins.

S2's family. Two towers widen an encoder's coarse maps, one for x and y and one for z. A tower's
maps, averaged over their height, are features of the columns (x, and z from its own tower); over
their width, of the rows (y). A convolution over each axis makes logits of 21 joints, and a joint is
where their softmax has its mean (`hpe.geometry.axis_bins`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from hpe.config import Config
from hpe.geometry.axis_bins import mean_share
from hpe.geometry.skeleton import NUM_JOINTS
from hpe.models.axis_towers import MERGE_AFTER, Tower
from hpe.models.decoded_axes import DecodedAxes, without_bins
from hpe.models.graph_decoder import GraphDecoder
from hpe.models.heads import PoseHead
from hpe.models.lifted_decoder import LiftedDecoder
from hpe.models.seeding import seeded_weights

AXES = ("x", "y", "z")
DILATIONS = (4, 8, 16)  # S2's F4
BOTTLENECK = 2  # channels before the towers of F3 and F4, in widths
BOTTLENECKED = ("f3", "f4")
MERGING = ("f2", "lifted")  # kinds that read the fine maps

DecoderKind = Literal["f1", "f2", "f3", "f4", "regression", "lifted", "graph"]

TOWERS = frozenset({"lite", "blocks", "width"})
READ: Mapping[DecoderKind, frozenset[str]] = MappingProxyType(
    {
        "f1": TOWERS | {"bins", "compat"},
        "f2": TOWERS | {"bins", "compat"},
        "f3": TOWERS | {"bins", "compat"},
        "f4": TOWERS | {"bins", "compat", "dropout_prob"},
        "regression": frozenset(),
        "lifted": TOWERS | {"beta"},
        "graph": frozenset({"width"}),
    }
)
"""The settings that each kind reads."""


class DecoderConfig(Config):
    """Settings of a decoder; the defaults are those of S2's final model.

    Attributes:
        kind: `f1`: the two towers on the coarse maps. `f2`: they merge in the maps at 1/8 of the
            resolution. `f3`: a 1x1 convolution to two widths comes before the towers, for encoders
            with many channels. `f4`: after the same convolution, each axis's logits come from
            convolutions with dilations 1, 4, 8 and 16, with dropout. `regression`: one linear layer
            from the mean of the coarse maps to 63 numbers, no bins. `lifted` and `graph` find
            joints in the view first, by heatmaps (`hpe.models.lifted_decoder`) or by their graph
            (`hpe.models.graph_decoder`), and lift them; no bins. Of S2's F2 to F4 what they merge,
            their dilations and dropout are known, and how many weights they have: 52.0, 25.8 and
            44.7 million on ResNet-101, -50 and -101, where these have 51.2, 25.2 and 44.7. The rest
            of them is ours.
        lite: No convolution of a tower is dense, not even the first, as in S2's EffLitePose. On
            ResNet-101 with `f2` that leaves 43.4 million weights; S2's ReLitePose has 49.0 million,
            so that something in it is denser; what, is not known.
        blocks: Of each tower; each doubles the coarse maps' sides (112 = 7 x 2^4 for 224 px).
        width: Channels of the towers; of `graph`, features of a joint.
        bins: Bins per axis; None for as many as the towers' maps have rows. Otherwise features are
            interpolated along the axis.
        dropout_prob: Of `f4`.
        beta: Of `lifted`: how sharp its soft-argmax over heatmaps is.
        compat: `s2` counts bins from their edge, half a bin too low, so that the mean of a flat
            distribution is not the middle of the box.
    """

    kind: DecoderKind = "f1"
    lite: bool = False
    blocks: int = Field(4, ge=1, le=6)
    width: int = Field(128, ge=1)
    bins: int | None = Field(None, ge=2)
    dropout_prob: float = Field(0.5, ge=0, lt=1)
    beta: float = Field(100.0, gt=0)
    compat: Literal["none", "s2"] = "none"

    @property
    def has_bins(self) -> bool:
        """Whether the decoder says distributions."""
        return "bins" in READ[self.kind]

    @property
    def has_plane(self) -> bool:
        """Whether the decoder says where in the view joints are."""
        return self.kind in ("lifted", "graph")

    @property
    def has_heatmaps(self) -> bool:
        """Whether it says so by heatmaps."""
        return self.kind == "lifted"

    def canonical(self) -> "DecoderConfig":
        """Return the settings without those that this kind of decoder does not read."""
        return DecoderConfig.model_validate(self.model_dump(include={*READ[self.kind], "kind"}))

    def require_input(self, image_px: int) -> None:
        """Refuse an image whose maps do not fit together.

        Raises:
            ValueError: If maps are to be merged that cannot meet.
        """
        if self.kind not in MERGING:
            return
        if self.blocks < MERGE_AFTER:
            raise ValueError(
                f"decoder/blocks must be at least {MERGE_AFTER} for decoder/kind={self.kind}, "
                f"which merges maps after {MERGE_AFTER}, got {self.blocks}"
            )
        if image_px % 32:
            raise ValueError(
                f"image_px must be a multiple of 32 for decoder/kind={self.kind}, or the maps at "
                f"1/8 and 1/32 of the resolution do not meet, got {image_px}"
            )


class AxisDecoder(nn.Module):
    """The decoders with bins."""

    def __init__(
        self, fine_channels: int, coarse_channels: int, config: DecoderConfig, *, seed: int
    ) -> None:
        """Build one for maps of these channels."""
        super().__init__()
        self._bins, self._from_edge = config.bins, config.compat == "s2"
        with seeded_weights(seed):
            self.bottleneck: nn.Conv2d | None = None
            if config.kind in BOTTLENECKED:
                self.bottleneck = nn.Conv2d(coarse_channels, BOTTLENECK * config.width, 1)
                coarse_channels = BOTTLENECK * config.width
            self.towers = nn.ModuleDict(
                {
                    name: Tower(
                        coarse_channels,
                        width=config.width,
                        blocks=config.blocks,
                        lite=config.lite,
                        fine_channels=fine_channels if config.kind == "f2" else None,
                    )
                    for name in ("xy", "z")
                }
            )
            self.axes = nn.ModuleDict({axis: _axis_head(config) for axis in AXES})

    def start_from(self, mean_shares: Float[Tensor, "21 3"]) -> None:
        """Do nothing: no bias moves a mean over bins, which starts at the middle of the box."""

    def forward(
        self,
        fine: Float[Tensor, "batch fine_channels fine_height fine_width"],
        coarse: Float[Tensor, "batch coarse_channels side side"],
    ) -> DecodedAxes:
        """Return distributions and their means."""
        if self.bottleneck is not None:
            coarse = relu(self.bottleneck(coarse))
        plane, depth = self.towers["xy"](coarse, fine), self.towers["z"](coarse, fine)
        along = {"x": plane.mean(dim=-2), "y": plane.mean(dim=-1), "z": depth.mean(dim=-2)}
        logits = torch.stack(
            [self.axes[axis](resampled(along[axis], self._bins)) for axis in AXES], dim=2
        )
        logits = logits.float()  # towers may be computed in bfloat16, means over bins may not
        return DecodedAxes(mean_share(logits, from_edge=self._from_edge), logits)


class RegressionDecoder(nn.Module):
    """The plain decoder: the mean of the coarse maps, and one linear layer to 21 x 3 shares."""

    def __init__(self, coarse_channels: int) -> None:
        super().__init__()
        self.pose = PoseHead(coarse_channels)

    def start_from(self, mean_shares: Float[Tensor, "21 3"]) -> None:
        """Make this pose what the decoder says before it has learnt."""
        self.pose.start_from(mean_shares)

    def forward(
        self,
        _fine: Float[Tensor, "batch fine_channels fine_height fine_width"],
        coarse: Float[Tensor, "batch coarse_channels side side"],
    ) -> DecodedAxes:
        """Return shares, and logits of no bins."""
        return without_bins(self.pose(coarse.mean(dim=(-2, -1))).float())


class DilatedAxis(nn.Module):
    """Logits of an axis from convolutions of several reaches (atrous spatial pyramid pooling)."""

    def __init__(self, width: int, *, dropout_prob: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                nn.Conv1d(width, width, 1),
                *(nn.Conv1d(width, width, 3, dilation=d, padding=d) for d in DILATIONS),
            ]
        )
        self.join = nn.Sequential(
            nn.Dropout(dropout_prob), nn.Conv1d(width * len(self.branches), NUM_JOINTS, 1)
        )

    def forward(
        self, features: Float[Tensor, "batch width bins"]
    ) -> Float[Tensor, "batch 21 bins"]:
        """Return the logits of 21 joints."""
        logits: Tensor = self.join(torch.cat([relu(b(features)) for b in self.branches], dim=1))
        return logits


Decoder = AxisDecoder | RegressionDecoder | LiftedDecoder | GraphDecoder


def build_decoder(config: DecoderConfig, *, channels: tuple[int, int], seed: int) -> Decoder:
    """Build the decoder for an encoder's pyramid; random weights depend on the seed alone.

    Args:
        config: Its settings.
        channels: Of the fine and of the coarse maps.
        seed: Of its weights.
    """
    if config.kind == "regression":
        return RegressionDecoder(channels[1])
    if config.kind == "graph":
        return GraphDecoder(channels[1], width=config.width, seed=seed)
    if config.kind == "lifted":
        return LiftedDecoder(
            *channels,
            width=config.width,
            blocks=config.blocks,
            lite=config.lite,
            beta=config.beta,
            seed=seed,
        )
    return AxisDecoder(*channels, config, seed=seed)


def resampled(
    features: Float[Tensor, "batch width rows"], bins: int | None
) -> Float[Tensor, "batch width bins"]:
    """Return features at the middles of `bins` bins of the axis, linear between those of its rows.

    As `interpolate` gives, but as a product, whose gradient is deterministic on CUDA too.
    """
    rows = features.shape[-1]
    if bins is None or bins == rows:
        return features
    with torch.no_grad():
        unit = torch.eye(rows, dtype=features.dtype, device=features.device)
        weights = interpolate(unit[None], size=bins, mode="linear")[0]
    return features @ weights


def _axis_head(config: DecoderConfig) -> nn.Module:
    if config.kind == "f4":
        return DilatedAxis(config.width, dropout_prob=config.dropout_prob)
    return nn.Conv1d(config.width, NUM_JOINTS, 1)
