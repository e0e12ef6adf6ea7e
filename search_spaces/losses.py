"""Temperatures and weights of loss terms."""

from search_spaces.loss_weights import SimplexWeights
from search_spaces.parameters import Parts, Real

TEMPERATURE = Real("pretrain/loss/temperature", 0.1, 1.0, log=True)
"""The published 0.5 lies inside; 0.05 was too low for short runs."""

PRETRAINING_LOSS = Parts((TEMPERATURE, Real("pretrain/loss/equivariant_weight", 0.0, 1.0)))
"""How much the equivariant contrastive term weighs against the invariant one's 1.

The invariant term alone is SimCLR, the equivariant one alone PeCLR; only the ratio of their weights
matters to an optimizer that is indifferent to scale.
"""

BALANCED_PRETRAINING_LOSS = Parts(
    (
        TEMPERATURE,
        SimplexWeights(("pretrain/loss/invariant_weight", "pretrain/loss/equivariant_weight")),
    )
)
"""Both terms' weights, which sum to 1: from SimCLR alone to PeCLR alone."""

FINETUNING_LOSS = Real("finetune/loss/depth_weight", 1.0, 25.0, log=True)
"""How much depth weighs against image position (published: 5, Iqbal et al., 2018)."""
