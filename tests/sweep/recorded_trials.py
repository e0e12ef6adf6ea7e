"""Journals of trials whose stages have the keys that they really have, for what retrains them."""

from pathlib import Path
from typing import Any

from sweep.installation import read_requirements
from sweep.journal import Journal
from sweep.ledger import FIRST_REPLICATE
from sweep.lineage import REQUIREMENTS, installed_versions
from tests.sweep.engine_phases import PHASES, draft_metrics, final_metrics
from trainables.keys import Execution
from trainables.plans import configure, make_stages, parse_plan

DIGEST = "d" * 64
STUDY = {
    "name": "toy",
    "question": "Where is the lowest point?",
    "data": {"name": "none"},
    "plan": ["draft", "final"],
    "space": "both",
    "arms": {"no_draft": {"plan": ["final"]}},
    "objective": {"metric": "final/val/error"},
    "search": {"trials": 1},
}
METRICS: dict[str, Any] = {"draft": draft_metrics, "final": final_metrics}


def lineage(**changes: Any) -> dict[str, Any]:
    """What a session on one CPU thread records."""
    return {
        "git": None,
        "packages": installed_versions(read_requirements(REQUIREMENTS)),
        "data": {"digest": DIGEST},
        "slots": {"workers": 1, "gpus_per_worker": 0, "threads": 1},
        **changes,
    }


def stage_records(settings, *, plan, seed, phases=PHASES, digest=DIGEST, workers=1):
    """Return the stages of a trial as its journal names them."""
    steps = parse_plan(plan, phases)
    stages = make_stages(
        steps,
        configure(steps, settings),
        data={"config": {}, "root": "", "digest": digest},
        seed=seed,
        execution=Execution(world_size=workers),
    )
    return [
        {
            "label": stage.label,
            "key": stage.key,
            "phase": stage.phase,
            "epochs": stage.epochs,
            "config": dict(stage.config),
            "seed": stage.seed,
        }
        for stage in stages
    ]


def trial_record(number, stages, *, arm=None, seed=0, replicate_of=None, params=None):
    """Return the record that begins a trial."""
    record = {
        "kind": "trial",
        "time_s": 0.0,
        "number": number,
        "arm": arm,
        "seed": seed,
        "params": params or {},
        "distributions": {},
        "settings": {},
        "stages": stages,
    }
    return record if replicate_of is None else {**record, "replicate_of": replicate_of}


def epoch_records(number, stage, metrics, *, upto=None, status="done"):
    """Return what a stage reports; `metrics` is a function of the epoch."""
    about = {"trial": number, "label": stage["label"]}
    last = stage["epochs"] if upto is None else upto
    yield {"kind": "stage", **about, "status": "running", "resumed_from": 0}
    for epoch in range(1, last + 1):
        yield {"kind": "epoch", **about, "epoch": epoch, "metrics": metrics(epoch)}
    if upto is None:
        yield {"kind": "stage", **about, "status": status, "resumed_from": 0}


def end_record(number, state, *, objective=None, **more):
    """Return the record of a trial's end."""
    known = {"objective": objective, "error_class": None, "message": None}
    return {"kind": "end", "trial": number, "state": state, **known, **more}


def write_journal(path: Path, records, *, study=None, lineage_of=None) -> Path:
    """Write a study's journal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"kind": "study", "study": study or STUDY, "lineage": lineage_of or lineage()}
    with Journal(path) as journal:
        journal.open()
        journal.append([{**record, "time_s": 0.0} for record in (head, *records)])
    return path


def toy_trial(number, settings, *, seed=0, plan=("draft", "final"), arm=None, replicate_of=None):
    """Yield all records of a trial of the toy phases, whose metrics are formulas."""
    stages = stage_records(settings, plan=plan, seed=seed)
    yield trial_record(
        number, stages, arm=arm, seed=seed, replicate_of=replicate_of, params=settings
    )
    value = None
    for stage in stages:
        config = PHASES[stage["phase"]].config.model_validate(stage["config"])
        formula = METRICS[stage["phase"]]
        yield from epoch_records(number, stage, lambda e, c=config, f=formula: f(c, e))
        value = formula(config, stage["epochs"]).get("val/error", value)
    yield end_record(number, "COMPLETE", objective=value)


def toy_records():
    """A searched trial, an arm without its first phase, and replicates of both."""
    settings = {"draft/x": 2.5, "final/y": 1.75}
    yield from toy_trial(0, {"final/y": 3.0}, plan=["final"], arm="no_draft")
    yield from toy_trial(1, settings)
    yield from toy_trial(FIRST_REPLICATE, settings, seed=1000, replicate_of=1)
