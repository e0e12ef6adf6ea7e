"""Slots, a stage store and a Tune loop that run in the test's process, one event at a time."""

import hashlib
import json
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweep.book import Book, Clock
from sweep.conductor import FINISHED, Conductor
from sweep.grid import space_of
from sweep.journal import Journal
from sweep.ledger import FIRST_REPLICATE, Ledger
from sweep.points import Point
from sweep.resources import Claims
from sweep.study import Study
from tests.sweep.engine_phases import (
    PHASES,
    SPACES,
    compose_metrics,
    draft_metrics,
    final_metrics,
    weigh_metrics,
)
from trainables.assignment import Assignment, Stage
from trainables.manifest import CorruptStage

METRICS: Mapping[str, Callable[[Any, int], dict[str, float]]] = {
    "draft": draft_metrics,
    "final": final_metrics,
    "compose": compose_metrics,
    "weigh": weigh_metrics,
}


def make_study(**changes: Any) -> Study:
    """Return a study of two arms and a search over both phases."""
    content = {
        "name": "toy",
        "question": "Where is the lowest point?",
        "data": {"name": "nothing"},
        "plan": ["draft", "final"],
        "space": "both",
        "arms": {
            "published": {"settings": {"draft/x": 4.0, "final/y": 2.0}},
            "no_draft": {"plan": ["final"], "settings": {"final/y": 3.0}},
        },
        "objective": {"metric": "final/val/error"},
        "search": {"sampler": "tpe", "trials": 4},
        **changes,
    }
    return Study.model_validate(content)


def stages_of(point: Point, seed: int, *, code: str = "v1") -> tuple[Stage, ...]:
    """Return stages whose keys cover what they should."""
    stages: list[Stage] = []
    parents: dict[str, str] = {}
    for step in point.plan:
        config = point.configs[step.label].model_dump(mode="json")
        identity = json.dumps([step.phase, config, parents, seed, code], sort_keys=True)
        key = hashlib.sha256(identity.encode()).hexdigest()
        stage = Stage(
            key=key,
            label=step.label,
            phase=step.phase,
            config=config,
            parents=dict(parents),
            data={"digest": "0"},
            seed=seed,
            epochs=config["epochs"],
        )
        stages.append(stage)
        parents[step.phase] = key
    return tuple(stages)


class FakeStages:
    """A stage store in memory; outlives drivers as a folder does."""

    def __init__(self) -> None:
        self.committed: dict[str, list[dict[str, Any]]] = {}
        self.saved: dict[str, list[dict[str, Any]]] = {}
        self.damaged: set[str] = set()
        self.epochs_trained = 0

    def is_committed(self, key: str) -> bool:
        return key in self.committed

    def metrics(self, key: str) -> list[dict[str, Any]]:
        if key in self.damaged:
            raise CorruptStage("history.json is not what was written")
        return self.committed[key]

    def set_aside(self, key: str) -> None:
        if key in self.damaged:
            self.damaged.remove(key)
            del self.committed[key]


class FakeSlots:
    """Slots that are ready whenever they are not lent."""

    def __init__(self, count: int) -> None:
        self.free = deque(f"slot-{i}" for i in range(count))
        self.withdrawn: list[tuple[str, int]] = []
        self.holding: set[str] = set()  # have not let go yet of what was withdrawn
        self.news: list[str] = []

    def lend(self, wanted: int) -> str | None:
        assert wanted > 0
        ready = next((slot for slot in self.free if slot not in self.holding), None)
        if ready is not None:
            self.free.remove(ready)
        return ready

    def give_back(self, slot: str) -> None:
        assert slot not in self.free
        self.free.append(slot)

    def withdraw(self, slot: str, trial: int) -> None:
        self.withdrawn.append((slot, trial))

    def is_free(self, slot: str) -> bool:
        return slot not in self.holding

    def poll(self) -> list[str]:
        news, self.news = self.news, []
        return news


class FakeClaims:
    """Claims of one driver on stages; drivers that share `held` keep out of each other's way."""

    def __init__(self, name: str, held: dict[str, str]) -> None:
        self.name, self.held = name, held

    def take(self, key: str) -> bool:
        return self.held.setdefault(key, self.name) == self.name

    def is_free(self, key: str) -> bool:
        return self.held.get(key, self.name) == self.name

    def release(self, key: str) -> None:
        if self.held.get(key) == self.name:
            del self.held[key]


class Killed(BaseException):
    """The driver is gone."""


class KillingJournal(Journal):
    """A journal whose driver dies at its n-th append, before or after the bytes are written."""

    def __init__(self, path: Path, *, kill_at: int | None = None, written: bool = True) -> None:
        super().__init__(path)
        self.appends = 0
        self._kill_at = kill_at
        self._killed_once_written = written

    def append(self, records: Any) -> None:
        if self.appends == self._kill_at:
            if self._killed_once_written:
                super().append(records)
            raise Killed
        self.appends += 1
        super().append(records)


