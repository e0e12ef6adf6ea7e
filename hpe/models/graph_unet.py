"""Convolutions over the hand's graph, and a U-Net of them over ever fewer nodes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from hpe.geometry.skeleton import BONES, NUM_JOINTS

NODES = (NUM_JOINTS, 15, 7, 4, 2, 1)
"""S2's: the hand's joints, then what each pooling leaves."""

FEATURES = (4, 8, 16, 32, 64)
"""S2's: of a node, before each pooling."""

BOTTLENECK = 20
"""S2's: numbers that the whole hand goes through at the lowest level."""


def hand_adjacency() -> Float[Tensor, "21 21"]:
    """Return D^-1/2 (A + I) D^-1/2 of joints that bones join (Kipf and Welling, 2017, eq. 2)."""
    joined = torch.eye(NUM_JOINTS)
    for parent, child in BONES:
        joined[parent, child] = joined[child, parent] = 1.0
    weight = joined.sum(dim=1).rsqrt()
    return weight[:, None] * joined * weight


class GraphConvolution(nn.Module):
    """Mixes each node with those that it is joined to, then the features of each node.

    On 21 nodes joints are joined as by the hand's bones; on others the adjacency is learnt, from
    nodes that are on their own (Doosti et al., 2020, section 3.2).
    """

    adjacency: Tensor

    def __init__(self, nodes: int, before: int, after: int) -> None:
        super().__init__()
        if nodes == NUM_JOINTS:
            self.register_buffer("adjacency", hand_adjacency(), persistent=False)
        else:
            self.adjacency = nn.Parameter(torch.eye(nodes))
        self.mix = nn.Linear(before, after)

    def forward(
        self, features: Float[Tensor, "batch nodes before"]
    ) -> Float[Tensor, "batch nodes after"]:
        """Return the nodes' new features."""
        mixed: Tensor = self.mix(self.adjacency @ features)
        return mixed


class NodePooling(nn.Module):
    """Makes nodes of other nodes, by a learned linear map that is the same for all features."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.nodes = nn.Linear(before, after)

    def forward(
        self, features: Float[Tensor, "batch before dim"]
    ) -> Float[Tensor, "batch after dim"]:
        """Return the features of the other nodes."""
        pooled: Tensor = self.nodes(features.mT).mT
        return pooled


class GraphUNet(nn.Module):
    """Down to one node and back up, each level told what it was on the way down.

    The pyramid is S2's, its shape that of Doosti et al. (HOPE-Net, 2020, section 3.3). Rectifiers
    leak: with as few as four features, silent ones would be missed.
    """

    def __init__(self, before: int) -> None:
        """Build one.

        Args:
            before: Features of a node that go in; `FEATURES[0]` come out.
        """
        super().__init__()
        entering = (before, *FEATURES[:-1])
        leaving = (FEATURES[0], *FEATURES[:-1])
        levels = range(len(FEATURES))
        self.down = nn.ModuleList(
            GraphConvolution(NODES[i], entering[i], FEATURES[i]) for i in levels
        )
        self.pool = nn.ModuleList(NodePooling(NODES[i], NODES[i + 1]) for i in levels)
        self.squeeze = nn.Linear(FEATURES[-1], BOTTLENECK)
        self.widen = nn.Linear(BOTTLENECK, FEATURES[-1])
        self.unpool = nn.ModuleList(NodePooling(NODES[i + 1], NODES[i]) for i in levels)
        self.up = nn.ModuleList(
            GraphConvolution(NODES[i], 2 * FEATURES[i], leaving[i]) for i in levels
        )

    def forward(self, features: Float[Tensor, "batch 21 before"]) -> Float[Tensor, "batch 21 4"]:
        """Return what is known of each joint in view of the whole hand."""
        passed = []
        for convolve, pool in zip(self.down, self.pool, strict=True):
            features = leaky_relu(convolve(features))
            passed.append(features)
            features = pool(features)
        features = leaky_relu(self.widen(leaky_relu(self.squeeze(features))))
        upwards = zip(reversed(self.unpool), reversed(self.up), reversed(passed), strict=True)
        for unpool, convolve, skipped in upwards:
            features = leaky_relu(convolve(torch.cat([unpool(features), skipped], dim=-1)))
        return features
