"""Which of two networks that train against each other diverged first."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hpe.phases.phase import Diverged


class FirstNonFinite:
    """Remembers at which step each loss was first not finite.

    One network's NaN reaches the other a step later, so that at the end of an epoch all losses are
    NaN and none says where it came from. Steps stay on their device until asked for.
    """

    def __init__(self) -> None:
        """Start an epoch."""
        self._first: dict[str, Tensor] = {}
        self._steps = 0

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Note one step's losses."""
        self._steps += 1
        for name, loss in losses.items():
            is_finite = loss.detach().isfinite()
            step = torch.where(is_finite, torch.inf, float(self._steps))
            self._first[name] = (
                torch.minimum(self._first[name], step) if name in self._first else step
            )

    def explained(self, error: Diverged, *, networks: Mapping[str, str]) -> Diverged:
        """Return the error with the network it began in, if that happened in this process.

        Args:
            error: What was noticed.
            networks: The network that is to blame for each loss, by the loss's name; of losses that
                fail in one step the first listed is.
        """
        steps = {name: float(self._first[name]) for name in networks if name in self._first}
        first = min(steps, key=lambda name: steps[name], default=None)
        if first is None or steps[first] == float("inf"):
            return error
        return Diverged(
            f"the {networks[first]} diverged: {first} was the first loss that is not finite, in "
            f"step {steps[first]:.0f} of the epoch. {error}"
        )
