"""What MLflow should show of a study, a trial or a phase: pure functions of the ledger."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from sweep.ledger import Ledger
from sweep.naming import trial_name
from sweep.tree import flattened
from sweep.trials import Epoch, StageEntry, Trial, TrialState

STUDY = "study"
"""The run key of the study itself; trials are `7`, their phases `7/pretrain`."""

MAX_METRIC_KEYS = 30  # above this MLflow's compare view becomes unreadable, later slow
SYSTEM = "system/"
"""What MLflow puts in its tab of system metrics, and not among the others."""

MAX_WORKERS = 8
"""Workers of a group whose system metrics are shown, the first by rank; the journal has all."""

DIGEST_CHARS = 36
PROFILE_CHARS = 60_000
ORIGIN = (
    "git/commit",
    "git/dirty",
    "data/digest",
    "hardware/host",
    "hardware/cpus",
    "hardware/gpus",
)
"""What of the lineage are parameters of the study's run; all of it is a file of that run."""

RUN_STATUS = {
    TrialState.RUNNING: "RUNNING",
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}


@dataclass(frozen=True)
class Point:
    """One metric value; equal points are one point to MLflow, so sending one twice is harmless."""

    key: str
    value: float
    step: int
    time_ms: int


@dataclass(frozen=True)
class DataInput:
    """A data set that a run used.

    Attributes:
        digest: As much of it as MLflow takes.
        source: The settings it was made or opened with, as JSON.
        card: What it tells of itself, as JSON.
    """

    name: str
    digest: str
    source: str
    card: str


@dataclass(frozen=True)
class RunPicture:
    """A run as it should look now.

    Attributes:
        key: The run's identity within the study.
        parent: The run key it is nested under.
        status: MLflow's word for how far it is.
        points: All metric values so far, in order.
        data: What it was trained and scored on, of the study's run.
    """

    key: str
    parent: str | None
    name: str
    status: str
    start_ms: int
    end_ms: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[Point] = ()
    data: DataInput | None = None


def trial_key(trial: int) -> str:
    """Return the run key of a trial."""
    return str(trial)


def phase_key(trial: int, label: str) -> str:
    """Return the run key of a trial's phase."""
    return f"{trial}/{label}"


def study_picture(ledger: Ledger, *, started_s: float) -> RunPicture:
    """Return the study's run: its question, its settings and where its results come from.

    Each of its parameters is a column of the table of all runs, beside those that are searched.
    """
    assert ledger.study is not None
    study = ledger.study
    last = ledger.sessions[-1] if ledger.sessions else None
    status = {None: "RUNNING", "opened": "RUNNING", "closed": "FINISHED", "interrupted": "KILLED"}[
        last["event"] if last else None
    ]
    seeds = study.get("seeds", {})
    return RunPicture(
        key=STUDY,
        parent=None,
        name=f"study {study['name']}",
        status=status,
        start_ms=to_ms(started_s),
        end_ms=to_ms(last["time_s"]) if last is not None and status != "RUNNING" else None,
        tags={
            "kind": "study",
            "question": study["question"],
            "mlflow.note.content": study["question"],
            "sessions": str(sum(session["event"] == "opened" for session in ledger.sessions)),
        },
        params={
            "plan": " -> ".join(study["plan"]),
            "objective": study["objective"]["metric"],
            "space": as_text(study.get("space")),
            **({"from": study["from"]} if study.get("from") else {}),
            **{f"seeds/{name}": as_text(value) for name, value in seeds.items()},
            **{path: as_text(v) for path, v in flattened(ledger.lineage) if path in ORIGIN},
        },
        data=_data_used(ledger),
    )


def _data_used(ledger: Ledger) -> DataInput | None:
    """Return the study's data set; None where nobody knows which it was exactly."""
    study, lineage = ledger.study, ledger.lineage.get("data", {})
    if study is None or "digest" not in lineage:
        return None
    config = study["data"]
    return DataInput(
        name=config["name"],
        digest=lineage["digest"][:DIGEST_CHARS],
        source=json.dumps(config, sort_keys=True),
        card=json.dumps(lineage.get("card", {}), sort_keys=True)[:PROFILE_CHARS],
    )


def trial_picture(trial: Trial, ledger: Ledger, *, many_seeds: bool) -> RunPicture:
    """Return a trial's run: searched parameters, and results once it has ended."""
    tags = {
        "kind": _kind(trial),
        "trial": str(trial.number if trial.replicate_of is None else trial.replicate_of),
        "state": str(trial.state),
        "seed": str(trial.seed),
        "attempts": str(max(trial.attempt, 1)),
        **commit_tag(trial.lineage),
    }
    if trial.arm is not None:
        tags["arm"] = trial.arm
    if trial.without is not None:
        tags["without"] = ", ".join(trial.without) or "nothing"
    if trial.prefix_of is not None:
        labels = [stage.label for stage in trial.stages[: trial.prefix_of.steps]]
        source = "trial" if trial.prefix_of.trial >= 0 else "known trial"
        tags["prefix_of"] = f"{source} {trial.prefix_of.trial} ({', '.join(labels)})"
    if trial.error_class is not None:
        tags["error_class"] = trial.error_class
    if trial.lighter:
        tags["lighter"] = ", ".join(f"{path}={value}" for path, value in trial.lighter.items())
    if trial.message is not None:
        tags["message"] = trial.message
    if trial.state is TrialState.PRUNED and trial.rungs:
        rung = trial.rungs[-1]
        tags["pruned_at"] = f"{rung.label} epoch {rung.epoch}, value {rung.value:g}"
    return RunPicture(
        key=trial_key(trial.number),
        parent=STUDY,
        name=trial_name(trial, many_seeds=many_seeds),
        status=RUN_STATUS[trial.state],
        start_ms=to_ms(trial.created_s),
        end_ms=to_ms(trial.ended_s) if trial.ended_s is not None else None,
        tags=tags,
        params={path: as_text(value) for path, value in trial.params.items()},
        points=tuple(_results(trial)),
        data=_data_used(ledger),
    )


