"""`--dry-run --profile`: try a study's configurations for a few steps and say what it will cost."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console

from hpe.data.catalog import open_data
from hpe.phases.catalog import PHASES
from sweep.data_fit import split_sizes
from sweep.display import progress
from sweep.job import Job
from sweep.ledger import Ledger
from sweep.machine import Machine, free_disk
from sweep.messages import counted
from sweep.naming import percent
from sweep.points import Point, shared_settings
from sweep.pricing.estimate import Price, estimate
from sweep.pricing.findings import Findings, read_findings
from sweep.pricing.material import Material, make_material, open_material, sizes_to_try
from sweep.pricing.measuring import Bench, plan_tryouts, run_tryouts
from sweep.pricing.planned import PlannedTrial, planned_trials, shares_of
from sweep.pricing.room import misfits, room_of, storage_warnings
from sweep.pricing.samples import EPOCHS, STEPS, Sample, choose_samples
from sweep.pricing.table import Bill, describe_bill
from sweep.pricing.tryout import folder_bytes
from sweep.slot_fit import SlotFit
from sweep.study_check import check_lengths
from trainables.keys import Execution
from trainables.plans import make_stages
from trainables.stages import StageStore

BUSY_SHARE = 0.5  # of the cores, before anything was tried

SESSION_START_S = 22.0
BETWEEN_TRIALS_S = 1.0
"""Seconds until the first slot trains, and at most from one trial's end to the next one's start, on
two cores; benchmarks/profile_accuracy.py prints what a machine takes."""


@dataclass(frozen=True)
class Profile:
    """What a profile says.

    Attributes:
        text: For people.
        is_complete: Whether every phase has a price.
    """

    text: str
    price: Price | None
    is_complete: bool


@dataclass(frozen=True)
class _Tried:
    """What was tried, on what, and what came of it.

    Attributes:
        load_before: Processes that wanted a core of this machine in the minute before.
    """

    samples: Sequence[Sample]
    material: Material
    findings: Findings
    load_before: float


def profile_study(
    job: Job, ledger: Ledger, *, fit: SlotFit, machine: Machine, console: Console
) -> Profile:
    """Try configurations of the study and return its price; nothing is left on disk.

    Args:
        job: The study.
        ledger: What has happened in it.
        fit: The slots it would get.
        machine: This machine, on which things are tried.
        console: For how far it is.

    Raises:
        ValueError: If the data is not there and cannot be made here, or is too little for a step,
            or slots have GPUs and this machine has none.
    """
    if fit.gpus_per_worker and not torch.cuda.is_available():
        raise ValueError(
            f"--profile tries configurations on this machine, which has no GPU, but the study's "
            f"slots have {fit.gpus_per_worker:g} each: call it where a GPU is, or set slots/gpu=0."
        )
    tried = _try(job, fit, machine, console)
    planned = planned_trials(job.scope, ledger, PHASES, _committed(job, fit))
    labels = {stage.label for trial in planned for stage in trial.stages}
    unknown = sorted(labels - tried.findings.typical.keys())
    trials = [
        replace(t, stages=tuple(s for s in t.stages if s.label not in unknown)) for t in planned
    ]
    price = None
    if labels - set(unknown):
        price = estimate(
            trials,
            tried.findings.costs,
            shares_of(job.scope.study, trials, job.scope.base),
            slots=fit.count,
            between_trials_s=BETWEEN_TRIALS_S,
        )
    bill = _bill(job, tried, price, fit=fit, machine=machine, unknown=unknown, trials=trials)
    return Profile(describe_bill(bill), price, is_complete=not unknown)


def _try(job: Job, fit: SlotFit, machine: Machine, console: Console) -> _Tried:
    load_before = os.getloadavg()[0]
    samples = choose_samples(job.scope, PHASES)
    with tempfile.TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        material = _material(
            job, samples, folder / "data", fit=fit, machine=machine, console=console
        )
        bench = _bench(folder, fit, machine)
        given = _given(job, StageStore(bench.store_root))
        tryouts = plan_tryouts(samples, fit=fit, data=material.data, given=given)
        with progress("trying configurations", console=console) as advance:
            found = run_tryouts(tryouts, bench, advance=advance)
    findings = read_findings(
        samples,
        found,
        fit=fit,
        sizes=material.sizes,
        tried_sizes=material.tried_sizes,
        common=shared_settings(job.scope.study),
    )
    return _Tried(samples, material, findings, load_before)


def _material(
    job: Job,
    samples: Sequence[Sample],
    folder: Path,
    *,
    fit: SlotFit,
    machine: Machine,
    console: Console,
) -> Material:
    config = job.scope.data
    own = open_material(config, job.data_root)
    if own is not None:
        check_lengths(job.scope, own.sizes)
        return own
    tried = sizes_to_try(samples, split_sizes(config), fit)
    with progress("making a few samples", console=console) as advance:
        return make_material(config, tried, folder=folder, processes=machine.cpus, advance=advance)


def _bench(folder: Path, fit: SlotFit, machine: Machine) -> Bench:
    """Return a bench that runs as many processes as slots have workers, where they fit."""
    at_once = min(fit.count * fit.workers, max(1, machine.cpus // fit.threads))
    gpus: list[str] = []
    if fit.gpus_per_worker:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else [str(i) for i in range(len(machine.gpus))]
        at_once = min(at_once, max(1, int(len(names) / fit.gpus_per_worker)))
        gpus = [names[int(place * fit.gpus_per_worker)] for place in range(at_once)]
    return Bench(folder, at_once=at_once, threads=fit.threads, gpus=gpus)


def _given(job: Job, store: StageStore) -> dict[str, str]:
    """Put the given weights into a store; return their keys by label."""
    keys = {}
    own = StageStore(job.runs.stages)
    for label, found in job.weights.items():
        artifacts = found.artifacts
        if artifacts is None:
            assert found.key is not None
            artifacts = own.artifacts(found.key)
        keys[label] = store.import_weights(artifacts, phase=found.phase, source={"for": "profile"})
    return keys


def _committed(job: Job, fit: SlotFit) -> Callable[[Point, int, str], bool]:
    """Return what says whether a stage is trained already."""
    try:
        digest = open_data(job.scope.data, job.data_root).digest
    except ValueError:
        return lambda _point, _seed, _label: False
    store = StageStore(job.runs.stages)
    device = "cuda" if fit.gpus_per_worker else "cpu"
    execution = Execution(world_size=fit.workers, device=device)  # type: ignore[arg-type]
    imported = {label: found.key or "" for label, found in job.weights.items()}

    def is_committed(point: Point, seed: int, label: str) -> bool:
        stages = make_stages(
            point.plan,
            point.configs,
            data={"digest": digest},
            seed=seed,
            execution=execution,
            imported={name: key for name, key in imported.items() if name in point.configs},
        )
        return any(stage.label == label and store.is_committed(stage.key) for stage in stages)

    return is_committed


def _bill(
    job: Job,
    tried: _Tried,
    price: Price | None,
    *,
    fit: SlotFit,
    machine: Machine,
    unknown: Sequence[str],
    trials: Sequence[PlannedTrial],
) -> Bill:
    material, findings = tried.material, tried.findings
    largest = max((cost.unfinished_bytes for cost in findings.tried.values()), default=0)
    other_bytes = material.prepare_bytes + fit.count * largest
    free = float(free_disk(job.runs.root))
    is_local = job.options.address is None
    warnings = list(_busy(tried, machine))
    warnings += misfits(list(findings.needs.values()), room_of(fit, machine, is_local=is_local))
    warnings += findings.failures.values()
    warnings += [f"{label} has no price: none of its settings could be tried." for label in unknown]
    if price is not None:
        warnings += storage_warnings(
            price.disk_bytes,
            other_bytes=other_bytes,
            used=folder_bytes(job.runs.stages),
            free=free,
            storage=job.scope.study.storage,
        )
        warnings += _budget_warnings(job, price, fit)
    arms = sum(not sample.is_searched for sample in tried.samples)
    points = len(tried.samples) - arms
    return Bill(
        title=(
            f"price of {counted(len(trials), 'trial')}, from {counted(arms, 'arm')} and "
            f"{counted(points, 'point')} of the space tried here for {EPOCHS} short epochs"
        ),
        price=price,
        gpus_per_slot=fit.gpus_per_worker * fit.workers,
        prepare_s=material.prepare_s,
        start_s=SESSION_START_S,
        other_bytes=other_bytes,
        free_bytes=free,
        warnings=warnings,
        assumptions=list(_assumptions(job, tried, fit)),
    )


def _busy(tried: _Tried, machine: Machine) -> Iterator[str]:
    if tried.load_before > BUSY_SHARE * machine.cpus:
        yield (
            f"the machine was busy (load {tried.load_before:.1f} on "
            f"{counted(machine.cpus, 'core')}): hours are overstated; try again when it is idle."
        )


def _budget_warnings(job: Job, price: Price, fit: SlotFit) -> Iterator[str]:
    budget = job.scope.study.budget
    gpu_s = price.slot_s.times(fit.gpus_per_worker * fit.workers)
    for name, limit_h, needed in (
        ("wall_h", budget.wall_h, price.wall_s),
        ("gpu_h", budget.gpu_h, gpu_s),
    ):
        if limit_h is not None and needed.expected > limit_h * 3600:
            share = limit_h * 3600 / needed.expected
            yield f"budget/{name} = {limit_h:g} pays for about {percent(share)} of the study."


def _assumptions(job: Job, tried: _Tried, fit: SlotFit) -> Iterator[str]:
    yield (
        f"{STEPS} or more steps per epoch were timed, {fit.count * fit.workers} processes at once "
        f"where there is room, each with {counted(fit.threads, 'thread')}; bounds hold nine times "
        f"out of ten."
    )
    if not tried.material.is_the_studys:
        made = sum(tried.material.tried_sizes.values())
        yield (
            f"the data is not there yet: {made} samples were made in a temporary folder, and "
            f"making all is counted from that."
        )
    if not fit.gpus_per_worker and _have_children(tried.samples):
        yield (
            "workers made their batches themselves, whatever loader_workers says: without a GPU "
            "both take the same cores."
        )
    rule = job.scope.study.early_stop.rule
    if rule != "none" and job.scope.searched_trials:
        yield (
            f"the upper bounds stop no trial early; the others stop as {rule} does when good and "
            f"bad trials come in any order."
        )
    if job.scope.study.search.reuse > 0:
        yield "every searched trial trains its whole plan: search/reuse makes it cheaper."
    yield (
        f"{SESSION_START_S:.0f} s to start and {BETWEEN_TRIALS_S:g} s between trials are counted; "
        f"the report is not, nor are replicates, ablations and retries."
    )
    if fit.workers > 1:
        yield f"one worker was tried with its share of a batch; {fit.workers} talking is not."
    if job.options.address is not None:
        yield "the cluster's machines are as fast as this one."


def _have_children(samples: Sequence[Sample]) -> bool:
    """Say whether batches would be made in child processes."""
    return any(
        getattr(config, "loader_workers", 0) > 0
        for sample in samples
        for config in sample.point.configs.values()
    )