class FakeClock:
    """Time that passes a second per look, and by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


class Play:
    """One driver's session: a conductor, fake slots, and trials that train when told to."""

    def __init__(
        self,
        study: Study,
        folder: Path,
        *,
        stages: FakeStages | None = None,
        slots: int = 1,
        journal: Journal | None = None,
        plan: Callable[[Point, int], tuple[Stage, ...]] = stages_of,
        clock: Clock | None = None,
        claims: Claims | None = None,
        shortage: Callable[[], str | None] = lambda: None,
        known: Mapping[str, Any] | None = None,
    ) -> None:
        self.study, self.known = study, known
        self.stages = stages or FakeStages()
        self.slots = FakeSlots(slots)
        self.journal = journal or Journal(folder / "journal.jsonl")
        self.book = Book(self.journal, clock=clock)
        self.records: list[Any] = []
        self.book.listen(lambda record, _: self.records.append(record))
        self.conductor = Conductor(
            study,
            phases=PHASES,
            space=space_of(study, SPACES),
            stages_of=plan,
            stages=self.stages,
            slots=self.slots,
            num_slots=slots,
            store_root="stages",
            book=self.book,
            claims=claims,
            shortage=shortage,
        )
        self.training: dict[int, Iterator[dict[str, Any]]] = {}
        self.order: list[int] = []

    @property
    def ledger(self) -> Ledger:
        return self.book.ledger

    def open(self) -> "Play":
        self.conductor.open({"git": None}, self.known)
        return self

    def hand_out(self) -> list[dict[str, Any]]:
        """Fill the slots as Tune would; return what was handed out."""
        configs = []
        while isinstance(config := self.conductor.next_config(), dict):
            configs.append(config)
            self.training[config["trial"]] = self.train(config)
            self.order.append(config["trial"])
        return configs

    def step(self, number: int) -> None:
        """Let a trial report one event."""
        if self.report(number, next(self.training[number])):
            del self.training[number]

    def report(self, number: int, *reports: dict[str, Any]) -> bool:
        """Report for a trial's last attempt; return whether it is to stop."""
        return self.conductor.on_reports(number, self.ledger.trial(number).attempt, reports)

    def run(self, speeds: random.Random | None = None) -> Ledger:
        """Run to the end: every trial an event at a time in turn, or whichever is fast just now."""
        self.open()
        while True:
            self.hand_out()
            if not self.training:
                assert self.conductor.next_config() == FINISHED
                break
            running = list(self.training)
            for number in running if speeds is None else [speeds.choice(running)]:
                self.step(number)
        self.conductor.close()
        self.journal.close()
        return self.ledger

    def train(self, config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what a slot would report of these assignments."""
        for data in config["assignments"]:
            assignment = Assignment.from_json(data)
            for seq, event in enumerate(self._events(assignment.stage)):
                yield report_of(assignment, seq, **event)

    def _events(self, stage: Stage) -> Iterator[dict[str, Any]]:
        if self.stages.is_committed(stage.key):
            yield {"event": "reused", "epoch": stage.epochs}
            return
        config = PHASES[stage.phase].config.model_validate(stage.config)
        history = self.stages.saved.setdefault(stage.key, [])
        yield {"event": "started", "epoch": len(history)}
        for saved in list(history):  # a slot tells again what may have been lost
            yield {"event": "epoch", **saved}
        for epoch in range(len(history) + 1, stage.epochs + 1):
            if getattr(config, "y", 0) > getattr(config, "limit", 100):
                yield {"event": "failed", "epoch": epoch - 1, **DIVERGED}
                return
            if getattr(config, "batch", 0) > getattr(config, "room", 0):
                yield {"event": "failed", "epoch": epoch - 1, **OUT_OF_MEMORY}
                return
            metrics = METRICS[stage.phase](config, epoch)
            self.stages.epochs_trained += 1
            history.append({"epoch": epoch, "metrics": metrics})
            yield {"event": "epoch", "epoch": epoch, "metrics": metrics}
        self.stages.committed[stage.key] = list(history)
        yield {"event": "finished", "epoch": stage.epochs}


DIVERGED = {"error_class": "diverged", "message": "train/loss is nan."}
OUT_OF_MEMORY = {"error_class": "out_of_memory", "message": "it does not fit."}


def report_of(assignment: Assignment, seq: int, **event: Any) -> dict[str, Any]:
    """Return a slot's report as the Tune trial passes it on."""
    return {
        "assignment": assignment.id,
        "seq": seq,
        "epochs": assignment.stage.epochs,
        "metrics": {},
        "error_class": None,
        "message": None,
        "trial": assignment.trial,
        "label": assignment.stage.label,
        **event,
    }


def summary(ledger: Ledger) -> list[Any]:
    """Return what must not depend on how often a driver died."""
    return [
        (
            trial.number,
            trial.arm,
            trial.seed,
            dict(trial.params),
            trial.state,
            trial.objective,
            [(rung.rung, rung.value, rung.decision) for rung in trial.rungs],
            [(stage.label, [epoch.epoch for epoch in stage.epochs]) for stage in trial.stages],
            trial.progress,
        )
        for trial in ledger.everything()
    ]


def assert_ended_once(records: Sequence[Mapping[str, Any]]) -> None:
    """Check that every trial that began has one end, and that numbers have no gaps."""
    ends = Counter(record["trial"] for record in records if record["kind"] == "end")
    begun = [record["number"] for record in records if record["kind"] == "trial"]
    assert ends == Counter(begun)
    searched = [number for number in begun if number < FIRST_REPLICATE]
    again = [number for number in begun if number >= FIRST_REPLICATE]
    assert searched == list(range(len(searched)))
    assert again == list(range(FIRST_REPLICATE, FIRST_REPLICATE + len(again)))
