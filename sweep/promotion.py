"""Which of the trials that are paused at rungs go on, and which have come to their end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweep.agenda import is_of, unfinished
from sweep.cohorts import cohorts
from sweep.early_stop import Rung, best_share, rungs_of
from sweep.ledger import Ledger
from sweep.proxies import is_switched_off, switching_off
from sweep.rungs import values_at
from sweep.study import Study
from sweep.trials import RungEntry, Trial, TrialState
from trainables.plans import Plan


@dataclass(frozen=True)
class Verdict:
    """What becomes of a trial that is paused.

    Attributes:
        rung: Where it is paused.
        goes_on: Whether it goes on from there; else it ends.
    """

    trial: Trial
    rung: RungEntry
    goes_on: bool


class Promotions:
    """Judges the paused trials of one study. What it says follows from the ledger alone."""

    def __init__(self, study: Study, plan: Plan) -> None:
        self._study = study
        self._rules = study.early_stop
        self._rungs: Mapping[int, Rung] = {rung.index: rung for rung in rungs_of(study, plan)}

    def next_one(self, ledger: Ledger) -> Trial | None:
        """Return whom asynchronous successive halving promotes when a slot is free, if anyone.

        Li et al. (2020), Algorithm 2: the best `keep` share of all that reached a rung may go on,
        whenever each arrived; the highest rung with one that has not yet gone on is served first.
        """
        if not self._rules.promote:
            return None
        paused = self._paused_at(ledger)
        for index in sorted(paused, reverse=True):
            rung, waiting = self._rungs[index], paused[index]
            if is_switched_off(rung, ledger):
                return min(waiting, key=lambda trial: trial.number)
            best = best_share(
                values_at(index, ledger.trials.values()),
                keep=self._rules.keep,
                direction=rung.direction,
                at_least=0,
            )
            for key in best:
                for trial in waiting:
                    if trial.stage(rung.label).key == key:
                        return trial
        return None

    def settled(self, ledger: Ledger, *, last_call: bool, may_promote: bool) -> list[Verdict]:
        """Return what becomes of trials whose wait is over, because others came or none will.

        Args:
            ledger: What happened so far.
            last_call: Whether every trial that has not ended is paused, and no other is to begin.
            may_promote: Whether a trial may go on at all, as far as the budget is concerned.
        """
        if self._rules.rule == "sync":
            return self._of_a_cohort(ledger, is_whole=last_call)
        if not last_call or (may_promote and self.next_one(ledger) is not None):
            return []
        last = self._last_one(ledger) if may_promote else None
        if last is not None:
            return [Verdict(last, _pause_of(last), goes_on=True)]
        return [
            Verdict(trial, _pause_of(trial), goes_on=False)
            for waiting in self._paused_at(ledger).values()
            for trial in waiting
        ]

    def _last_one(self, ledger: Ledger) -> Trial | None:
        """Return who goes on although no more trials come, so that one of a search runs to the end.

        `keep` of the few that reached a rung may come to nobody; where no searched trial has
        completed, the best of those that came furthest goes on.
        """
        paused = self._paused_at(ledger) if self._rules.promote else {}
        if not paused or any(t.arm is None for t in ledger.in_state(TrialState.COMPLETE)):
            return None
        index = max(paused)
        sign = 1.0 if self._rungs[index].direction == "minimize" else -1.0
        return min(paused[index], key=lambda t: (sign * _pause_of(t).value, t.number))

    def useless_proxy(self, ledger: Ledger) -> dict[str, Any] | None:
        """Return the note that switches a proxy off which trials are paused at, if one is due.

        In cohorts that is known when the first of them arrives, and does not change any more.
        """
        if not self._rules.promote:
            return None
        for index in sorted(self._paused_at(ledger)):
            rung = self._rungs[index]
            if rung.is_proxy and not is_switched_off(rung, ledger):
                note = switching_off(rung, self._study, ledger.trials.values())
                if note is not None:
                    return note
        return None

    def _of_a_cohort(self, ledger: Ledger, *, is_whole: bool) -> list[Verdict]:
        """Return what becomes of a cohort's trials at a rung that all of them reached or ended.

        A trial whose phase is too short for the rung has passed it once it is at a later one.

        Args:
            ledger: What happened so far.
            is_whole: Whether the last cohort gets no more trials.
        """
        for members in cohorts(ledger, self._rules.cohort):
            paused = [trial for trial in members if trial.paused and is_of(self._study, trial)]
            if not paused or (len(members) < self._rules.cohort and not is_whole):
                continue
            index = min(_pause_of(trial).rung for trial in paused)
            if not all(_has_passed(trial, index) for trial in members):
                continue
            best = best_share(
                values_at(index, members),
                keep=self._rules.keep,
                direction=self._rungs[index].direction,
                at_least=1,
            )
            return [
                Verdict(trial, pause, goes_on=trial.stage(pause.label).key in best)
                for trial in paused
                if (pause := _pause_of(trial)).rung == index
            ]
        return []

    def _paused_at(self, ledger: Ledger) -> dict[int, list[Trial]]:
        """Return rung index -> the trials of the study that are paused there."""
        found: dict[int, list[Trial]] = {}
        for trial in unfinished(self._study, ledger):
            if trial.paused:
                found.setdefault(_pause_of(trial).rung, []).append(trial)
        return found


def _pause_of(trial: Trial) -> RungEntry:
    """Return the rung at which a paused trial waits."""
    return trial.rungs[-1]


def _has_passed(trial: Trial, index: int) -> bool:
    is_open = trial.state is TrialState.RUNNING
    return not is_open or any(entry.rung >= index for entry in trial.rungs)
