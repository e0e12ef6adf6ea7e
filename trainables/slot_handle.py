"""What the driver knows of a slot: its actor, and what that told of itself."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import ObjectRef
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError

from trainables.mailbox import SlotPhase

ASK_S = 0.3

logger = logging.getLogger(__name__)


@dataclass
class SlotHandle:
    """One slot, as the driver sees it.

    Attributes:
        index: Its place in the pool, which a replacement keeps.
        lent: Whether a trial has it.
        phase: What it did when it was last heard of.
        incarnation: Changes when its actor dies and comes back.
        group: The placement group of its worker group.
        message: Why it is broken, if it is.
        notes_read: How many of its notes are known.
        asked: The pending answer of its status.
        asked_phase: The pending answer to whether it has let go.
    """

    index: int
    name: str
    actor: ActorHandle
    lent: bool = False
    phase: SlotPhase = SlotPhase.STARTING
    incarnation: str | None = None
    group: str | None = None
    message: str | None = None
    notes_read: int = 0
    asked: Any = None
    asked_phase: Any = None
    answered_at: float = field(default_factory=time.monotonic)
    ready_at: float = field(default_factory=time.monotonic)
    used_at: float = field(default_factory=time.monotonic)
    broken_at: float | None = None
    told_waiting: bool = False

    def withdraw(self, trial: int) -> None:
        """Take back what it does for a trial; it is ready at its worker's next report."""
        self.actor.withdraw.remote(None, trial)
        self.asked_phase = None  # what it says of the time before is old

    def has_let_go(self) -> bool:
        """Say whether it does nothing any more; asked and not waited for, so False at first."""
        if self.asked_phase is None:
            self.asked_phase = self.actor.phase.remote()
        if not is_there(self.asked_phase):
            return False
        answer, self.asked_phase = self.asked_phase, None
        try:
            self.phase = SlotPhase(ray.get(answer))
        except RayError:
            return False
        return self.phase is not SlotPhase.BUSY

    def phase_now(self) -> SlotPhase | None:
        """Ask what it does, and wait a moment for it; None if it does not answer."""
        try:
            self.phase = SlotPhase(ray.get(self.actor.phase.remote(), timeout=ASK_S))
        except RayError:
            return None
        return self.phase

    def status(self) -> Mapping[str, Any] | None:
        """Ask how it is; return the answer once it is there, None until then."""
        if self.asked is None:
            self.asked = self.actor.status.remote(self.notes_read)
        try:
            status: Mapping[str, Any] = ray.get(self.asked, timeout=0)
        except GetTimeoutError:
            return None
        except RayError as error:
            self.asked = None
            self.phase = SlotPhase.STARTING
            logger.info("Slot %s does not answer: %s", self.name, error)
            return None
        self.asked = None
        self.answered_at = time.monotonic()
        return status


def is_there(answer: ObjectRef) -> bool:
    """Say whether an answer has come."""
    done, _ = ray.wait([answer], timeout=0)
    return bool(done)
