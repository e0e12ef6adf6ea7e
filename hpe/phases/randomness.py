"""Every random stream of a phase, derived from its seed and a position: there is no RNG to save."""

import numpy as np
import torch

Draw = tuple[int, int]
"""One use of a sample: (pass over the split, index in the split)."""

# Streams that belong to no sample have one of these where the others have an index.
_ORDER = 2**32 - 1
_LAYERS = 2**32 - 2


def shuffled(num_samples: int, *, seed: int, pass_number: int) -> list[int]:
    """Return the order of one pass over a split."""
    rng = np.random.default_rng([seed, pass_number, _ORDER])
    order: list[int] = rng.permutation(num_samples).tolist()
    return order


def view_rng(draw: Draw, *, seed: int, view: int) -> np.random.Generator:
    """Return the stream of one view of one use of a sample."""
    pass_number, index = draw
    return np.random.default_rng([seed, pass_number, index, view])


def seed_layers(*, seed: int, epoch: int, rank: int) -> None:
    """Seed what layers such as dropout draw from in an epoch: torch's global generators."""
    stream = np.random.SeedSequence([seed, epoch, _LAYERS, rank])
    torch.manual_seed(int(stream.generate_state(1, np.uint64)[0] >> np.uint64(1)))
