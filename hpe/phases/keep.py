"""Which epochs' snapshots outlive a stage: last, best, the top few, every nth."""

from collections.abc import Collection, Mapping

from pydantic import Field

from hpe.config import Config
from hpe.metrics.direction import Direction, direction_of


class KeepConfig(Config):
    """What to keep besides a stage's final artifacts.

    Attributes:
        last: Keep the newest epoch.
        best: Keep the epoch with the best metric.
        top_k: Keep this many best epochs; `best` is the same as 1.
        every: Keep every nth epoch; 0 for none.
        metric: Metric that ranks epochs; None takes the phase's own.
        direction: Whether a small or a large metric is good; None goes by the metric's name.
    """

    last: bool = True
    best: bool = False
    top_k: int = Field(0, ge=0)
    every: int = Field(0, ge=0)
    metric: str | None = None
    direction: Direction | None = None

    @property
    def num_best(self) -> int:
        """Return how many of the best epochs to keep."""
        return max(self.top_k, int(self.best))

    def require_metric(self, reported: Collection[str]) -> None:
        """Refuse a ranking metric that the phase does not report, or of which nobody can say
        whether more of it is better.
        """
        if self.metric is not None and self.metric not in reported:
            raise ValueError(
                f"keep/metric must be one that the phase reports ({', '.join(reported)}), "
                f"got {self.metric!r}"
            )
        if self.metric is not None and self.num_best > 0:
            self.ranking(self.metric)

    def ranking(self, default_metric: str | None) -> tuple[str, Direction]:
        """Return the metric that ranks epochs, and which way.

        Args:
            default_metric: Ranks them where these settings name none.

        Raises:
            ValueError: If nothing says the one or the other.
        """
        metric = self.metric or default_metric
        if metric is None:
            raise ValueError(
                "keep/metric must name a metric, because the phase has none that ranks its epochs"
            )
        direction = self.direction or direction_of(metric)
        if direction is None:
            raise ValueError(
                f"keep/direction must be minimize or maximize, because the name {metric!r} does "
                f"not say which is better"
            )
        return metric, direction


def epochs_to_keep(
    history: Mapping[int, Mapping[str, float]], config: KeepConfig, *, default_metric: str | None
) -> frozenset[int]:
    """Decide which of the epochs seen so far deserve a snapshot; the rest may be deleted.

    Safe to apply after every epoch: an epoch left out once is never asked for again, because ranks
    only fall as epochs are added. Equal metrics rank by age, older first.

    Args:
        history: Epoch (from 1) -> its metrics. Epochs that do not report the ranking metric are
            never among the best.
        config: What to keep.
        default_metric: Ranks epochs where `config.metric` is None.

    Raises:
        ValueError: If the best are to be kept and nothing says which those are.
    """
    kept = {epoch for epoch in history if config.every and epoch % config.every == 0}
    if config.last and history:
        kept.add(max(history))
    if config.num_best > 0:
        metric, direction = config.ranking(default_metric)
        sign = 1.0 if direction == "minimize" else -1.0
        ranked = sorted(
            (sign * values[metric], e) for e, values in history.items() if metric in values
        )
        kept.update(epoch for _, epoch in ranked[: config.num_best])
    return frozenset(kept)
