"""One call of the command, from checks to report: the order in which everything happens."""

import os
from collections.abc import Sequence
from contextlib import ExitStack

import torch
from rich.console import Console

from hpe.data.catalog import awaits_making, open_data
from sweep.agenda import is_over
from sweep.continuation import refuse_fresh
from sweep.dry_run import describe_study
from sweep.folders import TRACKING_URI, RunsDir
from sweep.job import Job, make_job
from sweep.journal import read_journal
from sweep.ledger import Ledger, Record
from sweep.machine import see_machine
from sweep.messages import counted, refusing, shown_path
from sweep.mirror import refuse_other_journal
from sweep.options import Options
from sweep.runs_lock import in_use
from sweep.shared_storage import SharedStorage, storage_of, use_storage
from sweep.slot_fit import SlotFit, fit_slots, resources_here
from sweep.source import Source, is_due, read_source, refuse_source_of_other_data
from sweep.storage import refuse_full_disk
from sweep.study import Study
from sweep.warm_start import known_sentence, record_sentence
from trainables.stages import StageStore


def run_session(study: Study, options: Options, console: Console) -> int:
    """Run what is left of a study, or show it, and return the exit code.

    Raises:
        Refused: If something given cannot work; nothing has started then.
        Interrupted: If a signal came.
    """
    with refusing():
        job = make_job(study, options, tracking_uri=_tracking_uri(options))
        storage = storage_of(job.runs, options.storage)
        records = _past_records(job)
        if options.fresh:
            refuse_fresh(job.folder, yes=options.yes or options.dry_run)
    for notice in job.scope.notices:
        console.print(f"Note: {notice}", style="yellow")
    if options.dry_run:
        return _dry_run(job, records, console)
    with ExitStack() as stack:
        with refusing():
            stack.enter_context(in_use(job.runs))
            if storage is not None:
                use_storage(job.runs, storage)
        return _run(job, records, console, storage)


def _run(
    job: Job, records: Sequence[Record], console: Console, storage: SharedStorage | None
) -> int:
    """Run what is left, in a runs folder from which nothing is collected meanwhile."""
    store = StageStore(job.runs.stages)
    job = job.with_weights({label: found.stage_key(store) for label, found in job.weights.items()})
    with refusing():
        job.refuse_changed(records)
        source = _source(job, records)
        if storage is not None and not job.options.fresh:
            refuse_other_journal(job.folder, storage)
    past = Ledger(records)
    # Ray, MLflow and matplotlib take seconds to import; a refusal or a dry run needs none of them.
    from sweep.execution import Execution  # noqa: PLC0415

    execution = Execution(
        job, records, console, see_machine(), _tracking_uri(job.options), storage, source
    )
    if is_over(job.scope.study, past, elapsed_s=past.elapsed_s):
        return execution.show_finished()
    with refusing():
        refuse_full_disk(job.scope.study.storage, job.runs.root)
    return execution.run()


def _past_records(job: Job) -> Sequence[Record]:
    """Return what the study's journal holds, which `--fresh` is about to delete."""
    if job.options.fresh or not job.folder.journal.exists():
        return []
    return read_journal(job.folder.journal)


def _source(job: Job, records: Sequence[Record]) -> Source | None:
    """Return the study whose trials are to be taken now; None if none are, or not any more."""
    study = job.scope.study
    if study.source is not None and study.search.trials == 0 and job.options.arm is None:
        raise ValueError(
            f"from: there is no search to begin with {study.source}: search/trials is 0; set it, "
            f"or leave `from` out."
        )
    return read_source(study, job.runs) if is_due(study, Ledger(records)) else None


def _dry_run(job: Job, records: Sequence[Record], console: Console) -> int:
    with refusing():
        if not job.weights:
            job.refuse_changed(records)
        data, root = job.scope.data, job.data_root
        is_brought = not root.is_relative_to(job.runs.data) and root.exists()
        digest = None
        if is_brought and not awaits_making(data, root):
            digest = open_data(data, root).digest
        fit = _fit(job)
        known = _known(job, records, fit, digest=digest)
    ended = sum(trial.ended_s is not None for trial in Ledger(records).trials.values())
    begun = f" ({ended} trials have ended there)" if records else ""
    folder = f"{shown_path(job.folder.root)}{begun}"
    console.print(describe_study(job.scope, fit=fit, folder=folder, known=known), end="")
    return _profile(job, Ledger(records), fit, console) if job.options.profile else 0


def _known(job: Job, records: Sequence[Record], fit: SlotFit, *, digest: str | None) -> str | None:
    """Say what the search begins with from another study; None if with nothing.

    Args:
        job: The study.
        records: Its journal.
        fit: Its slots.
        digest: Of its data set; None: not known yet, so that the other study's stands for it.
    """
    ledger = Ledger(records)
    source = _source(job, records)
    if source is None:
        return known_sentence(ledger)
    name, there = source.study.name, counted(len(source.trials), "trial")
    if job.weights:
        return f"{name}: {there}; which of them hold here is looked at when the weights are"
    if digest is not None:
        refuse_source_of_other_data(source, digest)
    # Ray takes seconds to import, and only a study that begins with another needs it here.
    from sweep.execution import known_here  # noqa: PLC0415

    record = known_here(job, source, fit, digest=digest or source.digest or "")
    proviso = "" if digest is not None else " (should the data be the same)"
    return f"{record_sentence(record)}{proviso}"


def _profile(job: Job, ledger: Ledger, fit: SlotFit, console: Console) -> int:
    """Show what the study will cost; a phase of which nothing could be tried is a failure."""
    # SciPy and what tries phases take a second to import, and only this option needs them.
    from sweep.pricing.profile import profile_study  # noqa: PLC0415

    with refusing():
        profile = profile_study(job, ledger, fit=fit, machine=see_machine(), console=console)
    console.print(f"\n{profile.text}", end="")
    return 0 if profile.is_complete else 1


def _tracking_uri(options: Options) -> str:
    """Return MLflow's own setting where there is one, else the database in the runs folder."""
    return os.environ.get(TRACKING_URI) or RunsDir(options.runs_dir).mlflow_uri


def _fit(job: Job) -> SlotFit:
    """Return the slots the study would get; connects to the given cluster, if one is given."""
    slots, address = job.scope.study.slots, job.options.address
    if address is None:
        here = resources_here(see_machine(), cuda_devices=torch.cuda.device_count())
        return fit_slots(slots, here)
    # Ray takes seconds to import, and only this option needs it here.
    from sweep.cluster import connected_cluster  # noqa: PLC0415
    from sweep.execution import resources_there  # noqa: PLC0415

    with connected_cluster(address):
        return fit_slots(slots, resources_there(address))
