"""What a stage costs, worked out from a tryout of a few steps: pure arithmetic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from hpe.config import Config
from hpe.phases.keep import KeepConfig
from hpe.phases.phase import Workload
from sweep.pricing.planned import Share

Event = tuple[str, float]
"""See `sweep.pricing.tryout.StopWatch`."""


@dataclass(frozen=True)
class EpochTimes:
    """Seconds of one epoch of a tryout.

    Attributes:
        train_s: All optimizer steps.
        score_s: From there to the phase's report.
        save_s: Until the state is on disk.
    """

    train_s: float
    score_s: float
    save_s: float

    @property
    def total_s(self) -> float:
        """Return the whole epoch's seconds."""
        return self.train_s + self.score_s + self.save_s


@dataclass(frozen=True)
class StageCost:
    """What one stage takes from its first step to its commit.

    Attributes:
        start_s: What comes once: building, first use of caches, the commit.
        train_s: All its epochs.
        epochs: How many.
        noise: Standard deviation of a tryout's epochs over their mean: how well time was measured.
        host_bytes: Most memory of one worker.
        cuda_bytes: Most GPU memory of one worker.
        committed_bytes: What stays on disk.
        unfinished_bytes: What a stage that has not ended holds there.
    """

    start_s: float
    train_s: float
    epochs: int
    noise: float
    host_bytes: int
    cuda_bytes: int
    committed_bytes: int
    unfinished_bytes: int

    @property
    def seconds(self) -> float:
        """Return the whole stage's seconds."""
        return self.start_s + self.train_s

    @property
    def epoch_s(self) -> float:
        """Return the seconds of an epoch."""
        return self.train_s / self.epochs

    def seconds_under(self, share: Share) -> float:
        """Return the mean seconds of such stages if early stopping leaves this of them."""
        return share.begun * self.start_s + share.trained * self.train_s

    def bytes_under(self, share: Share) -> float:
        """Return the mean of what such stages leave on disk: artifacts, or states if stopped."""
        return (
            share.ended * self.committed_bytes + (share.begun - share.ended) * self.unfinished_bytes
        )


@dataclass(frozen=True)
class Shortened:
    """A phase's settings and work, whole and as tried; a phase may have no known workload.

    Attributes:
        batches: Batches of an optimizer step, over those of a tried one.
    """

    config: Config
    epochs: int
    workload: Workload | None
    tried_config: Config
    tried_epochs: int
    tried_workload: Workload | None
    batches: float = 1.0


def epoch_times(events: Sequence[Event], *, skipped: int = 0) -> tuple[list[EpochTimes], float]:
    """Return the seconds of each epoch, and those of the commit.

    Args:
        events: What was noted.
        skipped: Steps at the start of an epoch whose batches may have been made before it by child
            processes; the others' pace counts for all.
    """
    epochs: list[EpochTimes] = []
    resumed = trained = 0.0
    steps: list[float] = []
    commit_s = 0.0
    for name, at in events:
        if name == "step":
            steps.append(at)
        elif name == "trained":
            trained = at
        elif name == "saved":
            train_s = _train_seconds(resumed, steps, skipped=skipped) if steps else 0.0
            last = steps[-1] if steps else resumed
            epochs.append(EpochTimes(train_s, trained - last, at - trained))
        elif name == "committed":
            commit_s = at - resumed
        if name in ("begin", "saved"):
            resumed, steps = at, []
    return epochs, commit_s


def stage_cost(
    epochs: Sequence[EpochTimes], commit_s: float, work: Shortened, memory: Mapping[str, Any]
) -> StageCost:
    """Return what the whole stage takes.

    The first epoch warms up: what it takes beyond the others is counted once per stage. Training
    grows with the number of steps and with that of batches in each; what follows the steps, with
    the number of samples scored.

    Args:
        epochs: At least two, better three.
        commit_s: Seconds of the commit.
        work: How the tryout was cut short.
        memory: The tryout's `host_bytes`, `cuda_bytes`, `committed_bytes`, `unfinished_bytes`.
    """
    first, later = epochs[0], epochs[1:] or epochs
    train_s = fmean(epoch.train_s for epoch in later)
    score_s = fmean(epoch.score_s for epoch in later)
    save_s = fmean(epoch.save_s for epoch in later)
    whole, tried = work.workload, work.tried_workload
    steps_ratio = samples_ratio = scores_per_epoch = 1.0
    if whole is not None and tried is not None:
        steps_ratio = whole.steps_per_epoch / tried.steps_per_epoch
        samples_ratio = whole.scored / tried.scored if tried.scored else 1.0
        scores_per_epoch = whole.evaluations / work.epochs if tried.evaluations else 1.0
    warming_s = max(0.0, first.train_s - train_s)
    warming_s += max(0.0, first.score_s - score_s) * samples_ratio
    kept = _snapshots(work.config, work.epochs)
    tried_kept = _snapshots(work.tried_config, work.tried_epochs)
    artifacts_bytes = memory["committed_bytes"] / (1 + tried_kept)
    epoch_s = (
        train_s * steps_ratio * work.batches + score_s * samples_ratio * scores_per_epoch + save_s
    )
    return StageCost(
        start_s=warming_s + commit_s,
        train_s=work.epochs * epoch_s,
        epochs=work.epochs,
        noise=_relative_deviation([epoch.total_s for epoch in later]),
        host_bytes=memory["host_bytes"],
        cuda_bytes=memory["cuda_bytes"],
        committed_bytes=round(artifacts_bytes * (1 + kept)),
        unfinished_bytes=round(memory["unfinished_bytes"] + artifacts_bytes * (kept - tried_kept)),
    )


def _train_seconds(resumed: float, steps: Sequence[float], *, skipped: int) -> float:
    skipped = min(skipped, len(steps) - 1)
    if skipped == 0:
        return steps[-1] - resumed
    return (steps[-1] - steps[skipped - 1]) / (len(steps) - skipped) * len(steps)


def _snapshots(config: Config, epochs: int) -> int:
    """Return how many epochs' artifacts a stage keeps at its end, besides the last one's."""
    keep = getattr(config, "keep", None)
    if not isinstance(keep, KeepConfig):
        return 0
    nth = epochs // keep.every if keep.every else 0
    return min(epochs, keep.num_best + nth)


def mean_cost(costs: Sequence[StageCost]) -> StageCost:
    """Return the mean of some costs; of memory, the most."""
    return StageCost(
        start_s=fmean(cost.start_s for cost in costs),
        train_s=fmean(cost.train_s for cost in costs),
        epochs=max(cost.epochs for cost in costs),
        noise=fmean(cost.noise for cost in costs),
        host_bytes=max(cost.host_bytes for cost in costs),
        cuda_bytes=max(cost.cuda_bytes for cost in costs),
        committed_bytes=round(fmean(cost.committed_bytes for cost in costs)),
        unfinished_bytes=round(fmean(cost.unfinished_bytes for cost in costs)),
    )


def _relative_deviation(values: Sequence[float]) -> float:
    mean = fmean(values)
    return stdev(values) / mean if len(values) > 1 and mean > 0 else 0.0
