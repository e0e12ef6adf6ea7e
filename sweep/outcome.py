"""How a study ended: the report, the leaderboard on screen, what to type next, the exit code."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from hpe.data.catalog import open_data
from hpe.data.opened import OpenedData
from sweep.folders import RunsDir
from sweep.grid import grid_size
from sweep.job import Job
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.messages import counted, shown_path
from sweep.report import result_view, write_report
from sweep.report.history import epochs_from
from sweep.report.reproduction import BEST
from sweep.report.result import StudyResult, result_of
from sweep.report.writing import PAGE, WEIGHTS
from sweep.study import Search, Study
from sweep.tracking.pictures import trials_view
from sweep.tracking.served_model import can_be_served
from sweep.tracking.tracker import without_credentials
from trainables.stages import StageStore

UI_ADDRESS = "http://127.0.0.1:5000"
"""Of `make ui`, and of `mlflow ui` where nothing else is said."""

DONE = 0
TOO_MANY_FAILED = 1


@dataclass(frozen=True)
class Outcome:
    """A study's result; its report is in the study's folder."""

    job: Job
    result: StudyResult

    @property
    def served(self) -> Path | None:
        """Return the best weights, where MLflow can serve the network they are of."""
        weights = self.job.folder.report / WEIGHTS
        return weights if weights.exists() and can_be_served(self.result.best) else None

    @classmethod
    def of(cls, job: Job, ledger: Ledger, *, data: OpenedData[Any] | None) -> "Outcome":
        """Write the report."""
        report = write_report(
            ledger,
            job.study,
            job.folder.report,
            store=StageStore(job.runs.stages),
            data=data,
            places=job.options.places,
            records=read_journal(job.folder.journal),
        )
        return cls(job, report.result)

    @classmethod
    def of_finished(cls, job: Job, ledger: Ledger) -> "Outcome":
        """Use the report there is, if it is of the whole journal."""
        page = job.folder.report / PAGE
        if page.exists() and page.stat().st_mtime >= job.folder.journal.stat().st_mtime:
            epochs_of = epochs_from(StageStore(job.runs.stages))
            result = result_of(ledger, job.study, epochs_of=epochs_of)
            return cls(job, result)
        try:
            data = open_data(job.scope.data, job.data_root)
        except ValueError:
            data = None  # the report says what it has to leave out
        return cls.of(job, ledger, data=data)


@dataclass(frozen=True)
class Tracked:
    """Where MLflow holds a study.

    Attributes:
        uri: The tracking store.
        experiment_id: None where MLflow has not taken the study yet.
    """

    uri: str
    experiment_id: str | None


def show_outcome(outcome: Outcome, console: Console, tracked: Tracked) -> int:
    """Show result and next steps; return the exit code."""
    console.print(result_view(outcome.result))
    console.print()
    steps = list(next_steps(outcome.job, tracked))
    width = max(len(name) for name, _ in steps)
    for name, step in steps:
        console.print(f"{name:<{width}}  {step}")
    return judge_failures(outcome, console)


def judge_failures(outcome: Outcome, console: Console) -> int:
    """Say why trials failed, and whether the study allows so many."""
    for failure in outcome.result.failures:
        trials = ", ".join(map(str, failure.trials))
        reason = failure.message.splitlines()[0] if failure.message else "no message"
        console.print(
            f"failed as {failure.error_class} (trials {trials}): {reason}",
            style="red",
        )
    result = outcome.result
    failed = sum(len(failure.trials) for failure in result.failures)
    allowed = allowed_failures(outcome.job.study, len(result.rows) + result.num_replicates)
    if failed <= allowed:
        return DONE
    console.print(
        f"{counted(failed, 'trial')} failed, the study allows {allowed} (max_failed).",
        style="bold red",
    )
    return TOO_MANY_FAILED


def allowed_failures(study: Study, num_trials: int) -> int:
    """Return how many trials may fail before the study counts as failed."""
    return num_trials // 2 if study.max_failed is None else study.max_failed


def next_steps(job: Job, tracked: Tracked) -> Iterator[tuple[str, str]]:
    """Yield what a person may want to do now: a few words, and what to type or open."""
    options, report = job.options, job.folder.report
    yield "report", shown_path(report / PAGE)
    if (report / WEIGHTS).exists():
        yield "best weights", shown_path(report / WEIGHTS)
    yield from _mlflow_steps(job, tracked)
    has_best = (report / BEST).exists()
    if has_best:
        best = replace(
            options,
            study=shown_path(report / BEST),
            trials=None,
            size=None,
            arm=None,
            sets=(),
            from_weights=(),
            smoke=False,
        )
        yield "best alone", best.again
    if options.smoke:
        yield "in earnest", replace(options, smoke=False).again
        return
    more = twice_as_many(job.scope.study.search)
    if more is not None and has_best:
        yield "search on", replace(options, trials=more).again
    if "full" in job.study.sizes and options.size != "full":
        sets = (*options.sets, f"name={job.study.name}_full")
        yield "larger", replace(options, size="full", sets=sets).again


def twice_as_many(search: Search) -> int | None:
    """Return twice as many trials, as far as a grid has points; None where there are no more."""
    twice = 2 * search.trials
    most = grid_size(search.grid) if search.grid else twice
    return min(twice, most) if search.trials < most else None


def _mlflow_steps(job: Job, tracked: Tracked) -> Iterator[tuple[str, str]]:
    """Yield how to open MLflow, and then the page that lists the trials flat."""
    address = UI_ADDRESS
    if tracked.uri.startswith(("http://", "https://")):
        address = without_credentials(tracked.uri).rstrip("/")
        yield "MLflow", address
    else:
        yield "MLflow", ui_command(job.runs)
    if tracked.experiment_id is not None:
        view = trials_view(tracked.experiment_id, job.study.objective.direction)
        yield "all trials", f"{address}/{view}"


def ui_command(runs: RunsDir) -> str:
    """Return the command that opens MLflow on a runs folder, on this machine only."""
    if Path.cwd() / "runs" == runs.root.absolute() and Path("Makefile").exists():
        return "make ui"
    uri = f"sqlite:///{shown_path(runs.root / 'mlflow.db')}"
    return shlex.join(["mlflow", "ui", "--backend-store-uri", uri, "--host", "127.0.0.1"])
