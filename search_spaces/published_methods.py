"""What S0's methods minimise, which compositions were chosen for them, and how S1 searched."""

from collections.abc import Sequence
from itertools import combinations

from search_spaces.published_augmentations import Settings, composed

TEMPERATURE = 0.5  # S0's default, never overridden there

SIMCLR: Settings = {
    "pretrain/loss/invariant_weight": 1.0,
    "pretrain/loss/equivariant_weight": 0.0,
    "pretrain/loss/temperature": TEMPERATURE,
}
PECLR: Settings = {
    "pretrain/loss/invariant_weight": 0.0,
    "pretrain/loss/equivariant_weight": 1.0,
    "pretrain/loss/temperature": TEMPERATURE,
}
PAIRWISE: Settings = {
    "pretrain/loss/invariant_weight": 0.0,
    "pretrain/loss/equivariant_weight": 0.0,
    "pretrain/relative/weight": 1.0,
}
"""Every transform whose augmentation is on is regressed."""

SIMCLR_TRAINING: Settings = {"pretrain/projection/hidden": 2048}
PECLR_TRAINING: Settings = {"pretrain/projection/hidden": 512, "pretrain/loss/undo": "peclr"}

CHOSEN_PECLR = ("Ro", "C", "RC", "CJ")
CHOSEN_SIMCLR = ("RC", "CJ")
CHOSEN_SUPERVISED = ("Ro", "C", "RC")

COMPOSITION_SEARCH = tuple(
    codes for size in (2, 3, 4) for codes in combinations(("CJ", "Ro", "C", "RC"), size)
)
"""What S1 searched, for SimCLR (SIM_) and for pairwise relations (PAIR_COMPOSITION_SEARCH)."""


def simclr(codes: Sequence[str]) -> Settings:
    """Return SimCLR with these augmentations."""
    return {**composed(codes, phase="pretrain"), **SIMCLR}


def peclr(codes: Sequence[str]) -> Settings:
    """Return PeCLR with these augmentations."""
    return {**composed(codes, phase="pretrain"), **PECLR}


def pairwise(codes: Sequence[str]) -> Settings:
    """Return pairwise relations with these augmentations."""
    return {**composed(codes, phase="pretrain"), **PAIRWISE}


def named(experiment: str, codes: Sequence[str]) -> str:
    """Return the name of an experiment with these augmentations."""
    return "_".join([experiment, *sorted(code.lower() for code in codes)])
