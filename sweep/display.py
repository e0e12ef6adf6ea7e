"""What a person sees while a study runs: a live view on a terminal, dated lines elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweep.agenda import ablations_left, is_of, replicates_left
from sweep.ledger import Ledger, Record
from sweep.naming import better, trial_name, with_unit
from sweep.objectives import is_feasible
from sweep.study import Study
from sweep.trials import PAUSE, Trial, TrialState
from sweep.warm_start import record_sentence

REFRESHES_PER_S = 4.0
LINE_EVERY_S = 30.0
PROGRESS_LINE_EVERY_S = 5.0

Advance = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@dataclass
class RunningTrial:
    """A trial as the view shows it."""

    name: str
    created_s: float
    attempt: int = 1
    label: str = "waiting for a slot"
    epoch: int = 0
    epochs: int = 0
    value: float | None = None
    progress: float = 0.0


@dataclass
class View:
    """What the screen shows: numbers only, so that drawing never reads a ledger that moves."""

    expected: int
    replicates_left: int = 0
    replicates_ended: int = 0
    ablations_left: int = 0
    ablations_ended: int = 0
    ended: dict[TrialState, int] = field(default_factory=dict)
    running: dict[int, RunningTrial] = field(default_factory=dict)
    best: tuple[str, float] | None = None
    durations_s: list[float] = field(default_factory=list)
    slots: Mapping[str, str] = field(default_factory=dict)

    @property
    def num_ended(self) -> int:
        """Return how many trials have ended, in whatever way."""
        return sum(self.ended.values())

    def count_again(self, trial: Trial) -> bool:
        """Count a replicate that ended; say whether it is one."""
        is_replicate = trial.replicate_of is not None
        self.replicates_ended += is_replicate and trial.without is None
        self.ablations_ended += trial.without is not None
        return is_replicate

    @property
    def again(self) -> list[str]:
        """Return how many replicates have ended, of the verdict and of the ablation."""
        parts = []
        if self.replicates_ended or self.replicates_left:
            most = self.replicates_ended + self.replicates_left
            parts.append(f"{self.replicates_ended} of at most {most} replicates")
        if self.ablations_ended or self.ablations_left:
            most = self.ablations_ended + self.ablations_left
            parts.append(f"{self.ablations_ended} of {most} trainings of the ablation")
        return parts


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
        self._many_seeds = len(study.seeds.trials) > 1
        self._view = View(expected=expected_trials(study))
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._last_line_s = clock()
        for trial in ledger.everything():
            if not is_of(study, trial):
                continue  # left to the whole study
            self._start(trial)
            if trial.state is not TrialState.RUNNING:
                self._count_end(trial)
        self._count_left(ledger)

    def __enter__(self) -> "Display":
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
            lines = list(self._take(record, ledger))
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
                self._view.running[record["trial"]].label = "paused"
            case "promote" if record["trial"] in self._view.running:
                running = self._view.running[record["trial"]]
                running.label = "waiting for a slot"
                yield Text(f"{running.name}: promoted, goes on")
            case "stage":
                yield from self._take_stage(record, ledger)
            case "epoch":
                self._take_epoch(record, ledger)
            case "end":
                yield self._take_end(ledger.trial(record["trial"]))
                self._count_left(ledger)

    def _start(self, trial: Trial) -> None:
        name = trial_name(trial, many_seeds=self._many_seeds)
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
        name = trial_name(trial, many_seeds=self._many_seeds)
        before = self._view.best
        self._count_end(trial)
        took = shown_duration(trial.duration_s)
        match trial.state:
            case TrialState.COMPLETE:
                is_best = self._view.best != before
                line = f"{name}: {self._shown(trial.objective)} after {took}"
                return Text(line + (", best so far" if is_best else ""), "green" if is_best else "")
            case TrialState.PRUNED:
                rung = trial.rungs[-1] if trial.rungs else None
                where = f" at {rung.label} epoch {rung.epoch}" if rung else ""
                return Text(f"{name}: stopped early{where} after {took}", "dim")
        first, *more = (trial.message or "no message").splitlines()
        rest = " (the report and the journal have the rest)" if more else ""
        return Text(f"{name}: failed after {took}, {trial.error_class}: {first}{rest}", "red")

    def _count_end(self, trial: Trial) -> None:
        view = self._view
        view.running.pop(trial.number, None)
        if trial.ended_s is not None and trial.duration_s > 0:
            view.durations_s.append(trial.duration_s)
        if view.count_again(trial):
            return
        view.ended[trial.state] = view.ended.get(trial.state, 0) + 1
        if trial.objective is not None and is_feasible(trial, self._study.objective):
            direction = self._study.objective.direction
            if view.best is None or better(trial.objective, view.best[1], direction):
                view.best = (trial_name(trial, many_seeds=self._many_seeds), trial.objective)

    def _count_left(self, ledger: Ledger) -> None:
        self._view.replicates_left = replicates_left(self._study, ledger)
        self._view.ablations_left = ablations_left(self._study, ledger)

    def _say(self, line: Text) -> None:
        stamp = datetime.fromtimestamp(self._clock()).strftime("%H:%M:%S ")
        self._console.print(Text(stamp, style="dim") + line, soft_wrap=True, highlight=False)
        self._last_line_s = self._clock()

    def _shown(self, value: float | None) -> str:
        return "no value" if value is None else with_unit(value, self._study.objective.metric)

    def _summary(self) -> Text:
        with self._lock:
            parts = [self._headline(), *(self._line_of(t) for t in self._view.running.values())]
        return Text("; ".join(parts))

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
        return ", ".join(counts)

    def _render(self) -> RenderableType:
        with self._lock:
            view = self._view
            table = Table.grid(padding=(0, 2))
            for running in view.running.values():
                attempt = f" (attempt {running.attempt})" if running.attempt > 1 else ""
                table.add_row(
                    running.name + attempt,
                    running.label,
                    f"{running.epoch}/{running.epochs}" if running.epochs else "",
                    ProgressBar(total=1.0, completed=running.progress, width=24),
                    self._shown(running.value) if running.value is not None else "",
                )
            head = Text(f"{self._study.name}: {self._headline()}", style="bold")
            slots = ", ".join(f"{name} {state}" for name, state in view.slots.items())
            return Group(head, table, *([Text(slots, style="dim")] if slots else []))


def expected_trials(study: Study) -> int:
    """Return how many trials a study comes to when nothing ends it early."""
    return (len(study.arms) + study.search.trials) * len(study.seeds.trials)


def seconds_left(view: View, *, slots: int, now_s: float) -> float | None:
    """Estimate the time to the study's end from the trials so far, or None while none tells.

    The mean duration of what has ended, early stops included, stands for every trial to come; until
    the first end, the trial that has come furthest does.
    """
    if view.durations_s:
        mean_s = sum(view.durations_s) / len(view.durations_s)
    else:
        furthest = max(view.running.values(), key=lambda trial: trial.progress, default=None)
        if furthest is None or furthest.progress < 0.05:
            return None
        mean_s = (now_s - furthest.created_s) / furthest.progress
    started = sum(trial.progress for trial in view.running.values())
    left = view.expected - view.num_ended + view.replicates_left + view.ablations_left
    work = max(left, len(view.running)) - started
    return max(work, 0.0) * mean_s / slots


def shown_duration(seconds: float) -> str:
    """Return a duration in the two units that matter."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


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
