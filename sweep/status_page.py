"""A page for a browser that shows how a study goes: one file, rewritten while it runs."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from hpe.whole_file import write_text
from sweep.folders import StudyDir
from sweep.ledger import Ledger, Record
from sweep.messages import shown_duration, shown_time
from sweep.naming import metric_words, with_unit
from sweep.standing import seconds_left, view_of
from sweep.study import Study

EVERY_S = 3.0
TEMPLATE = "status.html.jinja"
REPORT = "report/index.html"

logger = logging.getLogger(__name__)


class StatusPage:
    """A listener that writes the page at most every few seconds, and at the session's end.

    Args:
        study: What is run.
        folder: Its folder.
        ledger: What has happened so far.
        slots: How many trials run at once, for the time that is left.
        again: The command that continues the study.
        wall: Unix time.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        study: Study,
        folder: StudyDir,
        *,
        ledger: Ledger,
        slots: int,
        again: str,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._study, self._folder, self._ledger = study, folder, ledger
        self._num_slots, self._again = max(slots, 1), again
        self._wall, self._clock = wall, clock
        self._slots: Mapping[str, str] = {}
        self._written_s: float | None = None
        self._is_stale = True

    def __call__(self, record: Record, ledger: Ledger) -> None:
        """Take one more journal record into account."""
        self._ledger, self._is_stale = ledger, True
        ending = record["event"] if record["kind"] == "session" else "opened"
        if ending != "opened":
            self._write(ending)
        else:
            self._write_if_due()

    def show_slots(self, states: Mapping[str, str]) -> None:
        """Show what each slot is doing; what came since the last writing is written if it is due.

        A page that cannot be written is told once and holds nothing up.
        """
        self._is_stale = self._is_stale or dict(states) != self._slots
        self._slots = dict(states)
        try:
            self._write_if_due()
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._folder.status, error)
            self._is_stale = False

    def break_off(self, reason: str) -> None:
        """Say that the session came to no end of its own, and why; as far as it can be written."""
        with suppress(OSError):  # a full disk may be the reason
            self._write("broken off", reason)

    def _write_if_due(self) -> None:
        now_s = self._clock()
        is_due = self._written_s is None or now_s - self._written_s >= EVERY_S
        if self._is_stale and is_due:
            self._write(None)

    def _write(self, ending: str | None, reason: str = "") -> None:
        self._written_s, self._is_stale = self._clock(), False
        page = render_status(
            self._study,
            self._ledger,
            slots=self._slots if ending is None else {},
            num_slots=self._num_slots,
            ending=ending,
            reason=reason,
            again=self._again,
            now_s=self._wall(),
        )
        write_text(self._folder.status, page, durable=False)


def render_status(
    study: Study,
    ledger: Ledger,
    *,
    slots: Mapping[str, str],
    num_slots: int,
    ending: str | None,
    reason: str = "",
    again: str,
    now_s: float,
) -> str:
    """Return the page; it asks the network for nothing.

    Args:
        study: What is run.
        ledger: What has happened.
        slots: What each slot is doing.
        num_slots: How many trials run at once.
        ending: How the session ended (`closed`, `interrupted` or `broken off`); None while it runs.
        reason: Why it was broken off.
        again: The command that continues the study.
        now_s: Unix time.
    """
    view, metric = view_of(study, ledger), study.objective.metric
    left_s = None if ending else seconds_left(view, slots=num_slots, now_s=now_s)
    return _template().render(
        study=study,
        ending=ending,
        reason=reason,
        again=again,
        report=REPORT,
        every_s=round(EVERY_S),
        written=datetime.fromtimestamp(now_s).strftime("%-d %b %H:%M:%S"),
        metric=metric_words(metric),
        view=view,
        states=[(state.value.lower(), count) for state, count in view.ended.items()],
        share=min(1.0, view.num_ended / view.expected) if view.expected else 0.0,
        best=None if view.best is None else (with_unit(view.best[1], metric), view.best[0]),
        left=None if left_s is None else shown_duration(left_s),
        elapsed=shown_duration(ledger.elapsed_s),
        slots=slots,
        events=[(shown_time(event.time_s), event) for event in view.events],
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)
