"""Telling a command or a web address what happens in a study: a new best, a failure, the end."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from sweep.agenda import why_over
from sweep.hooks import LIMIT_S, call_hook, shown_hook
from sweep.ledger import Ledger, Record
from sweep.naming import better, trial_name, with_unit
from sweep.objectives import is_feasible
from sweep.study import Study
from sweep.trials import Trial, TrialState

NOTICE_S = 1.0
"""For hooks that still wait when a signal or an error ends the study."""

Event = Mapping[str, Any]
Hook = Callable[[str, Event], None]
"""Called with a hook as given and an event; raises what went wrong."""


def events_in(record: Record, ledger: Ledger, study: Study) -> Iterator[Event]:
    """Yield what a record that has just been applied is worth telling.

    Every event has `event` (`new_best`, `failed` or `done`), `study`, `text` (a sentence, which
    chats show), `time_s` (Unix time), `trials` (state -> number) and `objective`; those about a
    trial also `trial` (its number), `name`, `value`, `error_class` and `message`.
    """
    time_s = record["time_s"]
    if record["kind"] == "end":
        trial = ledger.trial(record["trial"])
        if trial.state is TrialState.FAIL:
            reason = (trial.message or "no message").splitlines()[0]
            text = f"{study.name}: {trial_name(trial)} failed, {trial.error_class}: {reason}"
            yield _event("failed", text, time_s, ledger, study, trial)
        elif _is_new_best(trial, ledger, study):
            assert trial.objective is not None
            value = with_unit(trial.objective, study.objective.metric)
            text = f"{study.name}: {trial_name(trial)} is the best so far, {value}"
            yield _event("new_best", text, time_s, ledger, study, trial)
    elif record["kind"] == "session" and record["event"] == "closed":
        ended_by = why_over(study, ledger, elapsed_s=ledger.elapsed_s)
        if ended_by is not None:
            yield _event("done", f"{study.name} is done: {ended_by}", time_s, ledger, study, None)


class Notifier:
    """A listener that calls hooks on a thread of its own; a context manager around a study's run.

    A hook that fails is a line on the screen: it cannot hold the study up, nor fail it.

    Args:
        study: What is run.
        hooks: Commands and addresses.
        tell: Shows a line.
        call: Calls one hook.
    """

    def __init__(
        self,
        study: Study,
        hooks: tuple[str, ...],
        *,
        tell: Callable[[str], None],
        call: Hook = call_hook,
    ) -> None:
        self._study, self._hooks, self._tell, self._call = study, hooks, tell, call
        self._waiting: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._has_failed = False
        self._thread = threading.Thread(target=self._work, name="notifier", daemon=True)

    def __enter__(self) -> "Notifier":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give what is waiting the time that one event may take; little of it after a signal."""
        self._waiting.put(None)
        has_time = kind is None or self._has_failed
        self._thread.join(LIMIT_S * len(self._hooks) if has_time else NOTICE_S)

    def __call__(self, record: Record, ledger: Ledger) -> None:
        """Have the hooks told of one more journal record, if it is worth it; returns at once."""
        for event in events_in(record, ledger, self._study):
            self._waiting.put(event)

    def cannot_go_on(self, reason: str, ledger: Ledger) -> None:
        """Have the hooks told that the study itself has failed: nobody may be looking."""
        self._has_failed = True
        text = f"{self._study.name} cannot go on: {reason}"
        event = _event("failed", text, time.time(), ledger, self._study, None)
        self._waiting.put({**event, "message": reason})

    def _work(self) -> None:
        while (event := self._waiting.get()) is not None:
            for hook in self._hooks:
                try:
                    self._call(hook, event)
                except OSError as error:
                    self._tell(f"--notify {shown_hook(hook)}: {event['event']}: {error}")


def _is_new_best(trial: Trial, ledger: Ledger, study: Study) -> bool:
    """Say whether a trial of the search beats all others that completed."""
    objective = study.objective
    if trial.replicate_of is not None or trial.objective is None:
        return False
    if not is_feasible(trial, objective):
        return False
    others = (
        other.objective
        for other in ledger.in_state(TrialState.COMPLETE)
        if other is not trial and other.objective is not None and is_feasible(other, objective)
    )
    return all(better(trial.objective, other, objective.direction) for other in others)


def _event(
    name: str, text: str, time_s: float, ledger: Ledger, study: Study, trial: Trial | None
) -> dict[str, Any]:
    trials = {state.value: len(ledger.in_state(state)) for state in TrialState}
    event = {
        "event": name,
        "study": study.name,
        "text": text,
        "time_s": time_s,
        "trials": trials,
        "objective": study.objective.metric,
    }
    if trial is not None:
        event |= {"trial": trial.number, "name": trial_name(trial), "value": trial.objective}
        event |= {"error_class": trial.error_class, "message": trial.message}
    return event
