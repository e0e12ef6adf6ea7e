"""Drawing from a split whose samples count unequally: how often each comes in a pass, and when."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from hpe.data.opened import Split


@runtime_checkable
class Weighted(Protocol):
    """A split that says how much of training each of its samples is to be."""

    @property
    def weights(self) -> Float[np.ndarray, " samples"] | None:
        """The samples' shares, in any unit; None where all count the same."""


def sampling_weights(split: Split[Any]) -> Float[np.ndarray, " samples"] | None:
    """Return how much of training each sample of a split is to be; None for equal shares."""
    return split.weights if isinstance(split, Weighted) else None


def weighted_pass(
    weights: Float[np.ndarray, " samples"], rng: np.random.Generator
) -> tuple[Int[np.ndarray, " samples"], Int[np.ndarray, " samples"]]:
    """Return which sample each draw of a pass takes, and its how many-th use in the pass that is.

    A pass has as many draws as there are samples. A sample that is due x times comes floor(x) or
    ceil(x) times, x on average, and samples of equal weight come together as often as they are due,
    give or take one (systematic sampling): no source is over- or underrepresented by chance, as it
    is in drawing with replacement. The uses of one sample are spread evenly over the pass.

    Args:
        weights: Positive, in any unit.
        rng: Decides which samples come once more, and the order.

    Raises:
        ValueError: If a weight is not positive and finite.
    """
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError("sampling weights must be positive and finite.")
    num = len(weights)
    shuffled = rng.permutation(num)
    grouped = shuffled[np.argsort(weights[shuffled], kind="stable")]
    due = np.cumsum(weights[grouped] * (num / weights.sum()))
    due[-1:] = num  # rounding must not cost a draw
    uses = np.empty(num, dtype=np.int64)
    uses[grouped] = np.diff(np.floor(due + rng.random()).astype(np.int64), prepend=0)
    samples = np.repeat(np.arange(num), uses)
    use = np.arange(num) - np.repeat(np.cumsum(uses) - uses, uses)
    when = (use + rng.random(num)[samples]) / uses[samples]
    order = np.argsort(when, kind="stable")
    return samples[order], use[order]
