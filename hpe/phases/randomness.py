"""Every random stream of a phase, derived from its seed and a position: there is no RNG to save."""

import numpy as np
import torch
from jaxtyping import Float

from hpe.data.weights import weighted_pass

Draw = tuple[int, int]
"""One use of a sample: (pass over the split, index in the split).

Where weights have a sample come again in a pass, the pass is counted on by `_AGAIN` each time, so
that each use has views of its own.
"""

_AGAIN = 2**32

# Streams that belong to no sample have one of these where the others have an index.
_ORDER = 2**32 - 1
_LAYERS = 2**32 - 2


def shuffled(num_samples: int, *, seed: int, pass_number: int) -> list[int]:
    """Return the order of one pass over a split."""
    rng = np.random.default_rng([seed, pass_number, _ORDER])
    order: list[int] = rng.permutation(num_samples).tolist()
    return order


def draws_of_pass(
    num_samples: int,
    *,
    seed: int,
    pass_number: int,
    weights: Float[np.ndarray, " samples"] | None = None,
) -> list[Draw]:
    """Return the draws of one pass over a split: each sample once, or as often as it is due.

    Args:
        num_samples: Samples in the split, and draws in the pass.
        seed: Seed of all orders.
        pass_number: Counted from 0.
        weights: The samples' shares of the draws, in any unit; None where they are equal.
    """
    if weights is None:
        order = shuffled(num_samples, seed=seed, pass_number=pass_number)
        return [(pass_number, index) for index in order]
    rng = np.random.default_rng([seed, pass_number, _ORDER])
    samples, uses = weighted_pass(weights, rng)
    passes = (pass_number + _AGAIN * uses).tolist()
    return list(zip(passes, samples.tolist(), strict=True))


def view_rng(draw: Draw, *, seed: int, view: int) -> np.random.Generator:
    """Return the stream of one view of one use of a sample."""
    pass_number, index = draw
    return np.random.default_rng([seed, pass_number, index, view])


def seed_layers(*, seed: int, epoch: int, rank: int) -> None:
    """Seed what layers such as dropout draw from in an epoch: torch's global generators."""
    stream = np.random.SeedSequence([seed, epoch, _LAYERS, rank])
    torch.manual_seed(int(stream.generate_state(1, np.uint64)[0] >> np.uint64(1)))
