"""How a study stands: what the terminal and the page for a browser both show of it."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sweep.agenda import ablations_left, gpu_hours, is_of, replicates_left
from sweep.ledger import Ledger
from sweep.messages import shown_duration
from sweep.naming import better, shown_number, trial_name, with_unit
from sweep.objectives import is_feasible
from sweep.slot_time import Slot
from sweep.study import Study
from sweep.trials import CONTINUE, PAUSE, STOP, Trial, TrialState

LAST_EVENTS = 12
WAITING, PAUSED = "waiting for a slot", "paused"
NOTE = "note"


@dataclass
class RunningTrial:
    """A trial as a view shows it."""

    name: str
    created_s: float
    attempt: int = 1
    label: str = WAITING
    epoch: int = 0
    epochs: int = 0
    value: float | None = None
    progress: float = 0.0


@dataclass(frozen=True)
class RungLine:
    """What was decided at one rung so far."""

    label: str
    epoch: int
    went_on: int
    paused: int
    stopped: int

    @property
    def where(self) -> str:
        """Return the rung's place in words."""
        return f"{self.label} epoch {self.epoch}"

    def __str__(self) -> str:
        counts = ((self.went_on, "went on"), (self.paused, "paused"), (self.stopped, "stopped"))
        return f"{self.where}: {', '.join(f'{count} {name}' for count, name in counts if count)}"


@dataclass(frozen=True)
class StudyEvent:
    """The end of a trial, or a note.

    Attributes:
        time_s: Unix time.
        text: What happened, in one line.
        kind: `note`, or the state that a trial ended in, in small letters.
    """

    time_s: float
    text: str
    kind: str


@dataclass
class View:
    """What a view shows: numbers and words only, so that drawing never reads a ledger that moves.

    Attributes:
        rungs: What was decided at each rung, the plan's first ones first.
        spent: GPU-hours, or core-hours, and what is left of the budget, in words; None where
            nothing tells.
        events: The last events, newest first.
    """

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
    rungs: Sequence[RungLine] = ()
    spent: str | None = None
    events: Sequence[StudyEvent] = ()

    @property
    def num_ended(self) -> int:
        """Return how many trials have ended, in whatever way."""
        return sum(self.ended.values())

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

    def count_end(self, trial: Trial, study: Study) -> None:
        """Count a trial or replicate that ended; a trial may be the best so far."""
        self.running.pop(trial.number, None)
        if trial.duration_s > 0:
            self.durations_s.append(trial.duration_s)
        if trial.replicate_of is not None:
            self.replicates_ended += trial.without is None
            self.ablations_ended += trial.without is not None
            return
        self.ended[trial.state] = self.ended.get(trial.state, 0) + 1
        if trial.objective is None or not is_feasible(trial, study.objective):
            return
        if self.best is None or better(trial.objective, self.best[1], study.objective.direction):
            self.best = (name_in(study, trial), trial.objective)

    def count_left(self, study: Study, ledger: Ledger) -> None:
        """Count the replicates that have not ended."""
        self.replicates_left = replicates_left(study, ledger)
        self.ablations_left = ablations_left(study, ledger)

    def read(self, study: Study, ledger: Ledger) -> None:
        """Read rungs, hours and last events off the ledger."""
        trials = [trial for trial in ledger.everything() if is_of(study, trial)]
        self.rungs = tuple(_rungs(trials))
        self.spent = _spent(study, ledger)
        self.events = tuple(_last_events(study, ledger, trials))


def view_of(study: Study, ledger: Ledger) -> View:
    """Return how a study stands by its ledger alone."""
    view = View(expected=expected_trials(study))
    for trial in ledger.everything():
        if not is_of(study, trial):
            continue  # left to the whole study
        if trial.state is TrialState.RUNNING:
            view.running[trial.number] = _running(study, trial)
        else:
            view.count_end(trial, study)
    view.count_left(study, ledger)
    view.read(study, ledger)
    return view


def name_in(study: Study, trial: Trial) -> str:
    """Return what a trial is called in this study, which may have several seeds."""
    return trial_name(trial, many_seeds=len(study.seeds.trials) > 1)


def end_words(study: Study, trial: Trial) -> str:
    """Say in one line how a trial ended."""
    name, took = name_in(study, trial), shown_duration(trial.duration_s)
    match trial.state:
        case TrialState.COMPLETE:
            value = "no value"
            if trial.objective is not None:
                value = with_unit(trial.objective, study.objective.metric)
            return f"{name}: {value} after {took}"
        case TrialState.PRUNED:
            rung = trial.rungs[-1] if trial.rungs else None
            where = f" at {rung.label} epoch {rung.epoch}" if rung else ""
            return f"{name}: stopped early{where} after {took}"
    first, *more = (trial.message or "no message").splitlines()
    rest = " (the report and the journal have the rest)" if more else ""
    return f"{name}: failed after {took}, {trial.error_class}: {first}{rest}"


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


def _running(study: Study, trial: Trial) -> RunningTrial:
    running = RunningTrial(name_in(study, trial), trial.created_s, progress=trial.progress)
    begun = [stage for stage in trial.stages if stage.status != "planned"]
    if begun:
        stage = begun[-1]
        running.label, running.epochs = stage.label, stage.epochs_planned
        running.epoch = stage.epochs[-1].epoch if stage.epochs else stage.resumed_from
    if trial.paused:
        running.label = PAUSED
    return running


def _rungs(trials: Sequence[Trial]) -> Iterator[RungLine]:
    counts: dict[tuple[int, str, int], Counter[str]] = {}
    for trial in trials:
        for rung in trial.rungs:
            at = counts.setdefault((rung.rung, rung.label, rung.epoch), Counter())
            at[CONTINUE if rung.promoted else rung.decision] += 1
    for (_, label, epoch), at in sorted(counts.items()):
        yield RungLine(label, epoch, at[CONTINUE], at[PAUSE], at[STOP])


def _spent(study: Study, ledger: Ledger) -> str | None:
    parts = [*_hours_of_slots(study, ledger)]
    if study.budget.wall_h is not None:
        left_h = max(0.0, study.budget.wall_h - ledger.elapsed_s / 3600)
        parts.append(f"{_hours(left_h)} of {study.budget.wall_h:g} h left")
    return ", ".join(parts) or None


def _hours_of_slots(study: Study, ledger: Ledger) -> Iterator[str]:
    now, spent = Slot.of(ledger.lineage), ledger.spent
    if now.gpus or spent.gpu_s:
        used_h = gpu_hours(ledger)
        if study.budget.gpu_h is None:
            yield f"{_hours(used_h)} GPU-hours used"
        else:
            left_h = max(0.0, study.budget.gpu_h - used_h)
            yield f"{_hours(left_h)} of {study.budget.gpu_h:g} GPU-hours left"
    if now.cores is not None or spent.core_s:
        yield f"{_hours(spent.core_s / 3600)} core-hours used"


def _hours(hours: float) -> str:
    return shown_number(hours, 2)


def _last_events(study: Study, ledger: Ledger, trials: Sequence[Trial]) -> Iterator[StudyEvent]:
    notes = [(note["time_s"], note["message"]) for note in ledger.notes]
    ends = [(trial.ended_s, trial) for trial in trials if trial.ended_s is not None]
    found: list[tuple[float, str | Trial]] = [*notes, *ends]
    for time_s, what in heapq.nlargest(LAST_EVENTS, found, key=lambda event: event[0]):
        if isinstance(what, Trial):
            yield StudyEvent(time_s, end_words(study, what), what.state.value.lower())
        else:
            yield StudyEvent(time_s, what, NOTE)
