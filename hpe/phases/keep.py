"""Which epochs' snapshots outlive a stage: last, best, the top few, every nth."""

from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import Field

from hpe.config import Config


class KeepConfig(Config):
    """What to keep besides a stage's final artifacts.

    Attributes:
        last: Keep the newest epoch.
        best: Keep the epoch with the best metric.
        top_k: Keep this many best epochs; `best` is the same as 1.
        every: Keep every nth epoch; 0 for none.
        metric: Metric that ranks epochs; None takes the phase's own.
        direction: Whether a small or a large metric is good.
    """

    last: bool = True
    best: bool = False
    top_k: int = Field(0, ge=0)
    every: int = Field(0, ge=0)
    metric: str | None = None
    direction: Literal["minimize", "maximize"] = "minimize"

    def require_metric(self, reported: Collection[str]) -> None:
        """Refuse a ranking metric that the phase does not report."""
        if self.metric is not None and self.metric not in reported:
            raise ValueError(
                f"keep/metric must be one that the phase reports ({', '.join(reported)}), "
                f"got {self.metric!r}"
            )


def epochs_to_keep(
    history: Mapping[int, Mapping[str, float]], config: KeepConfig, *, default_metric: str
) -> frozenset[int]:
    """Decide which of the epochs seen so far deserve a snapshot; the rest may be deleted.

    Safe to apply after every epoch: an epoch left out once is never asked for again, because ranks
    only fall as epochs are added. Equal metrics rank by age, older first.

    Args:
        history: Epoch (from 1) -> its metrics. Epochs that do not report the ranking metric are
            never among the best.
        config: What to keep.
        default_metric: Ranks epochs where `config.metric` is None.
    """
    kept = {epoch for epoch in history if config.every and epoch % config.every == 0}
    if config.last and history:
        kept.add(max(history))
    metric = config.metric or default_metric
    sign = 1.0 if config.direction == "minimize" else -1.0
    ranked = sorted((sign * values[metric], e) for e, values in history.items() if metric in values)
    num_best = max(config.top_k, int(config.best))
    kept.update(epoch for _, epoch in ranked[:num_best])
    return frozenset(kept)
