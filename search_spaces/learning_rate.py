"""A learning rate that goes with the batch size."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import optuna

from search_spaces.parameters import Lookup


@dataclass(frozen=True)
class LearningRateForBatch:
    """A batch size, and the learning rate for a reference batch, scaled to the batch by a rule.

    What is good for one batch is roughly good for another then, so a sampler that has learned about
    the rate need not learn it again for each batch size. `linear` is the rule of Goyal et al.
    (2017) for SGD, `sqrt` that of Krizhevsky (2014), which S0 follows with Adam.

    The rate that comes out is the peak. The phases can scale by sqrt(batch) as well
    (`optimizer/sqrt_scaling`); that is set to off, so that nothing is scaled twice. Accumulated
    batches are a constant factor that the search sees as part of the rate.

    Attributes:
        path: The phase's label; the parameters are `<path>/optimizer/lr/reference` and
            `<path>/batch_size/doublings`.
        low: Smallest rate at the reference batch; likewise `high`.
        reference: Samples in the reference batch.
        smallest: Samples in the smallest batch.
        doublings: How often it may double.
        rule: How the rate grows with the batch.
    """

    path: str
    low: float
    high: float
    reference: int
    smallest: int
    doublings: int
    rule: Literal["linear", "sqrt"]

    def suggest(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Return batch size and learning rate."""
        batch = self.smallest * 2 ** trial.suggest_int(self._doublings, 0, self.doublings)
        rate = trial.suggest_float(self._rate, self.low, self.high, log=True)
        return {
            f"{self.path}/batch_size": batch,
            f"{self.path}/optimizer/lr": rate * self._factor(batch),
            f"{self.path}/optimizer/sqrt_scaling": False,
        }

    def locate(self, setting: Lookup) -> Mapping[str, Any]:
        """Return the doublings, if there is a whole number of them, and the rate."""
        batch = setting(f"{self.path}/batch_size")
        if batch is None:
            return {}
        doublings = math.log2(batch / self.smallest)
        rate = setting(f"{self.path}/optimizer/lr")
        if setting(f"{self.path}/optimizer/sqrt_scaling"):
            rate *= math.sqrt(batch * setting(f"{self.path}/accumulate"))
        located: dict[str, Any] = {self._rate: rate / self._factor(batch)}
        if doublings.is_integer():
            located[self._doublings] = int(doublings)
        return located

    def _factor(self, batch: int) -> float:
        ratio = batch / self.reference
        return ratio if self.rule == "linear" else math.sqrt(ratio)

    @property
    def _rate(self) -> str:
        return f"{self.path}/optimizer/lr/reference"

    @property
    def _doublings(self) -> str:
        return f"{self.path}/batch_size/doublings"
