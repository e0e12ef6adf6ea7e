"""Heads that say a 2.5D pose, from one feature per image or from maps of features."""

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hpe.config import Config
from hpe.geometry.palm import Root
from hpe.geometry.skeleton import NUM_JOINTS
from hpe.geometry.soft_argmax import normalized_from_cells, soft_argmax
from hpe.models.encoders import Encoder
from hpe.models.heads import PoseHead
from hpe.models.seeding import seeded_weights

MLP_HIDDEN = 128  # S0's head before it became linear
HEATMAP_HIDDEN = 64  # S0's
S0_MARGIN = 4  # cells that two 3x3 convolutions without padding take off a map's sides, in all


class PoseHeadConfig(Config):
    """Settings of the head that finetuning trains.

    Attributes:
        kind: `linear` and `mlp` (one hidden layer) read the feature; `heatmap` reads maps: for each
            joint one of where it is and one of how deep it is.
        hidden: Channels between the layers of `mlp` and `heatmap`; None for S0's, 128 and 64.
        root: The joint that depths are relative to and that is predicted in the wrist's place:
            the wrist, S0's palm (the middle between wrist and index MCP) or that of PeCLR's
            finetuned network (wrist and middle MCP). Scores are always those of the wrist.
        denoiser: Learn to correct the analytic root depth.
        compat: `s0` builds `heatmap` as it was there: convolutions without padding and without
            activation, and a map's cell 0 at the image's edge rather than half a cell inside.
    """

    kind: Literal["linear", "mlp", "heatmap"] = "linear"
    hidden: int | None = Field(None, ge=1)
    root: Root = "wrist"
    denoiser: bool = False
    compat: Literal["none", "s0"] = "none"

    @property
    def on_maps(self) -> bool:
        """Whether the head reads an encoder's maps."""
        return self.kind == "heatmap"

    def canonical(self) -> "PoseHeadConfig":
        """Return the settings without those that this kind of head does not read."""
        unread: dict[str, str | None] = {}
        if self.kind == "linear":
            unread["hidden"] = None
        if self.kind != "heatmap":
            unread["compat"] = "none"
        return self.model_copy(update=unread)


class MlpPoseHead(nn.Module):
    """Linear, batch norm, ReLU, and `PoseHead`'s linear layer: S0's head before April 2021."""

    def __init__(self, in_dim: int, *, hidden: int, seed: int) -> None:
        super().__init__()
        with seeded_weights(seed):
            self.hidden = nn.Sequential(
                nn.Linear(in_dim, hidden), nn.BatchNorm1d(hidden), nn.ReLU()
            )
        self.pose = PoseHead(hidden)

    def start_from(self, mean_pose: Float[Tensor, "21 3"]) -> None:
        """Make this pose what the head says before it has learnt."""
        self.pose.start_from(mean_pose)

    def forward(self, features: Float[Tensor, "batch in_dim"]) -> Float[Tensor, "batch 21 3"]:
        """Return (u_n, v_n, zr) per joint."""
        output: Tensor = self.pose(self.hidden(features))
        return output


class HeatmapPoseHead(nn.Module):
    """Two 3x3 convolutions to 21 maps of logits and 21 maps of depths (Iqbal et al., 2018).

    A joint is where its logits' softmax has its mean, and as deep as its depth map is there on
    average. Joints near an edge are hard to reach on coarse maps: the mean lies within the centres
    of the outermost cells.
    """

    def __init__(
        self, in_channels: int, *, hidden: int, seed: int, compat: Literal["none", "s0"] = "none"
    ) -> None:
        super().__init__()
        self.compat = compat
        padding = 0 if compat == "s0" else 1
        with seeded_weights(seed):
            self.conv1 = nn.Conv2d(in_channels, hidden, 3, padding=padding)
            self.conv2 = nn.Conv2d(hidden, 2 * NUM_JOINTS, 3, padding=padding)

    def start_from(self, mean_pose: Float[Tensor, "21 3"]) -> None:
        """Make this pose's depths the depth maps' bias; a bias of logits would move nothing."""
        assert self.conv2.bias is not None
        self.conv2.bias.data[NUM_JOINTS:] = mean_pose[:, 2]

    def forward(
        self, maps: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch 21 3"]:
        """Return (u_n, v_n, zr) per joint."""
        if self.compat == "s0":
            if min(maps.shape[-2:]) <= S0_MARGIN:
                raise ValueError(
                    f"head/compat=s0 takes {S0_MARGIN} cells off each side of the maps, which are "
                    f"{maps.shape[-2]}x{maps.shape[-1]}: use larger images or an HRNet."
                )
            return pose_from_maps(self.conv2(self.conv1(maps)), from_edge=True)
        return pose_from_maps(self.conv2(self.conv1(maps).relu()), from_edge=False)


def pose_from_maps(
    maps: Float[Tensor, "batch 42 height width"], *, from_edge: bool
) -> Float[Tensor, "batch 21 3"]:
    """Return (u_n, v_n, zr) per joint from 21 maps of logits and 21 of depths.

    Args:
        maps: Logits of each joint, then its depths in bone lengths.
        from_edge: Whether cell 0 lies at the image's left edge, as where S0 multiplies cells by
            image size / map size; by rights its centre lies half a cell inside.
    """
    height, width = maps.shape[-2:]
    logits, depths = maps[:, :NUM_JOINTS], maps[:, NUM_JOINTS:]
    points = normalized_from_cells(soft_argmax(logits), height=height, width=width)
    if from_edge:
        points = points - 1 / points.new_tensor([width, height])
    mass = logits.flatten(2).softmax(dim=-1)
    depth_rel = (mass * depths.flatten(2)).sum(-1)
    return torch.cat([points, depth_rel[..., None]], dim=-1)


Head = PoseHead | MlpPoseHead | HeatmapPoseHead


def build_pose_head(config: PoseHeadConfig, encoder: Encoder, *, seed: int) -> Head:
    """Build the head that fits an encoder; random weights depend on the seed alone.

    Raises:
        ValueError: If the head reads maps and the encoder has none.
    """
    if config.kind == "linear":
        return PoseHead(encoder.feature_dim)
    if config.kind == "mlp":
        hidden = config.hidden or MLP_HIDDEN
        return MlpPoseHead(encoder.feature_dim, hidden=hidden, seed=seed)
    hidden = config.hidden or HEATMAP_HIDDEN
    return HeatmapPoseHead(encoder.map_channels, hidden=hidden, seed=seed, compat=config.compat)
