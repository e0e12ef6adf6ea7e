"""From what stages cost and which are planned to hours, GPU-hours and bytes, with intervals."""

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.stats import norm, t

from sweep.pricing.costs import StageCost, mean_cost
from sweep.pricing.planned import NOTHING_STOPPED, PlannedTrial, Share

CONFIDENCE = 0.9
QUANTILE = (1 + CONFIDENCE) / 2


@dataclass(frozen=True)
class Interval:
    """An expected value and the bounds it lies between nine times out of ten."""

    low: float
    expected: float
    high: float

    def times(self, factor: float) -> "Interval":
        """Return all three multiplied."""
        return Interval(self.low * factor, self.expected * factor, self.high * factor)

    def plus(self, other: "Interval") -> "Interval":
        """Return the sum of two that err together."""
        return Interval(
            self.low + other.low, self.expected + other.expected, self.high + other.high
        )


@dataclass(frozen=True)
class Costs:
    """What was measured.

    Attributes:
        tried: Settings' identity -> cost.
        typical: Label -> costs that stand for settings that were not tried: one for each point of
            the space that was, equal ones included.
    """

    tried: Mapping[str, StageCost]
    typical: Mapping[str, Sequence[StageCost]]


@dataclass(frozen=True)
class PricedStage:
    """A stage to train, and what it costs.

    Attributes:
        is_searched: Early stopping may cut it: no arm needs it.
        is_tried: Its own settings were tried; otherwise the cost is that of settings like its.
    """

    label: str
    cost: StageCost
    is_searched: bool
    is_tried: bool


@dataclass(frozen=True)
class PhasePrice:
    """What all stages of one label come to.

    Attributes:
        stages: How many are to be trained.
        epochs: The fewest and the most that one of them has.
        epoch_s: The smallest, the mean and the largest of any settings.
        slot_s: Seconds of a slot for all of them.
        host_bytes: The most that one worker held.
        cuda_bytes: The same on its GPU.
        disk_bytes: What stays on disk.
    """

    label: str
    stages: int
    epochs: tuple[int, int]
    epoch_s: Interval
    slot_s: Interval
    host_bytes: int
    cuda_bytes: int
    disk_bytes: Interval


@dataclass(frozen=True)
class Price:
    """What a study comes to.

    Attributes:
        phases: In the order of the plan.
        slot_s: Seconds in which slots train, together.
        wall_s: Seconds from the first trial's start to the last one's end.
    """

    phases: Sequence[PhasePrice]
    slot_s: Interval
    wall_s: Interval

    @property
    def disk_bytes(self) -> Interval:
        """Return what stays on disk."""
        total = Interval(0.0, 0.0, 0.0)
        for phase in self.phases:
            total = total.plus(phase.disk_bytes)
        return total


@dataclass(frozen=True)
class _Seconds:
    """A label's stages under early stopping, without it, and the half-width of the interval of
    either as a share of it.
    """

    stopped: float
    whole: float
    error: float


def estimate(
    trials: Sequence[PlannedTrial],
    costs: Costs,
    shares: Mapping[str, Share],
    *,
    slots: int,
    between_trials_s: float,
) -> Price:
    """Return what the trials come to.

    For the expected value and the lower bound early stopping does what its rule says, for the upper
    bound it stops nothing. Labels err independently of one another.

    Args:
        trials: In the order in which they begin.
        costs: What was measured; every label of the trials has typical costs.
        shares: Label -> what the rule leaves of searched trials' work; in the order of the plan.
        slots: Trials that run at once.
        between_trials_s: Seconds a slot waits for its next trial.
    """
    stages = priced_stages(trials, costs)
    phases, parts = [], []
    for label, share in shares.items():
        own = [stage for stage in stages.values() if stage.label == label]
        if own:
            parts.append(_seconds(own, costs.typical[label], share))
            phases.append(_phase_price(label, own, costs.typical[label], share, parts[-1]))
    stopped, whole = sum(part.stopped for part in parts), sum(part.whole for part in parts)
    slot_s = Interval(
        max(0.0, stopped - math.hypot(*(part.error * part.stopped for part in parts))),
        stopped,
        whole + math.hypot(*(part.error * part.whole for part in parts)),
    )

    def wall_s(factor: float, share_of: Mapping[str, Share]) -> float:
        chains = [
            list(_chain(trial, stages, share_of, factor, between_trials_s)) for trial in trials
        ]
        return makespan(chains, slots)

    nothing_stopped = dict.fromkeys(shares, NOTHING_STOPPED)
    return Price(
        phases=phases,
        slot_s=slot_s,
        wall_s=Interval(
            wall_s(slot_s.low / stopped if stopped else 1.0, shares),
            wall_s(1.0, shares),
            wall_s(slot_s.high / whole if whole else 1.0, nothing_stopped),
        ),
    )


