"""The MLflow server or database of one study: find, create and fill its runs.

The only module that imports MLflow, which takes seconds and reads its switches from the
environment as it is imported; `sweep.tracking.tracker` imports this one when it connects.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from sweep.tracking.faults import Refused, Unreachable
from sweep.tracking.pictures import DataInput, Point, RunPicture, trials_view

Item = TypeVar("Item")

METRICS_PER_CALL = 800  # MLflow takes 1,000 entries per call,
ENTRIES_PER_CALL = 100  # of which 100 may be parameters and 100 tags
PARAM_CHARS = 6000
TAG_CHARS = 5000
RUNS_PER_PAGE = 1000

CHATTY = ("mlflow.store.db.utils", "alembic", "urllib3.connectionpool", "mlflow.pyfunc")
"""Loggers that announce every table of a new database, every try at one that does not answer (the
tracker says that once), and every look at a model's example."""

PERMANENT = frozenset(
    {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"}
)
"""Error codes that the same call would meet again."""


IDENTITY = ("kind", "trial", "arm", "seed", "without", "stage_key")
"""Tags that never change of what a run stands for."""


@dataclass
class KnownRun:
    """What MLflow already holds of a run.

    Attributes:
        data: Digest of the data set that was sent from here, which may be sent again.
        last: Metric -> the point with the highest step.
        points: Metric -> step and value of every point, where MLflow was asked for them all.
    """

    run_id: str
    status: str = "RUNNING"
    end_ms: int | None = None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    data: str | None = None
    last: dict[str, Point] = field(default_factory=dict)
    points: dict[str, set[tuple[int, float]]] = field(default_factory=dict)

    def add(self, point: Point) -> None:
        """Take in that a point was sent."""
        last = self.last.get(point.key)
        if last is None or point.step >= last.step:
            self.last[point.key] = point
        if point.key in self.points:
            self.points[point.key].add((point.step, point.value))


@dataclass
class RunStore:
    """The runs of one journal in one experiment.

    Attributes:
        journal_id: Tells this journal's runs from those of an earlier one of the same study.
        folder_id: Stands for the study's folder, which holds one journal: runs of another journal
            with this id have been replaced.
        runs: Run key -> what MLflow holds.
    """

    client: MlflowClient
    experiment_id: str
    journal_id: str
    folder_id: str
    runs: dict[str, KnownRun] = field(default_factory=dict)

    def recover(self) -> None:
        """Learn which runs of this journal exist, and put in MLflow's bin what should not.

        These are the runs that the journal replaces, and all but one of each that a server has
        made which was asked again because it was too slow to answer.
        """
        found: dict[str, list[Run]] = {}
        for run in self._search(f"tags.journal_id = '{self.journal_id}'"):
            found.setdefault(run.data.tags["run_key"], []).append(run)
        for key, same in found.items():
            run, *doubles = sorted(same, key=lambda run: self._worth(key, run), reverse=True)
            if key not in self.runs:
                self.runs[key] = KnownRun(
                    run_id=run.info.run_id,
                    status=run.info.status,
                    end_ms=run.info.end_time,
                    params=dict(run.data.params),
                    tags=dict(run.data.tags),
                    last={
                        m.key: Point(m.key, m.value, m.step, m.timestamp)
                        for m in run.data.to_proto().metrics
                    },
                )
            self._delete(doubles)
        replaced = {
            run.data.tags["journal_id"]
            for run in self._search(f"tags.folder_id = '{self.folder_id}'")
            if run.data.tags["journal_id"] != self.journal_id
        }
        for journal_id in sorted(replaced):
            self._delete(self._search(f"tags.journal_id = '{journal_id}'"))

    def write(self, picture: RunPicture) -> None:
        """Make MLflow's run look like the picture; its parent must have been written before.

        Raises:
            Unreachable: If MLflow does not answer, or not now.
            Refused: If MLflow will not take this run any more.
        """
        with translated():
            if self._is_of_another(picture):
                self.discard(picture.key)
            known = self.runs.get(picture.key) or self._create(picture)
            self._log(known, picture)
            self._log_data(known, picture.data)
            self._set_status(known, picture)

    def discard(self, key: str) -> None:
        """Put a run in MLflow's bin, if there is one; the next picture of it makes another."""
        known = self.runs.get(key)
        if known is not None:
            with translated():
                self.client.delete_run(known.run_id)
            del self.runs[key]

    def write_text(self, key: str, text: str, name: str) -> None:
        """Store a small file with a run."""
        with translated():
            self.client.log_text(self.runs[key].run_id, text, name)

    def write_folder(self, key: str, folder: Path, name: str) -> None:
        """Store the files of a folder with a run."""
        with translated():
            self.client.log_artifacts(self.runs[key].run_id, str(folder), name)

    def _worth(self, key: str, run: Run) -> tuple[bool, int, str]:
        """Return what makes this the run to keep: it is in use, or was written most into."""
        in_use = key in self.runs and self.runs[key].run_id == run.info.run_id
        return in_use, len(run.data.metrics) + len(run.data.params), run.info.run_id

    def _delete(self, runs: Iterable[Run]) -> None:
        for run in runs:
            with translated():
                self.client.delete_run(run.info.run_id)

    def _is_of_another(self, picture: RunPicture) -> bool:
        """Say whether the run with this key is of another trial or stage: of one that was forgotten
        as the journal was brought back from an older copy."""
        known = self.runs.get(picture.key)
        if known is None or picture.parent is None:
            return False
        return (
            known.tags.get("mlflow.parentRunId") != self.runs[picture.parent].run_id
            or any(known.tags.get(name) != picture.tags.get(name) for name in IDENTITY)
            or any(known.params.get(k, v) != v for k, v in _cut(picture.params, PARAM_CHARS))
        )

    def _create(self, picture: RunPicture) -> KnownRun:
        shown = dict(_cut(picture.tags, TAG_CHARS))
        tags = {**shown, "journal_id": self.journal_id, "run_key": picture.key}
        if picture.parent is None:
            tags["folder_id"] = self.folder_id
        else:
            tags["mlflow.parentRunId"] = self.runs[picture.parent].run_id
        run = self.client.create_run(
            self.experiment_id, start_time=picture.start_ms, tags=tags, run_name=picture.name
        )
        known = KnownRun(run_id=run.info.run_id, tags=tags)
        self.runs[picture.key] = known
        return known

    def _log(self, known: KnownRun, picture: RunPicture) -> None:
        tags = {k: v for k, v in _cut(picture.tags, TAG_CHARS) if known.tags.get(k) != v}
        # A parameter keeps its first value for ever, in MLflow as here.
        params = {k: v for k, v in _cut(picture.params, PARAM_CHARS) if k not in known.params}
        points = [point for point in picture.points if not self._holds(known, point)]
        rows = [Metric(p.key, p.value, p.time_ms, p.step) for p in points]
        for some_tags, some_params, some_metrics in zip_longest(
            _chunks([RunTag(*pair) for pair in tags.items()], ENTRIES_PER_CALL),
            _chunks([Param(*pair) for pair in params.items()], ENTRIES_PER_CALL),
            _chunks(rows, METRICS_PER_CALL),
            fillvalue=(),
        ):
            self.client.log_batch(known.run_id, some_metrics, some_params, some_tags)
        known.tags.update(tags)
        known.params.update(params)
        for point in points:
            known.add(point)

    def _holds(self, known: KnownRun, point: Point) -> bool:
        """Say whether MLflow holds a value at a step, whenever that was told.

        As points are sent in their order, one that is no later than the last is there. What a
        journal tells that lost its end (F5), or is brought back from an older copy, is later than
        what MLflow has and of the same steps: then MLflow is asked for every point of the metric.
        """
        last = known.last.get(point.key)
        if last is None or point.step > last.step:
            return False
        if point.key not in known.points:
            if point == last or (point.step < last.step and point.time_ms <= last.time_ms):
                return True
            history = self.client.get_metric_history(known.run_id, point.key)
            known.points[point.key] = {(metric.step, metric.value) for metric in history}
        return (point.step, point.value) in known.points[point.key]

    def _log_data(self, known: KnownRun, data: DataInput | None) -> None:
        if data is None or known.data == data.digest:
            return
        dataset = Dataset(
            name=data.name,
            digest=data.digest,
            source_type="hand_pose_sweeps",
            source=data.source,
            profile=data.card,
        )
        context = InputTag("mlflow.data.context", "training, validation, test")
        self.client.log_inputs(known.run_id, datasets=[DatasetInput(dataset, [context])])
        known.data = data.digest

    def _set_status(self, known: KnownRun, picture: RunPicture) -> None:
        if picture.status == "RUNNING":
            if known.status != "RUNNING":
                self.client.update_run(known.run_id, status="RUNNING")
        elif (known.status, known.end_ms) != (picture.status, picture.end_ms):
            self.client.set_terminated(known.run_id, picture.status, end_time=picture.end_ms)
            known.end_ms = picture.end_ms
        known.status = picture.status

    def _search(self, condition: str) -> list[Run]:
        """Return all that are found: pages are counted off, and move where runs are deleted."""
        found: list[Run] = []
        token = None
        while True:
            with translated():
                page = self.client.search_runs(
                    [self.experiment_id], condition, max_results=RUNS_PER_PAGE, page_token=token
                )
            found += page
            token = page.token
            if not token:
                return found


def open_store(
    *,
    uri: str,
    experiment: str,
    question: str,
    direction: str,
    artifacts: Path | None,
    journal_id: str,
    folder_id: str,
) -> RunStore:
    """Connect, make the experiment if it is new, and learn what is there.

    Args:
        uri: The tracking store; nothing global is set or asked.
        experiment: The study's name.
        question: Shown as the experiment's description.
        direction: Of the objective, `minimize` or `maximize`.
        artifacts: Where a new experiment keeps files; None leaves that to the server.
        journal_id: See `RunStore`.
        folder_id: See `RunStore`.

    Raises:
        Unreachable: If MLflow does not answer, or not now.
    """
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    with translated():
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            location = None if artifacts is None else artifacts.resolve().as_uri()
            experiment_id = client.create_experiment(experiment, artifact_location=location)
        else:
            experiment_id = found.experiment_id
            if found.lifecycle_stage != "active":
                client.restore_experiment(experiment_id)
        note = f"{question}\n\n[All trials, best first]({trials_view(experiment_id, direction)})"
        client.set_experiment_tag(experiment_id, "mlflow.note.content", note[:TAG_CHARS])
    store = RunStore(client, experiment_id, journal_id, folder_id)
    store.recover()
    return store


@contextmanager
def translated() -> Iterator[None]:
    """Raise what MLflow raises as one of our two faults."""
    try:
        yield
    except MlflowException as error:
        if error.error_code in PERMANENT:
            raise Refused(_first_line(error)) from error
        raise Unreachable(_first_line(error)) from error
    except (SQLAlchemyError, OSError) as error:
        raise Unreachable(_first_line(error)) from error


def _cut(texts: Mapping[str, str], chars: int) -> Iterator[tuple[str, str]]:
    """Yield names and texts, as much of each as MLflow takes."""
    yield from ((name, text[:chars]) for name, text in texts.items())


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
