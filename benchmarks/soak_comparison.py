"""Two runs of one study, field by field."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from hpe.whole_file import sha256_of
from sweep.folders import RunsDir, StudyDir
from sweep.journal import read_journal
from sweep.ledger import Ledger
from sweep.tracking.pictures import SYSTEM
from sweep.trials import Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient

Fields = Mapping[str, Any]
"""Where it stands -> what stands there."""

TIMES = ("seconds", "hours", "_s", "per_s", "time")
"""How the names of metrics end, and of parameters, that say how long something took."""

OWN_TAGS = ("attempts", "sessions", "reused", "journal_id", "folder_id")
"""Of two runs of a study: how often something was begun or was there already, and which it is."""


@dataclass
class Comparison:
    """What was compared, and what is not the same.

    Attributes:
        checked: Kind of record -> number of fields.
        differences: One line each, which begins with the kind of record and a colon.
    """

    checked: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def add(self, kind: str, whole: Fields, struck: Fields) -> None:
        """Compare two records of a kind."""
        self.checked[kind] += len(whole)
        for where in sorted(whole.keys() | struck.keys()):
            first, second = whole.get(where, "nothing"), struck.get(where, "nothing")
            if first != second:
                self.differences.append(f"{kind}: {where} is {first!r}, under faults {second!r}")


def compare(
    whole: RunsDir, struck: RunsDir, name: str, *, whole_uri: str, struck_uri: str
) -> Comparison:
    """Compare a study that was disturbed with the same one that was not."""
    comparison = Comparison()
    comparison.add("journal", *(dict(_told(runs.study(name))) for runs in (whole, struck)))
    comparison.add("stages (weights)", *(dict(_weights(runs, name)) for runs in (whole, struck)))
    comparison.add("Optuna", *(dict(_copied(runs.study(name), name)) for runs in (whole, struck)))
    comparison.add("MLflow", *(dict(_tracked(uri, name)) for uri in (whole_uri, struck_uri)))
    return comparison


def table_of(comparisons: Iterable[Comparison]) -> list[str]:
    """Return how many fields of each kind were compared and differ, as lines of Markdown."""
    checked: Counter[str] = Counter()
    differing: Counter[str] = Counter()
    for comparison in comparisons:
        checked += comparison.checked
        differing += Counter(difference.split(":")[0] for difference in comparison.differences)
    rows = [f"| {name} | {count} | {differing[name]} |" for name, count in checked.items()]
    return ["| compared | fields | different |", "|---|---|---|", *rows]


def _ledger(folder: StudyDir) -> Ledger:
    return Ledger(read_journal(folder.journal))


def _told(folder: StudyDir) -> Iterator[tuple[str, Any]]:
    for trial in _ledger(folder).trials.values():
        for where, value in _told_of(trial):
            yield f"trial {trial.number}, {where}", value


def _told_of(trial: Trial) -> Iterator[tuple[str, Any]]:
    yield "arm", trial.arm
    yield "seed", trial.seed
    yield "parameters", dict(trial.params)
    yield "distributions", dict(trial.distributions)
    yield "settings", dict(trial.settings)
    yield "state", str(trial.state)
    yield "objective", trial.objective
    yield "other values", dict(trial.others)
    yield "progress", trial.progress
    yield "error", (trial.error_class, trial.failed_in)
    for rung in trial.rungs:
        at = (rung.epoch, rung.value, rung.decision, rung.promoted)
        yield f"rung {rung.rung} of {rung.label}", at
    for stage in trial.stages:
        yield f"{stage.label} key", stage.key
        yield f"{stage.label} config", dict(stage.config)
        yield f"{stage.label} seed", stage.seed
        for epoch in stage.epochs:
            yield f"{stage.label} epoch {epoch.epoch}", dict(epoch.metrics)


def _weights(runs: RunsDir, name: str) -> Iterator[tuple[str, str]]:
    """Yield the digest of every tensor file of the stages that were finished."""
    keys = {
        stage.key
        for trial in _ledger(runs.study(name)).trials.values()
        for stage in trial.stages
        if stage.status in ("done", "reused")
    }
    for key in sorted(keys):
        for path in sorted((runs.stages / key).glob("*.safetensors")):
            yield f"{key}/{path.name}", sha256_of(path)


def _copied(folder: StudyDir, name: str) -> Iterator[tuple[str, Any]]:
    storage = JournalStorage(JournalFileBackend(str(folder.optuna_log)))
    for trial in optuna.load_study(study_name=name, storage=storage).trials:
        yield f"trial {trial.number} state", trial.state.name
        yield f"trial {trial.number} parameters", trial.params
        yield f"trial {trial.number} values", trial.values
        yield f"trial {trial.number} rungs", trial.intermediate_values


def _tracked(uri: str, name: str) -> Iterator[tuple[str, Any]]:
    """Yield what MLflow holds: runs by name, with all there is of them but times and attempts."""
    from mlflow import MlflowClient  # noqa: PLC0415  it takes seconds to import

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(name)
    runs = client.search_runs([experiment.experiment_id], max_results=10_000)
    names = {run.info.run_id: run.info.run_name for run in runs}
    times: Counter[str] = Counter()
    for run in sorted(runs, key=lambda run: run.info.start_time):
        parent = names.get(run.data.tags.get("mlflow.parentRunId", ""), "")
        where = f"{parent}/{run.info.run_name}"
        times[where] += 1
        yield f"{where} ({times[where]}) status", run.info.status
        for key, value in run.data.params.items():
            if not key.endswith(TIMES):
                yield f"{where} parameter {key}", value
        for key, value in run.data.tags.items():
            if not key.startswith("mlflow.") and key not in OWN_TAGS:
                yield f"{where} tag {key}", value
        for used in run.inputs.dataset_inputs:
            yield f"{where} data {used.dataset.name}", used.dataset.digest
        for path in _files(client, run.info.run_id):
            yield f"{where} artifact {path}", "there"
        for key in run.data.metrics:
            if not key.endswith(TIMES) and not key.startswith(SYSTEM):
                points = client.get_metric_history(run.info.run_id, key)
                yield f"{where} metric {key}", sorted((p.step, p.value) for p in points)


def _files(client: "MlflowClient", run: str, folder: str | None = None) -> Iterator[str]:
    """Yield the paths of a run's artifacts."""
    for entry in client.list_artifacts(run, folder):
        if entry.is_dir:
            yield from _files(client, run, entry.path)
        else:
            yield entry.path
