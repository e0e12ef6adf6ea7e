"""The driver's brain: what runs next, and what follows from what slots report. It knows no Tune."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from hpe.phases.phase import PhaseSpec
from search_spaces.space import Space
from sweep.agenda import Due, budget_used_up, next_due, unfinished
from sweep.book import Book
from sweep.endings import Ending, ending_of, failed
from sweep.facts import Failure, Report, StoredEpochs
from sweep.failures import LOSSES, WORKER_LOST, course_after
from sweep.intake import Run, news_in
from sweep.ledger import Trial, TrialState
from sweep.new_trials import NewTrials, Prepared, StagesOf
from sweep.resources import FinishedStages, Slots
from sweep.rungs import RungJudge
from sweep.sampling import SamplerView
from sweep.stage_watch import StageWatch
from sweep.study import Study
from trainables.assignment import Assignment, Event, Stage
from trainables.plans import parse_plan

FINISHED: Literal["FINISHED"] = "FINISHED"


class Conductor:
    """Hands out the trials of one study and takes in what they report.

    Everything is in the journal before it is decided upon and before anyone is told. What follows
    from the journal is worked out from the ledger alone, so it makes no difference when a driver
    was killed.

    Attributes:
        dropped: Reports that belonged to no running attempt or came twice.
    """

    def __init__(
        self,
        study: Study,
        *,
        phases: Mapping[str, PhaseSpec],
        space: Space | None,
        stages_of: StagesOf,
        stages: FinishedStages,
        slots: Slots,
        num_slots: int,
        gpus_per_slot: float = 0.0,
        store_root: str,
        book: Book,
    ) -> None:
        self._study = study
        self._store, self._store_root = stages, store_root
        self._stages = StageWatch(stages)
        self._slots, self._num_slots, self._gpus_per_slot = slots, num_slots, gpus_per_slot
        self._book = book
        self._judge = RungJudge(study, parse_plan(study.plan, phases))
        self._sampler = SamplerView(study, space, book.ledger) if space is not None else None
        self._new_trials = NewTrials(
            study, phases=phases, space=space, sampler=self._sampler, stages_of=stages_of
        )
        self._plans: dict[int, tuple[Stage, ...]] = {}  # of every trial that has not ended
        self._active: dict[int, Run] = {}
        self._interrupted = False
        self.dropped = 0

    # A session

    def open(self, lineage: Mapping[str, Any]) -> None:
        """Begin a session: take up what an earlier driver left unfinished."""
        self._book.open_session(self._study.model_dump(mode="json"), lineage)
        for trial in unfinished(self._study, self._book.ledger):
            self._conclude(trial)
        for trial in unfinished(self._study, self._book.ledger):
            self._resume(trial)

    def interrupt(self) -> None:
        """Hand nothing out any more; running trials stop at their next report and stay open."""
        self._interrupted = True

    @property
    def interrupted(self) -> bool:
        """Return whether the session was told to end early."""
        return self._interrupted

    def close(self) -> None:
        """End the session; trials that are still running will be continued by the next one."""
        for run in list(self._active.values()):
            self._release(run, abandon=True)
        self._book.end_session(interrupted=self._interrupted)

    # What runs next

    def next_config(self) -> dict[str, Any] | Literal["FINISHED"] | None:
        """Return the next trial for a Tune actor, None for nothing now, FINISHED for never more.

        A trial is chosen only when a slot is ready for it.
        """
        self._book.write(*({"kind": "note", "message": text} for text in self._slots.poll()))
        if self._interrupted:
            return FINISHED
        if self._ready() is None and not self._may_begin():
            return FINISHED if not self._plans and self._due() is None else None
        slot = self._slots.lend()
        if slot is None:
            return None
        number = self._choose()
        if number is None:
            self._slots.give_back(slot)
            return None
        return self._hand_out(number, slot)

    def _choose(self) -> int | None:
        """Return a trial that can run now: one that waits, else a new one."""
        while (number := self._ready()) is None:
            due = self._due()
            if due is None or not self._may_begin():
                return None
            self._begin(due)
        return number

    def _ready(self) -> int | None:
        """Return the first waiting trial whose next stage nobody is training right now."""
        in_training = {
            stage.key
            for number in self._active
            for stage in self._stages.missing(self._plans[number])
        }
        for number in sorted(self._plans.keys() - self._active.keys()):
            missing = self._stages.missing(self._plans[number])
            if not missing or missing[0].key not in in_training:
                return number
        return None

    def _may_begin(self) -> bool:
        """Say whether a new trial may begin although it may have to wait for another's stage.

        Arms may, all of them. Of searched points at most as many wait as there are slots: each
        point asked for early is one chosen with less knowledge.
        """
        due = self._due()
        if due is None or due.arm is not None:
            return due is not None
        trials = self._book.ledger.trials
        waiting = self._plans.keys() - self._active.keys()
        return sum(trials[number].arm is None for number in waiting) < self._num_slots

    def _due(self) -> Due | None:
        """Return the next trial of the study, unless its budget is used up."""
        due = next_due(self._study, self._book.ledger)
        if due is None:
            return None
        reason = budget_used_up(
            self._study,
            self._book.ledger,
            elapsed_s=self._book.elapsed_s,
            gpus_per_slot=self._gpus_per_slot,
        )
        if reason is None:
            return due
        self._note_once(f"{reason}; no further trial begins.")
        return None

    # Beginning a trial

    def _begin(self, due: Due) -> None:
        number = len(self._book.ledger.trials)
        record, prepared = self._new_trials.begin(due, number)
        self._book.write(record)
        trial = self._book.ledger.trials[number]
        if self._sampler is not None:
            self._sampler.begin(trial)
        self._plan(trial, prepared)

    def _resume(self, trial: Trial) -> None:
        """Take up an unfinished trial, from nothing if it would not be the same any more.

        A stage's key covers code, data and libraries; a trial never mixes two origins.
        """
        prepared = self._new_trials.again(trial)
        if [stage.key for stage in prepared.stages] != [stage.key for stage in trial.stages]:
            message = (
                f"trial {trial.number} starts again from nothing: code, data or libraries are not "
                f"what they were when it began."
            )
            self._book.write(
                {"kind": "note", "message": message},
                {"kind": "restage", "trial": trial.number, "stages": prepared.entries},
            )
        self._plan(trial, prepared)

    def _plan(self, trial: Trial, prepared: Prepared) -> None:
        if prepared.fault is None:
            self._plans[trial.number] = prepared.stages
        else:
            self._end(trial, failed(Failure("code", prepared.fault, by_slot=True)))

    def _hand_out(self, number: int, slot: str) -> dict[str, Any]:
        trial = self._book.ledger.trials[number]
        attempt = trial.attempt + 1
        self._book.write({"kind": "attempt", "trial": number, "attempt": attempt})
        self._active[number] = Run(trial=number, attempt=attempt, slot=slot)
        is_arm = trial.arm is not None
        assignments = [
            Assignment(
                trial=number,
                attempt=attempt,
                stage=stage,
                decision_epochs=self._judge.decision_epochs(stage, is_arm=is_arm),
            )
            for stage in self._plans[number]
        ]
        return {
            "trial": number,
            "attempt": attempt,
            "slot": slot,
            "store": self._store_root,
            "assignments": [assignment.to_json() for assignment in assignments],
        }

    # Taking in reports

    def on_reports(self, number: int, attempt: int, reports: Sequence[Report]) -> bool:
        """Take in what a trial's slot reported; return whether this attempt is to stop.

        Reports may come twice, and late ones of an earlier attempt may come: they change nothing.
        """
        run = self._active.get(number)
        if run is None or run.attempt != attempt:
            self.dropped += len(reports)
            return True
        trial = self._book.ledger.trials[number]
        news = news_in(reports, run, trial, lambda report: self._stored(report, trial))
        self.dropped += news.dropped
        self._book.write(*news.records)
        if news.failure is None:
            self._conclude(trial)
        else:
            self._take_failure(run, news.failure)
        return number not in self._active or self._interrupted

    def on_lost(self, number: int, attempt: int, message: str) -> None:
        """Take in that what carried a trial's reports is gone; the trial is handed out again."""
        run = self._active.get(number)
        if run is not None and run.attempt == attempt:
            self._take_failure(run, Failure(WORKER_LOST, message, by_slot=False))

    def _stored(self, report: Report, trial: Trial) -> StoredEpochs:
        if report["event"] not in (Event.REUSED, Event.FINISHED):
            return ()
        key = trial.stage(report["label"]).key
        self._stages.finished(key)
        return self._store.metrics(key)

    def _conclude(self, trial: Trial) -> None:
        """Take the decisions that are due for a trial, and end it if it is over."""
        for record in self._judge.due(trial, self._book.ledger):
            self._book.write(record)
        ending = ending_of(trial, self._study)
        if ending is not None:
            self._end(trial, ending)

    def _take_failure(self, run: Run, failure: Failure) -> None:
        """Hand a trial out again that lost what it ran on; end it for any other reason."""
        trial = self._book.ledger.trials[run.trial]
        course = course_after(failure, trial, self._book.ledger)
        note = {
            "kind": "note",
            "message": f"trial {run.trial}, attempt {run.attempt}: {failure.message}",
            "trial": run.trial,
            "error_class": failure.error_class,
        }
        if failure.error_class not in LOSSES:
            self._end(trial, failed(failure))
            return
        self._stages.forget(stage.key for stage in self._plans[run.trial])
        if course == "end":
            self._end(trial, failed(failure), note)
        else:
            self._book.write(note)
            self._release(run, abandon=not failure.by_slot)

    def _end(self, trial: Trial, ending: Ending, *before: Mapping[str, Any]) -> None:
        """End a trial, once and for ever; its slot is free for the next one.

        Args:
            trial: The trial, which runs.
            ending: How it ends.
            before: Records that belong with the end.
        """
        assert trial.state is TrialState.RUNNING, trial
        self._book.write(*before, ending.record(trial))
        if self._sampler is not None:
            self._sampler.end(trial)
        self._plans.pop(trial.number, None)
        run = self._active.get(trial.number)
        if run is not None:
            self._release(run, abandon=ending.abandon)

    def _release(self, run: Run, *, abandon: bool) -> None:
        del self._active[run.trial]
        if abandon:
            self._slots.withdraw(run.slot, run.trial)
        self._slots.give_back(run.slot)

    def _note_once(self, message: str) -> None:
        if all(note["message"] != message for note in self._book.ledger.notes):
            self._book.write({"kind": "note", "message": message})
