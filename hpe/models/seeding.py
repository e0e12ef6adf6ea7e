"""Weight initialisation from an explicit seed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Build modules inside it: their weights depend on the seed alone, not on the caller's RNG.

    torch's initialisers draw from the global CPU generator; it is seeded for the block and put
    back afterwards. CUDA generators are left alone, so build on the CPU and move.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
