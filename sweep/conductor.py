"""The driver's brain: what runs next, and what follows from what slots report. It knows no Tune."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from hpe.phases.phase import PhaseSpec
from search_spaces.space import Space
from sweep.agenda import Agenda, next_number, num_left, unfinished
from sweep.book import Book
from sweep.cohorts import next_may_be_asked_for
from sweep.endings import Ending, ending_of, failed, pruned_at
from sweep.facts import Failure, Report, StoredEpochs
from sweep.failures import (
    course_after,
    loss_note,
    quarantined_as,
    quarantined_twin,
)
from sweep.intake import Run, news_in
from sweep.new_trials import NewTrials, Prepared, StagesOf, restaged
from sweep.promotion import Promotions
from sweep.resources import Claims, Slots, Stages
from sweep.rungs import RungJudge
from sweep.sampling import SamplerView
from sweep.stage_watch import StageWatch
from sweep.study import Study
from sweep.trials import Trial, TrialState
from trainables.assignment import LOSSES, WORKER_LOST, Event, Stage
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
        stages: Stages,
        slots: Slots,
        num_slots: int,
        store_root: str,
        book: Book,
        claims: Claims | None = None,
        shortage: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._study = study
        self._store_root = store_root
        self._stages = StageWatch(stages, slots, claims)
        self._slots, self._num_slots = slots, num_slots
        self._book = book
        self._agenda = Agenda(study, book, shortage=shortage)
        plan = parse_plan(study.plan, phases)
        self._judge, self._promotions = RungJudge(study, plan), Promotions(study, plan)
        self._sampler = SamplerView(study, space, book.ledger) if space is not None else None
        self._new_trials = NewTrials(
            study,
            phases=phases,
            space=space,
            sampler=self._sampler,
            stages_of=stages_of,
            ledger=book.ledger,
            are_finished=self._stages.are_finished,
        )
        self._plans: dict[int, tuple[Stage, ...]] = {}  # of every trial that has not ended
        self._active: dict[int, Run] = {}
        self._interrupted = False
        self.dropped = 0

    # A session

    def open(
        self,
        lineage: Mapping[str, Any],
        known: Mapping[str, Any] | None = None,
        *,
        whole: Study | None = None,
    ) -> None:
        """Begin a session: take up what an earlier driver left, and first what is known.

        Args:
            lineage: Where code, packages and data come from, as JSON data.
            known: The record of what is known from another study, to begin with.
            whole: The study that goes on record, where only an arm of it is run.
        """
        study = self._study if whole is None else whole
        self._book.open_session(study.model_dump(mode="json"), lineage, known)
        if self._sampler is not None:
            self._sampler.begin_with(self._book.ledger.known)
        for trial in unfinished(self._study, self._book.ledger):
            self._conclude(trial)
        for trial in unfinished(self._study, self._book.ledger):
            self._resume(trial)

    def interrupt(self) -> None:
        """Hand nothing out any more; running trials stop at their next report and stay open."""
        self._interrupted = True

    @property
    def num_left(self) -> int:
        """Return how many trials have not ended, those that have not begun included."""
        return num_left(self._study, self._book.ledger)

    @property
    def interrupted(self) -> bool:
        """Return whether the session was told to end early."""
        return self._interrupted

    def close(self) -> None:
        """End the session; trials that are still running will be continued by the next one."""
        for run in list(self._active.values()):
            self._release(run, abandon=True)
        if self._sampler is not None:
            self._sampler.close()
        self._book.end_session(interrupted=self._interrupted)

    # What runs next

    def next_config(self) -> dict[str, Any] | Literal["FINISHED"] | None:
        """Return the next trial for a Tune actor, None for nothing now, FINISHED for never more.

        A trial is chosen only when a slot is ready for it.
        """
        self._book.write(*({"kind": "note", "message": text} for text in self._slots.poll()))
        if self._interrupted:
            return FINISHED
        self._settle()
        if self._ready() is None and self._promotable() is None and not self._may_begin():
            return FINISHED if not self._plans and self._agenda.due() is None else None
        slot = self._slots.lend(self.num_left - len(self._active))
        if slot is None:
            return None
        self._stages.lent(slot)
        number = self._choose()
        if number is None:
            self._slots.give_back(slot)
            return None
        config = self._hand_out(number, slot)
        self._prepare()
        return config

    def _prepare(self) -> None:
        """Have the next point worked out while slots train, to be there when one of them is free.

        Not with one slot, and not in cohorts: there a suggestion knows all that ended before it.
        """
        if self._num_slots == 1 or self._study.early_stop.rule == "sync":
            return
        due = self._agenda.due()
        if due is not None and due.arm is None and not due.sibling:
            self._new_trials.prepare(len(self._book.ledger.trials))

    def _choose(self) -> int | None:
        """Return a trial that can run now: one that waits, one that is promoted, or a new one."""
        if self._study.early_stop.rule == "sync":
            while self._may_begin():
                self._begin()
        held_back: set[int] = set()  # another driver trains what they need
        while True:
            number = self._ready(held_back)
            if number is None:
                promoted = self._promotable()
                if promoted is not None:
                    self._promote(promoted)
                elif self._may_begin():
                    self._begin()
                else:
                    return None
            elif not self._is_quarantined(number):
                if self._stages.take(self._plans[number]):
                    return number
                held_back.add(number)

    def _ready(self, held_back: AbstractSet[int] = frozenset()) -> int | None:
        """Return the first waiting trial that needs nothing which is being trained right now."""
        for number in sorted(self._waiting() - held_back):
            if not self._stages.is_taken(self._plans[number]):
                return number
        return None

    def _waiting(self) -> set[int]:
        """Return the trials that would run if they had a slot."""
        trial = self._book.ledger.trial
        return {n for n in self._plans.keys() - self._active.keys() if not trial(n).paused}

    def _may_begin(self) -> bool:
        """Say whether a new trial may begin although it may have to wait for another's stage.

        Arms may, all of them. Of searched points at most as many wait as there are slots: each
        point asked for early is one chosen with less knowledge. In cohorts that is no matter: a
        whole one is asked for when everything before it has ended.
        """
        due = self._agenda.due()
        if due is None or not self._agenda.there_is_room():
            return False
        if due.arm is not None or due.replicate_of is not None:
            return True
        ledger, rules = self._book.ledger, self._study.early_stop
        if rules.rule == "sync":
            return next_may_be_asked_for(self._study, ledger)
        waiting = sum(ledger.trial(number).arm is None for number in self._waiting())
        return waiting < self._num_slots

    def _is_quarantined(self, number: int) -> bool:
        """End a new trial that would only fail as another one did; say whether it was one."""
        trial = self._book.ledger.trial(number)
        twin = quarantined_twin(trial, self._book.ledger) if trial.attempt == 0 else None
        if twin is not None:
            self._end(trial, failed(quarantined_as(twin)))
        return twin is not None

    # Trials that are paused

    def _settle(self) -> None:
        """Decide about trials whose wait at a rung is over, whether others came or none will."""
        ledger = self._book.ledger
        if not any(ledger.trial(number).paused for number in self._plans):
            return
        note = self._promotions.useless_proxy(ledger)
        if note is not None:
            self._book.write(note)
        while verdicts := self._promotions.settled(
            ledger,
            last_call=all(ledger.trial(number).paused for number in self._plans)
            and self._agenda.due() is None,
            may_promote=self._agenda.budget_is_left(),
        ):
            for verdict in verdicts:
                if verdict.goes_on:
                    self._promote(verdict.trial)
                else:
                    self._end(verdict.trial, pruned_at(verdict.rung))

    def _promotable(self) -> Trial | None:
        """Return the paused trial that goes on next, if there is one."""
        trial = self._promotions.next_one(self._book.ledger)
        return trial if trial is not None and self._agenda.budget_is_left() else None

    def _promote(self, trial: Trial) -> None:
        """Let a paused trial go on, which may have reached the next rung already."""
        rung = trial.rungs[-1].rung
        self._book.write({"kind": "promote", "trial": trial.number, "rung": rung})
        self._tell_sampler(trial)
        self._conclude(trial)

    def _pause(self, trial: Trial) -> None:
        """Give a trial's slot to others; what it was trained to is saved."""
        self._tell_sampler(trial)
        run = self._active.get(trial.number)
        if run is not None:
            self._release(run, abandon=True)

    # Beginning a trial

    def _begin(self) -> None:
        due = self._agenda.due()
        assert due is not None
        number = next_number(due, self._book.ledger)
        records, prepared = self._new_trials.begin(due, number)
        self._book.write(*records)
        trial = self._book.ledger.trial(number)
        self._tell_sampler(trial)
        self._plan(trial, prepared)

    def _resume(self, trial: Trial) -> None:
        """Take up an unfinished trial, anew where it would not be the same any more."""
        prepared = self._new_trials.again(trial)
        if changed := restaged(trial, prepared):
            self._book.write(*changed)
            self._tell_sampler(trial)
        self._plan(trial, prepared)

    def _tell_sampler(self, trial: Trial) -> None:
        """Have the sampler see a trial as it is now; replicates teach it nothing."""
        if self._sampler is not None and trial.replicate_of is None:
            self._sampler.take_in(trial)

    def _plan(self, trial: Trial, prepared: Prepared) -> None:
        if prepared.fault is None:
            self._plans[trial.number] = prepared.stages
        else:
            self._end(trial, failed(Failure("code", prepared.fault, by_slot=True)))

    def _hand_out(self, number: int, slot: str) -> dict[str, Any]:
        trial = self._book.ledger.trial(number)
        attempt = trial.attempt + 1
        self._book.write({"kind": "attempt", "trial": number, "attempt": attempt})
        self._active[number] = Run(trial=number, attempt=attempt, slot=slot)
        return {
            "trial": number,
            "attempt": attempt,
            "slot": slot,
            "store": self._store_root,
            "assignments": self._judge.assignments(trial, self._plans[number]),
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
        trial = self._book.ledger.trial(number)
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

    def _stored(self, report: Report, trial: Trial) -> StoredEpochs | Failure:
        """Return the epochs of the stage that a report says is finished, or that it is lost."""
        if report["event"] not in (Event.REUSED, Event.FINISHED):
            return ()
        stage = trial.stage(report["label"])
        self._stages.finished(stage.key)
        return self._stages.epochs_of(stage)

    def _conclude(self, trial: Trial) -> None:
        """Take the decisions that are due for a trial, and end it if it is over."""
        for record in self._judge.due(trial, self._book.ledger):
            self._book.write(record)
        if trial.paused:
            self._pause(trial)
            return
        ending = ending_of(trial, self._study, self._book.ledger)
        if ending is not None:
            self._end(trial, ending)

    def _take_failure(self, run: Run, failure: Failure) -> None:
        """Hand a trial out again that lost what it ran on; end it for any other reason."""
        trial = self._book.ledger.trial(run.trial)
        course = course_after(failure, trial, self._book.ledger)
        note = loss_note(failure, trial)
        if course == "lighter" and self._lighten(run, trial, failure):
            return
        if failure.error_class not in LOSSES:
            self._end(trial, failed(failure))
            return
        self._stages.forget(self._plans[run.trial])
        if course == "end":
            self._end(trial, failed(failure), note)
        else:
            self._book.write(note)
            self._release(run, abandon=not failure.by_slot)

    def _lighten(self, run: Run, trial: Trial, failure: Failure) -> bool:
        """Hand a trial out again with settings that need less memory; say whether there are any."""
        found = None if failure.label is None else self._new_trials.lighter(trial, failure.label)
        if found is None:
            return False
        records, prepared = found
        self._book.write(*records)
        self._tell_sampler(trial)
        self._release(run, abandon=not failure.by_slot)
        self._plan(trial, prepared)
        return True

    def _end(self, trial: Trial, ending: Ending, *before: Mapping[str, Any]) -> None:
        """End a trial, once and for ever; its slot is free for the next one.

        Args:
            trial: The trial, which runs.
            ending: How it ends.
            before: Records that belong with the end.
        """
        assert trial.state is TrialState.RUNNING, trial
        self._book.write(*before, ending.record(trial))
        self._tell_sampler(trial)
        run = self._active.get(trial.number)
        if run is not None:
            self._release(run, abandon=ending.abandon)
        self._plans.pop(trial.number, None)

    def _release(self, run: Run, *, abandon: bool) -> None:
        del self._active[run.trial]
        if abandon:
            self._slots.withdraw(run.slot, run.trial)
        self._stages.leave(self._plans[run.trial], abandoned_by=run.slot if abandon else None)
        self._slots.give_back(run.slot)
