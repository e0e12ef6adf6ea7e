"""Running means of a training epoch, over batches and processes; where divergence is noticed."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from hpe.phases.distribution import mean_over_ranks
from hpe.phases.phase import Diverged

STEPS_BETWEEN_CHECKS = 50


class Averages:
    """Means of an epoch's losses; raises as soon as it sees that one is not finite.

    Values stay on their device until asked for, so that a GPU is not made to wait every step.
    """

    def __init__(self, epoch: int) -> None:
        """Start an epoch, counted from 1, that error messages will name."""
        self._epoch = epoch
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Count one batch's values.

        Raises:
            Diverged: If a mean is not finite; looked at every few steps, on all ranks alike.
        """
        for name, value in values.items():
            value = value.detach().to(torch.float64)
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += 1
        if self._count % STEPS_BETWEEN_CHECKS == 0:
            self.means()

    def means(self) -> dict[str, float]:
        """Return the mean of each value.

        Raises:
            Diverged: If one is not finite.
        """
        means = {name: float(total) / self._count for name, total in self._sums.items()}
        return require_finite(mean_over_ranks(means), epoch=self._epoch)


def require_finite(metrics: Mapping[str, float], *, epoch: int) -> dict[str, float]:
    """Return the metrics if all are finite.

    Raises:
        Diverged: Naming the first metric that is not, and the epoch.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise Diverged(
                f"{name} is {value} in epoch {epoch}: training diverged. "
                f"A smaller learning rate, a warm-up or fp32 may help."
            )
    return dict(metrics)
