"""The messages between the driver, a slot and its workers: plain data, JSON in both directions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

Usage = Mapping[str, float]
"""What one worker used since its last report, by name (`trainables.usage`), where measured."""


WORKER_LOST = "worker_lost"
STAGE_LOST = "stage_lost"
STORAGE = "storage"

LOSSES = (WORKER_LOST, STAGE_LOST, STORAGE)
"""Failures by what surrounds a trial, which goes on from what was saved of it. All others are the
trial's own: it would fail again."""


@dataclass(frozen=True)
class Stage:
    """A phase with every input fixed.

    Attributes:
        key: SHA-256 that identifies the computation (`trainables.keys.stage_key`).
        label: Its place in the plan, `pretrain`; a repeated phase is `paired`, `paired_2`, ...
        phase: The procedure, a name in `hpe.phases.catalog.PHASES`.
        config: The phase's settings as JSON data, already validated.
        parents: Phase name -> key of the earlier stages whose artifacts it uses.
        data: What `hpe.data.catalog.open_data` needs: `{"config", "root", "digest"}`.
        seed: The seed of all its randomness.
        epochs: Reports it will make.
    """

    key: str
    label: str
    phase: str
    config: Mapping[str, Any]
    parents: Mapping[str, str]
    data: Mapping[str, Any]
    seed: int
    epochs: int


@dataclass(frozen=True)
class Assignment:
    """What a slot is working on: (trial, attempt, stage).

    Attributes:
        decision_epochs: Epochs after which the worker waits to be told to go on.
    """

    trial: int
    attempt: int
    stage: Stage
    decision_epochs: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """Return the identity every report of this assignment carries."""
        return f"{self.trial}.{self.attempt}.{self.stage.label}.{self.stage.key[:12]}"

    def to_json(self) -> dict[str, Any]:
        """Return JSON data that `from_json` turns back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Assignment":
        """Build from what `to_json` returned."""
        return cls(
            trial=data["trial"],
            attempt=data["attempt"],
            stage=Stage(**data["stage"]),
            decision_epochs=tuple(data["decision_epochs"]),
        )


class Directive(StrEnum):
    """The slot's answer to a worker's report."""

    CONTINUE = "continue"
    WAIT = "wait"
    ABANDON = "abandon"


class Event(StrEnum):
    """What happened to an assignment."""

    REUSED = "reused"  # the stage was committed already, nothing was trained
    STARTED = "started"  # epoch: where it resumes from, 0 at the beginning
    EPOCH = "epoch"
    FINISHED = "finished"  # the stage is committed
    FAILED = "failed"


@dataclass(frozen=True)
class SlotReport:
    """One event of one assignment.

    Attributes:
        seq: Position in the assignment's stream, from 0 without gaps.
        error_class: For FAILED: `diverged`, `out_of_memory`, `data`, `code`, `stage_lost`,
            `storage` or `worker_lost`.
        usage: For EPOCH: what each worker used, by rank; empty where the epoch is told of from what
            was saved.
    """

    assignment: str
    seq: int
    event: Event
    epoch: int
    epochs: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    error_class: str | None = None
    message: str | None = None
    usage: Sequence[Usage] = ()
