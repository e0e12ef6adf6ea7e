"""A page for a browser that shows how a study goes: one file, rewritten while it runs."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from hpe.whole_file import write_text
from sweep.agenda import ablations_left, gpu_hours, is_of, replicates_left
from sweep.display import RunningTrial, View, expected_trials, seconds_left, shown_duration
from sweep.folders import StudyDir
from sweep.ledger import Ledger, Record
from sweep.lineage import gpus_per_slot
from sweep.naming import best_of, metric_words, shown_number, trial_name, unit_of, with_unit
from sweep.objectives import is_feasible
from sweep.study import Study
from sweep.trials import CONTINUE, PAUSE, STOP, Trial, TrialState

EVERY_S = 3.0
LAST_EVENTS = 12
TEMPLATE = "status.html.jinja"
REPORT = "report/index.html"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RungLine:
    """What was decided at one rung so far."""

    where: str
    went_on: int
    paused: int
    stopped: int


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

    def _write_if_due(self) -> None:
        now_s = self._clock()
        is_due = self._written_s is None or now_s - self._written_s >= EVERY_S
        if self._is_stale and is_due:
            self._write(None)

    def _write(self, ending: str | None) -> None:
        self._written_s, self._is_stale = self._clock(), False
        page = render_status(
            self._study,
            self._ledger,
            slots=self._slots if ending is None else {},
            num_slots=self._num_slots,
            ending=ending,
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
    again: str,
    now_s: float,
) -> str:
    """Return the page; it asks the network for nothing.

    Args:
        study: What is run.
        ledger: What has happened.
        slots: What each slot is doing.
        num_slots: How many trials run at once.
        ending: How the session ended (`closed` or `interrupted`); None while it runs.
        again: The command that continues the study.
        now_s: Unix time.
    """
    many_seeds = len(study.seeds.trials) > 1
    trials = [trial for trial in ledger.everything() if is_of(study, trial)]
    view = _view(study, ledger, trials, many_seeds=many_seeds)
    left_s = None if ending else seconds_left(view, slots=num_slots, now_s=now_s)
    return _template().render(
        study=study,
        ending=ending,
        again=again,
        report=REPORT,
        every_s=round(EVERY_S),
        written=datetime.fromtimestamp(now_s).strftime("%-d %b %H:%M:%S"),
        metric=metric_words(study.objective.metric),
        view=view,
        states=[(state.value.lower(), count) for state, count in view.ended.items()],
        share=min(1.0, view.num_ended / view.expected) if view.expected else 0.0,
        best=_best(study, ledger, many_seeds=many_seeds),
        left=None if left_s is None else shown_duration(left_s),
        elapsed=shown_duration(ledger.elapsed_s),
        gpu_hours=_gpu_hours(study, ledger),
        rungs=list(_rungs(trials)),
        slots=slots,
        events=_events(ledger, study, trials, many_seeds=many_seeds),
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


def _view(study: Study, ledger: Ledger, trials: list[Trial], *, many_seeds: bool) -> View:
    view = View(
        expected=expected_trials(study),
        replicates_left=replicates_left(study, ledger),
        ablations_left=ablations_left(study, ledger),
    )
    for trial in trials:
        if trial.state is TrialState.RUNNING:
            view.running[trial.number] = _running(trial, many_seeds=many_seeds)
            continue
        if trial.duration_s > 0:
            view.durations_s.append(trial.duration_s)
        if not view.count_again(trial):
            view.ended[trial.state] = view.ended.get(trial.state, 0) + 1
    return view


def _running(trial: Trial, *, many_seeds: bool) -> RunningTrial:
    running = RunningTrial(
        trial_name(trial, many_seeds=many_seeds), trial.created_s, progress=trial.progress
    )
    begun = [stage for stage in trial.stages if stage.status != "planned"]
    if begun:
        stage = begun[-1]
        running.label, running.epochs = stage.label, stage.epochs_planned
        running.epoch = stage.epochs[-1].epoch if stage.epochs else stage.resumed_from
    if trial.paused:
        running.label = "paused"
    return running


def _best(study: Study, ledger: Ledger, *, many_seeds: bool) -> tuple[str, str] | None:
    """Return the best so far and its name."""
    values = {
        trial.objective: trial
        for trial in reversed(ledger.in_state(TrialState.COMPLETE))
        if trial.objective is not None and is_feasible(trial, study.objective)
    }
    if not values:
        return None
    value = best_of(values, study.objective.direction)
    name = trial_name(values[value], many_seeds=many_seeds)
    return with_unit(value, study.objective.metric), name


def _gpu_hours(study: Study, ledger: Ledger) -> str | None:
    """Say how many GPU-hours are used and left; None where there are no GPUs."""
    per_slot = gpus_per_slot(ledger.lineage)
    if per_slot == 0:
        return None
    used_h = gpu_hours(ledger, gpus_per_slot=per_slot)
    if study.budget.gpu_h is None:
        return f"{used_h:.1f} GPU-hours used"
    left_h = max(0.0, study.budget.gpu_h - used_h)
    return f"{left_h:.1f} of {study.budget.gpu_h:g} GPU-hours left"


def _rungs(trials: list[Trial]) -> Iterator[RungLine]:
    counts: dict[tuple[str, int], dict[str, int]] = {}
    for trial in trials:
        for rung in trial.rungs:
            at = counts.setdefault((rung.label, rung.epoch), dict.fromkeys((CONTINUE, PAUSE), 0))
            decision = CONTINUE if rung.promoted else rung.decision
            at[decision] = at.get(decision, 0) + 1
    for (label, epoch), at in counts.items():
        yield RungLine(f"{label} epoch {epoch}", at[CONTINUE], at[PAUSE], at.get(STOP, 0))


def _events(
    ledger: Ledger, study: Study, trials: list[Trial], *, many_seeds: bool
) -> list[tuple[str, str, str]]:
    """Return the last ends of trials and notes as (time, text, kind), newest first."""
    unit = unit_of(study.objective.metric)
    found = [(note["time_s"], note["message"], "note") for note in ledger.notes]
    for trial in trials:
        if trial.ended_s is None:
            continue
        name, took = trial_name(trial, many_seeds=many_seeds), shown_duration(trial.duration_s)
        match trial.state:
            case TrialState.COMPLETE if trial.objective is not None:
                text = f"{name}: {shown_number(trial.objective)}{unit} after {took}"
            case TrialState.FAIL:
                reason = (trial.message or "no message").splitlines()[0]
                text = f"{name}: failed after {took}, {trial.error_class}: {reason}"
            case _:
                text = f"{name}: stopped early after {took}"
        found.append((trial.ended_s, text, trial.state.value.lower()))
    found.sort(key=lambda event: event[0], reverse=True)
    return [
        (datetime.fromtimestamp(time_s).strftime("%H:%M:%S"), text, kind)
        for time_s, text, kind in found[:LAST_EVENTS]
    ]
