"""Networks that lift 2D joints to 3D: a residual MLP and a semantic graph network."""

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hpe.config import Config
from hpe.geometry.body_skeleton import BODY_BONES, NUM_BODY_JOINTS
from hpe.models.seeding import seeded_weights

SMALLEST_SCALE = 1e-6


class LiftingConfig(Config):
    """Which network lifts.

    Attributes:
        kind: `residual_mlp` (Martinez et al., ICCV 2017) sees all joints as one vector;
            `semantic_graph` (Zhao et al., CVPR 2019) passes messages along bones, with learnt
            weights, and between all joints.
        width: Numbers per layer, for the graph per joint; 1024 and 128 in the papers.
        blocks: Residual blocks of two layers each; 2 and 4 in the papers.
        dropout: Share of numbers that training sets to 0; 0.5 and none in the papers.
    """

    kind: Literal["residual_mlp", "semantic_graph"] = "residual_mlp"
    width: int = Field(1024, ge=4)
    blocks: int = Field(2, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)


class Lifter(nn.Module):
    """A network between standardised coordinates; both standards are part of its state."""

    input_mean: Tensor
    input_scale: Tensor
    output_mean: Tensor
    output_scale: Tensor

    def __init__(self, network: nn.Module) -> None:
        """Wrap a network from (batch, 17, 2) to (batch, 17, 3)."""
        super().__init__()
        self.network = network
        for name, axes in (("input", 2), ("output", 3)):
            self.register_buffer(f"{name}_mean", torch.zeros(NUM_BODY_JOINTS, axes))
            self.register_buffer(f"{name}_scale", torch.ones(NUM_BODY_JOINTS, axes))

    @torch.no_grad()
    def standardise(
        self, inputs: Float[Tensor, "poses 17 2"], joints_mm: Float[Tensor, "poses 17 3"]
    ) -> None:
        """Take mean and standard deviation of each coordinate from training poses.

        A coordinate that does not vary, such as the pelvis's, has the scale 0: it is not learnt,
        and said to be its mean.
        """
        for name, values in (("input", inputs), ("output", joints_mm)):
            getattr(self, f"{name}_mean").copy_(values.mean(0))
            getattr(self, f"{name}_scale").copy_(values.std(0, correction=0))

    def standardised_joints(
        self, joints_mm: Float[Tensor, "batch 17 3"]
    ) -> Float[Tensor, "batch 17 3"]:
        """Return what the network should say for these joints."""
        scaled: Tensor = (joints_mm - self.output_mean) / _divisor(self.output_scale)
        return torch.where(self.output_scale > SMALLEST_SCALE, scaled, 0.0)

    def forward(self, inputs: Float[Tensor, "batch 17 2"]) -> Float[Tensor, "batch 17 3"]:
        """Return standardised joints."""
        scaled = (inputs - self.input_mean) / _divisor(self.input_scale)
        output: Tensor = self.network(scaled)
        return output

    def lift(self, inputs: Float[Tensor, "batch 17 2"]) -> Float[Tensor, "batch 17 3"]:
        """Return joints relative to the pelvis, in mm."""
        lifted: Tensor = self(inputs) * self.output_scale + self.output_mean
        return lifted


class ResidualMlp(nn.Module):
    """Linear layers with batch norm, ReLU and dropout, two to a residual block."""

    def __init__(self, config: LiftingConfig) -> None:
        """Make layers as the settings say."""
        super().__init__()
        self.first = self._layer(2 * NUM_BODY_JOINTS, config)
        self.blocks = nn.ModuleList(
            nn.Sequential(self._layer(config.width, config), self._layer(config.width, config))
            for _ in range(config.blocks)
        )
        self.last = nn.Linear(config.width, 3 * NUM_BODY_JOINTS)

    def forward(self, inputs: Float[Tensor, "batch 17 2"]) -> Float[Tensor, "batch 17 3"]:
        """Return joints."""
        features = self.first(inputs.flatten(1))
        for block in self.blocks:
            features = features + block(features)
        joints: Tensor = self.last(features)
        return joints.reshape(-1, NUM_BODY_JOINTS, 3)

    def _layer(self, inputs: int, config: LiftingConfig) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(inputs, config.width),
            nn.BatchNorm1d(config.width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
        )


