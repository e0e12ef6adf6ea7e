"""The Tune trial: a thin borrower of a slot that Tune may start, reuse and end as it likes.

`setup`, `reset_config` and `load_checkpoint` only record, because Tune calls them in that order and
tells a stopped trial's actor nothing. The first `step()` posts the first assignment; asking for
more reports is what lets a worker pass a decision epoch.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.tune import Trainable

from trainables.assignment import Assignment, Event, SlotReport
from trainables.finished_stages import FinishedStages
from trainables.manifest import CorruptStage

WAIT_S = 0.7
CALL_S = 0.9
SLOT_PATIENCE_S = 120.0
"""How long a slot may be out of reach, while its actor restarts, before the trial gives it up. One
that is gone for good is given up at once."""


class SlotLost(RuntimeError):
    """The slot a trial borrowed is gone for good."""


class TrialTrainable(Trainable):
    """Runs a trial's stages on the slot it was lent, one after another.

    Its config: `trial` and `attempt` (numbers), `slot` (a name from `SlotPool.lend`), `store` (the
    stage store's folder), `assignments` (one as JSON per stage, in order).

    A step returns `{"reports": [...], "ended": bool}`: `SlotReport`s as dicts with `trial`,
    `attempt` and `label`, in order and without gaps. `ended` is True once the last stage is
    finished or one has failed.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Record what to do."""
        self._assignments = [Assignment.from_json(data) for data in config["assignments"]]
        self._slot_name: str = config["slot"]
        self._store = FinishedStages(Path(config["store"]))
        self._slot: Any = None
        self._index = 0
        self._posted = False
        self._post: Any = None  # the pending answer of `post`
        self._next_seq = 0
        self._epoch = 0
        self._ended = not self._assignments
        self._unreachable_since: float | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Record another trial's work; what the last one left on its slot is withdrawn."""
        self._withdraw()
        self.setup(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:  # noqa: ARG002  Tune's name
        """Return nothing: the stage store holds all there is to resume from."""
        return {}

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Take nothing: see `save_checkpoint`."""

    def cleanup(self) -> None:
        """Withdraw what is not ended; the slot lives on."""
        self._withdraw()

    def step(self) -> dict[str, Any]:
        """Move on, wait up to a second for news, and return it.

        Raises:
            SlotLost: If the slot is gone, or has been out of reach for too long.
        """
        if self._ended:
            return {"reports": [], "ended": True}
        reports = [] if self._posted else self._move_on()
        if not reports:
            try:
                reports = self._news()
                self._unreachable_since = None
            except (RayActorError, GetTimeoutError) as error:
                self._be_patient(error)
        return {"reports": reports, "ended": self._ended}

    def _move_on(self) -> list[dict[str, Any]]:
        """Post the next stage that is not finished yet; return the reports of those passed over."""
        reports = self._skip_committed()
        if not self._ended:
            job = self._assignment.to_json()
            self._post = self._reach_slot().post.remote(job, self._next_seq, self._epoch)
            self._posted = True
        return reports

    def _skip_committed(self) -> list[dict[str, Any]]:
        """Pass over stages that are finished already.

        A worker sees to one that is damaged, or to a store that does not answer here.
        """
        reports = []
        with suppress(CorruptStage, OSError):
            while not self._ended and self._store.is_committed(self._assignment.stage.key):
                reports.append(self._described(_reused(self._assignment, self._store)))
                self._next_stage()
        return reports

    def _news(self) -> list[dict[str, Any]]:
        slot = self._reach_slot()
        assignment = self._assignment
        begun = time.monotonic()
        if self._post is not None:  # an asynchronous actor may take calls in another order
            ray.get(self._post, timeout=CALL_S)
            self._post = None
        spent_s = time.monotonic() - begun  # post and events share the one second of a step
        answer = ray.get(
            slot.events.remote(assignment.id, self._next_seq - 1, max(0.0, WAIT_S - spent_s)),
            timeout=max(CALL_S - WAIT_S, CALL_S - spent_s),
        )
        if not answer["known"]:
            self._posted = answer["withdrawn"]  # if it was not, the slot forgot: post again
            return []
        reports = [self._take_in(SlotReport(**data)) for data in answer["reports"]]
        if self._ended_stage(reports):
            slot.acknowledge_end.remote(assignment.id)
            if not self._ended:
                reports += self._move_on()  # the slot need not wait until Tune asks again
        return reports

    def _take_in(self, report: SlotReport) -> dict[str, Any]:
        assert report.seq == self._next_seq, (report, self._next_seq)
        self._next_seq += 1
        if report.event is Event.EPOCH:
            self._epoch = report.epoch
        return self._described(report)

    def _ended_stage(self, reports: list[dict[str, Any]]) -> bool:
        last = reports[-1]["event"] if reports else None
        if last == Event.FINISHED:
            self._next_stage()
        elif last == Event.FAILED:
            self._ended = True
        return last in (Event.FINISHED, Event.FAILED)

    def _next_stage(self) -> None:
        self._index += 1
        self._posted = False
        self._next_seq = 0
        self._epoch = 0
        self._ended = self._index == len(self._assignments)

    def _described(self, report: SlotReport) -> dict[str, Any]:
        assignment = self._assignment
        return {
            **asdict(report),
            "event": report.event.value,
            "trial": assignment.trial,
            "attempt": assignment.attempt,
            "label": assignment.stage.label,
        }

    @property
    def _assignment(self) -> Assignment:
        return self._assignments[self._index]

    def _reach_slot(self) -> Any:
        if self._slot is None:
            try:
                self._slot = ray.get_actor(self._slot_name)
            except ValueError as error:
                raise SlotLost(
                    f"slot {self._slot_name} does not exist (any more); the trial needs another."
                ) from error
        return self._slot

    def _be_patient(self, error: RayError) -> None:
        """Give a slot that restarts its time; looking it up again tells whether it still exists."""
        self._post = None
        if isinstance(error, RayActorError):
            self._slot = None
        now = time.monotonic()
        if self._unreachable_since is None:
            self._unreachable_since = now
        silent_s = now - self._unreachable_since
        if silent_s > SLOT_PATIENCE_S:
            raise SlotLost(
                f"slot {self._slot_name} was out of reach for {silent_s:.0f} s."
            ) from error

    def _withdraw(self) -> None:
        if self._posted and not self._ended and self._slot is not None:
            self._slot.withdraw.remote(self._assignment.id, None)


def _reused(assignment: Assignment, store: FinishedStages) -> SlotReport:
    stage = assignment.stage
    history: list[Mapping[str, Any]] = list(store.metrics(stage.key))
    return SlotReport(
        assignment=assignment.id,
        seq=0,
        event=Event.REUSED,
        epoch=stage.epochs,
        epochs=stage.epochs,
        metrics=history[-1]["metrics"] if history else {},
    )
