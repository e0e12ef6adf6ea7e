"""A trial as the journal tells it: its stages, their epochs, what was decided about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Literal

from sweep.slot_time import NOTHING, Slot, Spent


class TrialState(StrEnum):
    """What a trial is; the last three are ends."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Epoch:
    """One acknowledged epoch report.

    Attributes:
        usage: What each worker used, by rank; empty where that is not known.
    """

    epoch: int
    metrics: Mapping[str, float]
    time_s: float
    usage: Sequence[Mapping[str, float]] = ()


@dataclass
class StageEntry:
    """What a trial did with one stage of its plan."""

    label: str
    key: str
    phase: str
    epochs_planned: int
    config: Mapping[str, Any]
    seed: int
    status: str = "planned"  # planned | running | done | reused
    resumed_from: int = 0
    started_s: float | None = None
    ended_s: float | None = None
    slot: Slot = field(default_factory=Slot)  # that it was trained on, or is, since started_s
    earlier: list[tuple[Slot, float]] = field(default_factory=list)  # attempts before, in seconds
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def trained_s(self) -> float:
        """Return the seconds that training it took, over all attempts.

        As long as it has not ended they are counted up to its last epoch.
        """
        return self._attempt_s + sum(seconds for _, seconds in self.earlier)

    @property
    def spent(self) -> Spent:
        """Return the same with what the slots of each attempt held."""
        earlier = (slot.spent(seconds) for slot, seconds in self.earlier)
        return sum(earlier, self.slot.spent(self._attempt_s))

    @property
    def _attempt_s(self) -> float:
        if self.started_s is None:
            return 0.0
        return max(0.0, self.last_known_s(self.started_s) - self.started_s)

    def start(self, time_s: float, slot: Slot, *, resumed_from: int) -> None:
        """Take in that an attempt to train it began."""
        if self.started_s is not None:
            self.earlier.append((self.slot, self._attempt_s))
        self.slot, self.started_s, self.ended_s = slot, time_s, None
        self.resumed_from = resumed_from

    def last_known_s(self, otherwise: float) -> float:
        """Return until when it is known to have been trained: its end, or its last epoch."""
        if self.ended_s is not None:
            return self.ended_s
        return self.epochs[-1].time_s if self.epochs else otherwise

    def epoch(self, number: int) -> Epoch | None:
        """Return the report of one epoch, if it is known."""
        return next((epoch for epoch in self.epochs if epoch.epoch == number), None)


Decision = Literal["continue", "stop", "pause"]
"""What is decided about a trial at a rung."""

CONTINUE: Final = "continue"
STOP: Final = "stop"
PAUSE: Final = "pause"


@dataclass
class RungEntry:
    """One early-stopping decision.

    Attributes:
        promoted: Whether a trial that was paused here has gone on.
    """

    label: str
    rung: int
    epoch: int
    value: float
    decision: Decision
    promoted: bool = False


@dataclass(frozen=True)
class PrefixOf:
    """Whose finished first steps a searched point took over.

    Attributes:
        trial: The first trial that finished them.
        steps: How many stages they have in common.
    """

    trial: int
    steps: int


@dataclass
class Trial:
    """One trial, as far as it has come.

    Attributes:
        arm: The arm's name, or None for a searched point.
        params: The searched parameters, by path; for an arm, those its settings give to the space.
        distributions: Path -> Optuna distribution as JSON, for the same paths.
        settings: Every setting given for this trial (study, arm, params), by path.
        lighter: Those of them that were changed because it had run out of memory.
        prefix_of: For a searched point that took over a finished prefix: whose.
        replicate_of: For a replicate, which runs a point again on a fresh seed for the verdict or
            an ablation: the first trial of that point.
        without: For one of an ablation: what is switched off, () for the point as it is.
        changed: The settings that this changes.
        objective: The last phase's objective once it is COMPLETE.
        others: Metric -> value of what else it is judged by (further objectives, constraints), once
            it is COMPLETE.
        progress: Share of the plan's epochs that were reached, in [0, 1].
        replaced: What was spent on stages that it does not have any more.
        lineage: Of the session that last trained or reused a stage of it, or else began it.
    """

    number: int
    arm: str | None
    seed: int
    params: Mapping[str, Any]
    distributions: Mapping[str, Any]
    settings: Mapping[str, Any]
    stages: list[StageEntry]
    created_s: float
    prefix_of: PrefixOf | None = None
    replicate_of: int | None = None
    without: tuple[str, ...] | None = None
    changed: Mapping[str, Any] = field(default_factory=dict)
    lighter: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 0
    state: TrialState = TrialState.RUNNING
    objective: float | None = None
    others: Mapping[str, float] = field(default_factory=dict)
    progress: float = 0.0
    replaced: Spent = NOTHING
    lineage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    error_class: str | None = None
    message: str | None = None
    failed_in: str | None = None
    ended_s: float | None = None
    rungs: list[RungEntry] = field(default_factory=list)

    def stage(self, label: str) -> StageEntry:
        """Return the stage with this place in the plan."""
        return next(stage for stage in self.stages if stage.label == label)

    @cached_property
    def point(self) -> str:
        """What it was searched at: trials of one point differ in the seed alone."""
        return repr(sorted(self.params.items()))

    @property
    def paused(self) -> bool:
        """Say whether the trial waits at a rung, on no slot, to go on or to end there."""
        last = self.rungs[-1] if self.rungs else None
        is_open = self.state is TrialState.RUNNING
        return is_open and last is not None and last.decision == PAUSE and not last.promoted

    @property
    def duration_s(self) -> float:
        """Return the seconds that training took which was done for this trial."""
        return self.replaced.slot_s + sum(stage.trained_s for stage in self.stages)

    @property
    def spent(self) -> Spent:
        """Return the same with what the slots held."""
        return sum((stage.spent for stage in self.stages), self.replaced)