def priced_stages(trials: Sequence[PlannedTrial], costs: Costs) -> dict[str, PricedStage]:
    """Return every stage that is to be trained once, by its key."""
    typical = {label: mean_cost(known) for label, known in costs.typical.items()}
    found: dict[str, PricedStage] = {}
    for trial in trials:
        for stage in trial.stages:
            known = found.get(stage.key)
            cost = costs.tried.get(stage.config)
            found[stage.key] = PricedStage(
                label=stage.label,
                cost=typical[stage.label] if cost is None else cost,
                is_searched=trial.is_searched and (known is None or known.is_searched),
                is_tried=cost is not None,
            )
    return found


def makespan(chains: Sequence[Sequence[tuple[str, float]]], slots: int) -> float:
    """Return when the last of some chains of stages ends, each on the slot that is free first.

    A stage that another chain trains, or has trained, takes no time but must be waited for.

    Args:
        chains: (key, seconds) of each stage, in order.
        slots: How many there are.
    """
    free = [0.0] * slots
    ended: dict[str, float] = {}
    for chain in chains:
        now = heapq.heappop(free)
        for key, seconds in chain:
            now = max(now, ended[key]) if key in ended else now + seconds
            ended.setdefault(key, now)
        heapq.heappush(free, now)
    return max(free)


def _chain(
    trial: PlannedTrial,
    stages: Mapping[str, PricedStage],
    shares: Mapping[str, Share],
    factor: float,
    between_trials_s: float,
) -> Iterator[tuple[str, float]]:
    """Yield key and seconds of what keeps a slot busy with a trial."""
    yield f"before {id(trial)}", between_trials_s  # a key of its own: no two trials share it
    for stage in trial.stages:
        priced = stages[stage.key]
        share = shares[stage.label] if priced.is_searched else NOTHING_STOPPED
        yield stage.key, factor * priced.cost.seconds_under(share)


def _seconds(stages: Sequence[PricedStage], typical: Sequence[StageCost], share: Share) -> _Seconds:
    stopped = sum(
        stage.cost.seconds_under(share if stage.is_searched else NOTHING_STOPPED)
        for stage in stages
    )
    whole = sum(stage.cost.seconds for stage in stages)
    return _Seconds(stopped, whole, _relative_error(stages, typical, total_s=whole))


def _relative_error(
    stages: Sequence[PricedStage], typical: Sequence[StageCost], *, total_s: float
) -> float:
    """Return the half-width of the interval of these stages' total, as a share of it.

    Stages that were not tried are further draws from what the tried points were drawn from: the
    interval of their total is Student's. To it comes how far apart the epochs of one tryout are.
    """
    if total_s == 0:
        return 0.0
    noise = float(norm.ppf(QUANTILE)) * fmean(stage.cost.noise for stage in stages)
    untried = sum(not stage.is_tried for stage in stages)
    if untried == 0 or len(typical) < 2:
        return noise
    deviation = stdev(cost.seconds for cost in typical)
    spread_s = untried * deviation * math.sqrt(1 / len(typical) + 1 / untried)
    return math.hypot(noise, float(t.ppf(QUANTILE, len(typical) - 1)) * spread_s / total_s)


def _phase_price(
    label: str,
    stages: Sequence[PricedStage],
    typical: Sequence[StageCost],
    share: Share,
    seconds: _Seconds,
) -> PhasePrice:
    costs = [stage.cost for stage in stages]
    all_costs = [*costs, *typical]
    return PhasePrice(
        label=label,
        stages=len(stages),
        epochs=(min(c.epochs for c in all_costs), max(c.epochs for c in all_costs)),
        epoch_s=Interval(
            min(cost.epoch_s for cost in all_costs),
            fmean(cost.epoch_s for cost in costs),
            max(cost.epoch_s for cost in all_costs),
        ),
        slot_s=Interval(
            seconds.stopped * max(0.0, 1 - seconds.error),
            seconds.stopped,
            seconds.whole * (1 + seconds.error),
        ),
        host_bytes=max(cost.host_bytes for cost in all_costs),
        cuda_bytes=max(cost.cuda_bytes for cost in all_costs),
        disk_bytes=_disk_bytes(stages, share),
    )


def _disk_bytes(stages: Sequence[PricedStage], share: Share) -> Interval:
    """Return what stays on disk; early stopping may leave more than ends, or less."""
    whole = float(sum(stage.cost.committed_bytes for stage in stages))
    stopped = sum(
        stage.cost.bytes_under(share if stage.is_searched else NOTHING_STOPPED) for stage in stages
    )
    return Interval(min(stopped, whole), stopped, max(stopped, whole))