def phase_picture(
    trial: Trial, stage: StageEntry, *, reused_s: float | None, reused_epochs: Sequence[Epoch]
) -> RunPicture:
    """Return the run of one phase of a trial: its metrics, and what its workers used, by epoch.

    Args:
        trial: The trial.
        stage: The phase of it.
        reused_s: When the stage was taken from the store, if it was.
        reused_epochs: What the store remembers of its training then.
    """
    tags = {
        "kind": "phase",
        "trial": str(trial.number),
        "phase": stage.label,
        "stage_key": stage.key,
        "seed": str(stage.seed),
    }
    if stage.status == "reused":
        tags["reused"] = stage.key
    started_s = reused_s if stage.started_s is None else stage.started_s
    done = stage.status in ("done", "reused")
    epochs = stage.epochs or reused_epochs
    kept = kept_keys((key for epoch in epochs for key in epoch.metrics), MAX_METRIC_KEYS)
    ended_s = reused_s if stage.status == "reused" else stage.ended_s
    return RunPicture(
        key=phase_key(trial.number, stage.label),
        parent=trial_key(trial.number),
        name=stage.label,
        status="FINISHED" if done else RUN_STATUS[trial.state],
        start_ms=to_ms(trial.created_s if started_s is None else started_s),
        end_ms=to_ms(ended_s) if ended_s is not None else None,
        tags=tags,
        points=tuple(
            Point(key, value, epoch.epoch, to_ms(epoch.time_s))
            for epoch in epochs
            for key, value in _shown(epoch, kept)
        ),
    )


def _shown(epoch: Epoch, kept: Sequence[str]) -> Iterator[tuple[str, float]]:
    yield from ((key, epoch.metrics[key]) for key in kept if key in epoch.metrics)
    for rank, usage in enumerate(epoch.usage[:MAX_WORKERS]):
        yield from ((f"{SYSTEM}worker_{rank}/{name}", usage[name]) for name in usage)


def kept_keys(keys: Iterable[str], most: int) -> list[str]:
    """Return the metrics that are shown where there are too many: what was scored before losses."""
    ranked = sorted(set(keys), key=lambda key: (key.startswith("train/"), key.count("/"), key))
    return sorted(ranked[:most])


def commit_tag(lineage: Mapping[str, Any]) -> dict[str, str]:
    """Return the tag by which MLflow links a run to its code."""
    for path, value in flattened(lineage):
        if path in ("git_commit", "git/commit", "commit") and value:
            return {"mlflow.source.git.commit": str(value)}
    return {}


def settings_text(trial: Trial) -> dict[str, Any]:
    """Return all that fixes a trial, for its settings file."""
    return {
        "trial": trial.number,
        "arm": trial.arm,
        "seed": trial.seed,
        "given": dict(trial.settings),
        "resolved": {stage.label: dict(stage.config) for stage in trial.stages},
        "stages": {stage.label: stage.key for stage in trial.stages},
    }


def lineage_text(lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a study's numbers came from, packages and the data's card included, as data."""
    found: dict[str, Any] = json.loads(json.dumps(lineage, default=str))
    return found


def trials_view(experiment_id: str, direction: str) -> str:
    """Return the part after the address of MLflow's page of all trials side by side, best first.

    Sorted by a metric, MLflow lists trials flat; otherwise it hides them below the study's run.
    """
    query = {
        "searchFilter": "tags.kind = 'trial'",
        "orderByKey": "metrics.`objective`",
        "orderByAsc": "true" if direction == "minimize" else "false",
        "compareRunsMode": "CHART",
    }
    return f"#/experiments/{experiment_id}/runs?{urlencode(query, quote_via=quote)}"


def as_text(value: Any) -> str:
    """Return a value as MLflow shows it."""
    if isinstance(value, list | tuple):
        return json.dumps(list(value))
    return str(value)


def to_ms(time_s: float) -> int:
    """Return Unix milliseconds, the clock of MLflow."""
    return round(time_s * 1000)


def _kind(trial: Trial) -> str:
    if trial.replicate_of is None:
        return "trial"
    return "replicate" if trial.without is None else "ablation"


def _results(trial: Trial) -> Iterator[Point]:
    if trial.ended_s is None:
        return
    end_ms = to_ms(trial.ended_s)
    if trial.objective is not None:
        yield Point("objective", trial.objective, 0, end_ms)
    yield Point("progress", trial.progress, 0, end_ms)
    yield Point("duration_s", trial.duration_s, 0, end_ms)
    if not trial.stages:
        return  # the plan refused what the space suggested
    last = trial.stages[-1]
    beside = {m: v for m, v in trial.others.items() if not m.startswith(f"{last.label}/")}
    if last.epochs:
        final = last.epochs[-1].metrics
        for key in kept_keys(final, MAX_METRIC_KEYS - 3 - len(beside)):
            yield Point(f"{last.label}/{key}", final[key], 0, end_ms)
    for metric, value in beside.items():
        yield Point(metric, value, 0, end_ms)
