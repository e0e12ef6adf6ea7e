"""Heads that read off two features how their views lie to each other (S0's pairwise model)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hpe.losses.relative import RELATIONS
from hpe.models.seeding import seeded_weights


class RelativeHeads(nn.Module):
    """For each relation linear, batch norm, ReLU, linear without bias, on both views' features.

    Attributes:
        log_scales: Of each relation, the s of `hpe.losses.relative.balanced`.
    """

    def __init__(self, in_dim: int, relations: Sequence[str], *, hidden: int, seed: int) -> None:
        super().__init__()
        with seeded_weights(seed):
            self.heads = nn.ModuleDict(
                {
                    relation: nn.Sequential(
                        nn.Linear(2 * in_dim, hidden),
                        nn.BatchNorm1d(hidden),
                        nn.ReLU(),
                        nn.Linear(hidden, RELATIONS[relation], bias=False),
                    )
                    for relation in relations
                }
            )
        self.log_scales = nn.ParameterDict(
            {relation: nn.Parameter(torch.zeros(())) for relation in relations}
        )

    def forward(
        self, features: Float[Tensor, "views in_dim"]
    ) -> dict[str, Float[Tensor, "pairs _"]]:
        """Return each relation between views 0 and 1, 2 and 3, and so on."""
        pairs = torch.cat([features[0::2], features[1::2]], dim=1)
        return {relation: head(pairs) for relation, head in self.heads.items()}
