"""What a person sees while a study runs: a live view on a terminal, dated lines elsewhere."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweep.ledger import Ledger, Record
from sweep.messages import shown_duration, shown_time
from sweep.naming import with_unit
from sweep.standing import PAUSED, WAITING, RunningTrial, end_words, name_in, seconds_left, view_of
from sweep.study import Study
from sweep.trials import PAUSE, Trial, TrialState
from sweep.warm_start import record_sentence

REFRESHES_PER_S = 4.0
LINE_EVERY_S = 30.0
PROGRESS_LINE_EVERY_S = 5.0
READ_EVERY_S = 1.0
"""How often rungs, hours and events are read off the ledger, which takes all its trials."""
DECIDING = ("rung", "promote", "note")
"""Kinds of record after which they are read at once."""
EARLIER_EVENTS = 3
"""How many of the last events a continued study begins with."""
BAR_WIDTH, WIDE = 24, 100
SLOTS_BY_NAME = 8
"""Most slots that are shown one by one."""

Advance = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


class Display:
    """A listener that shows how a study goes; a context manager around its run.

    Args:
        study: What is run.
        console: Where to show it.
        ledger: What has happened so far, in earlier sessions too.
        slots: How many trials run at once, for the time that is left.
        clock: Unix time.
    """

    def __init__(
        self,
        study: Study,
        *,
        console: Console,
        ledger: Ledger,
        slots: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._study, self._console, self._clock = study, console, clock
        self._num_slots = max(slots, 1)
        self._view = view_of(study, ledger)
        for running in self._view.running.values():
            running.label = PAUSED if running.label == PAUSED else WAITING
        self._ledger, self._read_s = ledger, clock()
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._last_line_s = clock()

    def __enter__(self) -> "Display":
        for event in reversed(self._view.events[:EARLIER_EVENTS]):
            earlier = datetime.fromtimestamp(event.time_s).strftime("%-d %b %H:%M")
            self._say(Text(f"earlier ({earlier}): {event.text}", style="dim"))
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._render,
                refresh_per_second=REFRESHES_PER_S,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, record: Record, ledger: Ledger) -> None:
        """Show one more journal record."""
        with self._lock:
            self._ledger = ledger
            lines = list(self._take(record, ledger))
            self._read(at_once=record["kind"] in DECIDING)
        for line in lines:
            self._say(line)
        if self._live is None and self._clock() - self._last_line_s >= LINE_EVERY_S:
            self._say(self._summary())

    def note(self, message: str) -> None:
        """Show something that is no journal record, such as what is being started."""
        self._say(Text(message))

    def show_slots(self, states: Mapping[str, str]) -> None:
        """Show what each slot is doing."""
        with self._lock:
            self._view.slots = dict(states)
            self._read(at_once=False)

    def _read(self, *, at_once: bool) -> None:
        """Read rungs, hours and last events off the ledger, or wait until a second has passed."""
        now_s = self._clock()
        if at_once or abs(now_s - self._read_s) >= READ_EVERY_S:
            self._view.read(self._study, self._ledger)
            self._read_s = now_s

    def _take(self, record: Record, ledger: Ledger) -> Iterator[Text]:
        match record["kind"]:
            case "note":
                yield Text(record["message"], style="yellow")
            case "known":
                yield Text(record_sentence(record))
            case "trial":
                self._start(ledger.trial(record["number"]))
            case "attempt" if record["trial"] in self._view.running:
                running = self._view.running[record["trial"]]
                promotions = sum(rung.promoted for rung in ledger.trial(record["trial"]).rungs)
                running.attempt = record["attempt"] - promotions
                if running.attempt > 1:
                    yield Text(f"{running.name}: attempt {running.attempt}", style="yellow")
            case "rung" if record["decision"] == PAUSE and record["trial"] in self._view.running:
                self._view.running[record["trial"]].label = PAUSED
            case "promote" if record["trial"] in self._view.running:
                running = self._view.running[record["trial"]]
                running.label = WAITING
                yield Text(f"{running.name}: promoted, goes on")
            case "stage":
                yield from self._take_stage(record, ledger)
            case "epoch":
                self._take_epoch(record, ledger)
            case "end":
                yield self._take_end(ledger.trial(record["trial"]))
                self._view.count_left(self._study, ledger)

    def _start(self, trial: Trial) -> None:
        name = name_in(self._study, trial)
        self._view.running[trial.number] = RunningTrial(name, trial.created_s)

    def _take_stage(self, record: Record, ledger: Ledger) -> Iterator[Text]:
        running = self._view.running.get(record["trial"])
        if running is None:
            return
        trial = ledger.trial(record["trial"])
        stage = trial.stage(record["label"])
        running.label, running.epochs = stage.label, stage.epochs_planned
        running.epoch, running.progress = record.get("resumed_from", 0), trial.progress
        match record["status"]:
            case "reused":
                running.epoch = stage.epochs_planned
                yield Text(f"{running.name}: {stage.label} was trained before, reused", style="dim")
            case "running" if self._live is None:
                again = f" from epoch {running.epoch}" if running.epoch else ""
                yield Text(f"{running.name}: {stage.label} starts{again}")

    def _take_epoch(self, record: Record, ledger: Ledger) -> None:
        running = self._view.running.get(record["trial"])
        if running is None:
            return
        trial = ledger.trial(record["trial"])
        running.label, running.epoch = record["label"], record["epoch"]
        running.epochs = trial.stage(record["label"]).epochs_planned
        running.progress = trial.progress
        value = record["metrics"].get(self._metric_below(record["label"]))
        running.value = running.value if value is None else value

    def _metric_below(self, label: str) -> str:
        """Return the objective's key among the metrics of a phase, or one that none has."""
        return self._study.objective.metric.removeprefix(f"{label}/")

    def _take_end(self, trial: Trial) -> Text:
        before = self._view.best
        self._view.count_end(trial, self._study)
        is_best = self._view.best != before
        words = end_words(self._study, trial)
        return Text(words + (", best so far" if is_best else ""), _style(trial, is_best=is_best))

    def _say(self, line: Text) -> None:
        stamp = Text(f"{shown_time(self._clock())} ", style="dim")
        self._console.print(stamp + line, soft_wrap=True, highlight=False)
        self._last_line_s = self._clock()

    def _shown(self, value: float) -> str:
        return with_unit(value, self._study.objective.metric)

    def _summary(self) -> Text:
        with self._lock:
            parts = [self._headline(), *(self._line_of(t) for t in self._view.running.values())]
            parts += self._rungs()
        return Text("; ".join(parts))

    def _rungs(self) -> list[str]:
        """Return a line that tells all rungs, or none."""
        return [f"rungs: {'; '.join(map(str, self._view.rungs))}"] if self._view.rungs else []

    def _line_of(self, running: RunningTrial) -> str:
        where = f" {running.epoch}/{running.epochs}" if running.epochs else ""
        return f"{running.name} {running.label}{where}"

    def _headline(self) -> str:
        view = self._view
        counts = [f"{view.num_ended} of {view.expected} trials"]
        names = ((TrialState.PRUNED, "stopped early"), (TrialState.FAIL, "failed"))
        counts += [f"{view.ended[state]} {name}" for state, name in names if view.ended.get(state)]
        if view.replicates_ended or view.ablations_ended or view.num_ended == view.expected:
            counts += view.again
        if view.best is not None:
            counts.append(f"best {self._shown(view.best[1])} ({view.best[0]})")
        left_s = seconds_left(view, slots=self._num_slots, now_s=self._clock())
        if left_s is not None:
            counts.append(f"about {shown_duration(left_s)} left")
        if view.spent is not None:
            counts.append(view.spent)
        return ", ".join(counts)

    def _render(self) -> RenderableType:
        with self._lock:
            view = self._view
            table = Table.grid(padding=(0, 2))
            table.add_column(overflow="ellipsis", no_wrap=True)
            bar_width = BAR_WIDTH if self._console.width >= WIDE else BAR_WIDTH // 2
            for running in view.running.values():
                attempt = f" (attempt {running.attempt})" if running.attempt > 1 else ""
                table.add_row(
                    running.name + attempt,
                    running.label,
                    f"{running.epoch}/{running.epochs}" if running.epochs else "",
                    ProgressBar(total=1.0, completed=running.progress, width=bar_width),
                    self._shown(running.value) if running.value is not None else "",
                )
            head = Text(f"{self._study.name}: {self._headline()}", style="bold")
            below = [*self._rungs(), *_slots_lines(view.slots)]
            return Group(head, table, *(Text(line, style="dim") for line in below))


def _style(trial: Trial, *, is_best: bool) -> str:
    """Return the colour of the line that tells how a trial ended."""
    if trial.state is TrialState.COMPLETE:
        return "green" if is_best else ""
    return "dim" if trial.state is TrialState.PRUNED else "red"


def _slots_lines(slots: Mapping[str, str]) -> list[str]:
    """Return a line that tells what each slot does, or how many do what where they are many."""
    if not slots:
        return []
    if len(slots) > SLOTS_BY_NAME:
        states = Counter(slots.values()).most_common()
        return [f"slots: {', '.join(f'{count} {state}' for state, count in states)}"]
    return [", ".join(f"{name} {state}" for name, state in slots.items())]


@contextmanager
def progress(title: str, *, console: Console) -> Iterator[Advance]:
    """Show how far something long has come: a bar on a terminal, a line now and then elsewhere."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    last_s = [-PROGRESS_LINE_EVERY_S]

    def advance(done: int, total: int) -> None:
        now_s = time.monotonic()
        if done == total or now_s - last_s[0] >= PROGRESS_LINE_EVERY_S:
            last_s[0] = now_s
            share = 100 * done // total if total else 100
            console.print(f"{title}: {done} of {total} ({share} %)", highlight=False)

    yield advance