class SemanticGraphConvolution(nn.Module):
    """A graph convolution whose edges have learnt weights (Zhao et al., 2019, eq. 3).

    As in the authors' release, weights are shared by all channels, and a joint's own features and
    its neighbours' go through matrices of their own.
    """

    neighbours: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        """Connect joints along bones, and each one with itself."""
        super().__init__()
        neighbours = torch.eye(NUM_BODY_JOINTS, dtype=torch.bool)
        for parent, child in BODY_BONES:
            neighbours[parent, child] = neighbours[child, parent] = True
        self.register_buffer("neighbours", neighbours, persistent=False)
        self.edges = nn.Parameter(torch.zeros(NUM_BODY_JOINTS, NUM_BODY_JOINTS))
        self.own = nn.Linear(inputs, outputs)
        self.others = nn.Linear(inputs, outputs, bias=False)

    def weights(self) -> Float[Tensor, "17 17"]:
        """Return how each joint weighs itself and its neighbours; rows sum to 1."""
        edges: Tensor = self.edges.masked_fill(~self.neighbours, -torch.inf)
        weights: Tensor = edges.softmax(dim=1)
        return weights

    def forward(self, features: Float[Tensor, "batch 17 inputs"]) -> Float[Tensor, "batch 17 _"]:
        """Return the joints' new features."""
        weights = self.weights()
        own = torch.diagonal(weights)
        convolved: Tensor = own[:, None] * self.own(features)
        joined: Tensor = convolved + (weights - torch.diag(own)) @ self.others(features)
        return joined


class NonLocal(nn.Module):
    """Attention between all joints, added to their features (Wang et al., CVPR 2018, eq. 5 and 6).

    The last layer starts at zero, so that the block starts as the identity.
    """

    def __init__(self, width: int) -> None:
        """Make embeddings of half the width."""
        super().__init__()
        self.queries = nn.Linear(width, width // 2)
        self.keys = nn.Linear(width, width // 2)
        self.values = nn.Linear(width, width // 2)
        self.last = nn.Linear(width // 2, width)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Float[Tensor, "batch 17 width"]) -> Float[Tensor, "batch 17 width"]:
        """Return the joints' new features."""
        attention: Tensor = self.queries(features) @ self.keys(features).mT
        attended: Tensor = self.last(attention.softmax(dim=-1) @ self.values(features))
        return features + attended


class SemanticGraphNetwork(nn.Module):
    """Residual blocks of two semantic graph convolutions, each followed by a non-local layer."""

    def __init__(self, config: LiftingConfig) -> None:
        """Make layers as the settings say."""
        super().__init__()
        self.first = _GraphLayer(2, config)
        self.attention = NonLocal(config.width)
        self.blocks = nn.ModuleList(_GraphBlock(config) for _ in range(config.blocks))
        self.last = SemanticGraphConvolution(config.width, 3)

    def forward(self, inputs: Float[Tensor, "batch 17 2"]) -> Float[Tensor, "batch 17 3"]:
        """Return joints."""
        features = self.attention(self.first(inputs))
        for block in self.blocks:
            features = block(features)
        joints: Tensor = self.last(features)
        return joints


class _GraphBlock(nn.Module):
    def __init__(self, config: LiftingConfig) -> None:
        super().__init__()
        self.first = _GraphLayer(config.width, config)
        self.second = _GraphLayer(config.width, config)
        self.attention = NonLocal(config.width)

    def forward(self, features: Float[Tensor, "batch 17 width"]) -> Float[Tensor, "batch 17 width"]:
        attended: Tensor = self.attention(features + self.second(self.first(features)))
        return attended


class _GraphLayer(nn.Module):
    def __init__(self, inputs: int, config: LiftingConfig) -> None:
        super().__init__()
        self.convolution = SemanticGraphConvolution(inputs, config.width)
        self.norm = nn.BatchNorm1d(config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, features: Float[Tensor, "batch 17 inputs"]) -> Float[Tensor, "batch 17 _"]:
        convolved = self.convolution(features)
        normed: Tensor = self.norm(convolved.flatten(0, 1)).unflatten(0, convolved.shape[:2])
        dropped: Tensor = self.dropout(torch.relu(normed))
        return dropped


def build_lifter(config: LiftingConfig, *, seed: int) -> Lifter:
    """Return a network with weights that follow from the seed."""
    with seeded_weights(seed):
        if config.kind == "semantic_graph":
            return Lifter(SemanticGraphNetwork(config))
        return Lifter(ResidualMlp(config))


def _divisor(scale: Float[Tensor, "17 axes"]) -> Float[Tensor, "17 axes"]:
    return torch.where(scale > SMALLEST_SCALE, scale, torch.ones_like(scale))
