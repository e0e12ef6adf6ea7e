"""A session that trains: data, slots, journal, tracking, report, in the order they are needed."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import ray
import torch
import yaml
from rich.console import Console

from hpe.data.catalog import open_data, prepare_data
from hpe.data.opened import OpenedData
from hpe.whole_file import write_text
from sweep.autoscaler import machines_that_may_come
from sweep.book import Book, open_book
from sweep.cluster import (
    ClusterLost,
    MachineFull,
    connected_cluster,
    local_cluster,
    num_nodes,
    wait_for_nodes,
)
from sweep.continuation import refuse_other_data, start_over
from sweep.data_fit import require_training_samples
from sweep.display import Display, progress
from sweep.interruption import Interrupted, interruption_behind
from sweep.job import Job
from sweep.journal import JournalNotWritten
from sweep.ledger import Ledger, Record
from sweep.lineage import PROJECT, describe, keep_changes, read_commit
from sweep.machine import Machine
from sweep.messages import Refused, counted, refusing, shown_path
from sweep.mirror import StudyMirror
from sweep.notification import Notifier
from sweep.outcome import Outcome, Tracked, show_outcome
from sweep.preflight import proven_terms
from sweep.report.best import PlainDumper
from sweep.shared_storage import DATA, SharedStorage, answering
from sweep.slot_fit import (
    Resources,
    SlotFit,
    cluster_resources,
    fit_slots,
    resources_here,
    slots_that_fit,
)
from sweep.source import Source, refuse_source_of_other_data
from sweep.status_page import StatusPage
from sweep.study_check import check_lengths
from sweep.tracking import MlflowTracker
from sweep.tuner import Machinery, StudyInterrupted, run_study
from sweep.warm_start import known_record
from trainables.admission import Terms
from trainables.data_copy import put_data
from trainables.pool import NoSlotLeft
from trainables.sealed_json import StageFormat
from trainables.slot_config import SlotShape
from trainables.stages import StageStore

TRACKER_PATIENCE_S = 60.0
NOTICE_PATIENCE_S = 3.0
"""For MLflow after a signal: who sent it may give no more than ten seconds' notice."""
OBSTACLES = (NoSlotLeft, ClusterLost, MachineFull, StageFormat, JournalNotWritten)
"""Why a study cannot go on, none of which is its own fault."""

CANNOT_GO_ON = 1
STOPPING = (
    "stopping: running trials end their epoch and are continued next time; again to end at once"
)


@dataclass(frozen=True)
class Execution:
    """One session of a study.

    Attributes:
        records: The journal so far.
        tracking_uri: The MLflow store.
        source: The study whose trials are still to be taken, if this one begins with another's.
        storage: What the machines of a cluster share, if that is not the runs folder.
    """

    job: Job
    records: Sequence[Record]
    console: Console
    machine: Machine
    tracking_uri: str
    storage: SharedStorage | None = None
    source: Source | None = None

    def run(self) -> int:
        """Train what is left, report it, and return the exit code.

        Raises:
            Refused: If the machine, the cluster or the data does not fit; nothing has started then.
            Interrupted: If a signal came.
        """
        job = self.job
        with ExitStack() as stack:
            with refusing():
                resources = self._resources(stack)
                fit = fit_slots(job.scope.study.slots, resources)
                data = self._data()
                self._refuse_other(self.records, data)
                known = self._known(fit, data)
                terms = self._share(stack, data)
                book = self._book(stack, data)
                if self.storage is not None:
                    with answering(self.storage.place):
                        there = self.storage.study(job.folder)
                    stack.enter_context(StudyMirror(job.folder, there))
            tracker, patience_s = self._tracker(book.past), TRACKER_PATIENCE_S
            try:
                if job.options.address is None:
                    self.console.print("starting Ray on this machine", style="dim")
                    _let_children_import_the_project()
                    local = local_cluster(cpus=resources.cpus, gpus=resources.gpus)
                    stack.enter_context(local)
                ledger = self._train(book, fit, data, tracker, known, terms)
                outcome = Outcome.of(job, ledger, data=data)
                self._send_files(tracker, outcome)
            except OBSTACLES as error:
                self.console.print(f"{error}", style="bold red")
                self.console.print(f"To continue: {job.options.again}")
                return CANNOT_GO_ON
            except (Interrupted, SystemError) as error:
                if interruption_behind(error) is not None:
                    patience_s = NOTICE_PATIENCE_S
                raise
            finally:
                self._close(tracker, patience_s)
        return show_outcome(outcome, self.console, self._tracked(tracker))

    def show_finished(self) -> int:
        """Show a finished study again, and send MLflow what it has not got yet."""
        tracker = self._tracker(self.records)
        try:
            outcome = Outcome.of_finished(self.job, Ledger(self.records))
            self._send_files(tracker, outcome)
        finally:
            self._close(tracker, TRACKER_PATIENCE_S)
        return show_outcome(outcome, self.console, self._tracked(tracker))

    def _resources(self, stack: ExitStack) -> Resources:
        """Return what the study runs on; connects to the given cluster, if one is given."""
        address = self.job.options.address
        if address is None:
            return resources_here(self.machine, cuda_devices=torch.cuda.device_count())
        stack.enter_context(connected_cluster(address))
        wait_for_nodes(self.job.options.nodes)
        return resources_there(address)

    def _tracker(self, past: Sequence[Record]) -> MlflowTracker:
        job = self.job
        is_default = self.tracking_uri == job.runs.mlflow_uri
        store = StageStore(job.runs.stages)
        return MlflowTracker(
            study=job.study.name,
            uri=self.tracking_uri,
            memory=job.folder.tracking,
            artifacts=job.runs.mlflow_artifacts.absolute() if is_default else None,
            past=past,
            history=store.metrics,
            drawn=store.pictures,
        )

    def _send_files(self, tracker: MlflowTracker, outcome: Outcome) -> None:
        """Have MLflow keep the report and serve the winner, where it does not yet."""
        tracker.add_folder(self.job.folder.report, "report")
        if outcome.served is not None:
            tracker.add_model(outcome.served)

    def _close(self, tracker: MlflowTracker, patience_s: float) -> None:
        """Give MLflow its time to take what is left, and say what it did not take."""
        waiting = tracker.close(patience_s)
        for message in tracker.refused:
            self.console.print(message, style="yellow")
        if waiting:
            reason = tracker.trouble or "not in time"
            self.console.print(
                f"MLflow has not taken {', '.join(tracker.owed)} ({reason}); "
                f"the same command sends them.",
                style="yellow",
            )

    def _tracked(self, tracker: MlflowTracker) -> Tracked:
        return Tracked(uri=self.tracking_uri, experiment_id=tracker.experiment_id)

    def _data(self) -> OpenedData[Any]:
        job = self.job
        config, root = job.scope.data, job.data_root
        title = f"preparing {job.scope.study.data['name']}"
        with progress(title, console=self.console) as advance:
            prepare_data(config, root, processes=self.machine.cpus, progress=advance)
        data = open_data(config, root)
        require_training_samples(data, config)
        check_lengths(job.scope, {name: len(split) for name, split in data.splits.items()})
        return data

    def _share(self, stack: ExitStack, data: OpenedData[Any]) -> Terms | None:
        """See to it that every machine of a cluster has the stages and the data.

        Returns:
            What those must show that join later; None without a cluster.
        """
        job, place = self.job, self._data_uri()
        if place is not None:
            self.console.print("putting the data into the storage", style="dim")
            with answering(place):
                put_data(job.data_root, place, digest=data.digest)
        if job.options.address is None:
            return None
        job.runs.stages.mkdir(parents=True, exist_ok=True)
        uri = job.runs.root.resolve().as_uri() if self.storage is None else self.storage.uri
        root = job.data_root.resolve()
        everywhere = root if place is None and root.exists() else None  # else it is brought
        is_alone = self.storage is None and num_nodes() == 1
        terms = stack.enter_context(proven_terms(uri, data=everywhere, is_alone=is_alone))
        if not is_alone:
            machines = counted(len(terms.admitted), "machine")
            self.console.print(f"{machines} can work with {uri}", style="dim")
        return terms

    def _data_uri(self) -> str | None:
        """Return where in object storage the data lies, if it was made here."""
        made, root = self.job.runs.data, self.job.data_root
        if self.storage is None or not self.storage.is_remote or not root.is_relative_to(made):
            return None
        return self.storage.below(f"{DATA}/{root.relative_to(made).as_posix()}")

    def _book(self, stack: ExitStack, data: OpenedData[Any]) -> Book:
        """Return the study's journal, locked, once it is certain that it is of this study."""
        job = self.job
        if job.options.fresh:
            start_over(job.folder)
        try:
            book = stack.enter_context(open_book(job.folder))
            self._refuse_other(book.past, data)  # another driver may have run meanwhile
            _write_study(job)
        except OSError as error:  # the disk is full, say, or not to be written to
            folder = shown_path(job.folder.root)
            raise Refused(f"{folder}: the study cannot be kept there: {error}") from error
        return book

    def _refuse_other(self, records: Sequence[Record], data: OpenedData[Any]) -> None:
        """Refuse to go on in a journal that is of another study, or of other data."""
        folder = shown_path(self.job.folder.root)
        self.job.refuse_changed(records)
        refuse_other_data(Ledger(records).lineage, data.digest, folder=folder)

    def _known(self, fit: SlotFit, data: OpenedData[Any]) -> Mapping[str, Any] | None:
        """Return the record of what is known from another study, to begin with."""
        if self.source is None:
            return None
        refuse_source_of_other_data(self.source, data.digest)
        return known_here(self.job, self.source, fit, digest=data.digest)

    def _train(
        self,
        book: Book,
        fit: SlotFit,
        data: OpenedData[Any],
        tracker: MlflowTracker,
        known: Mapping[str, Any] | None,
        terms: Terms | None,
    ) -> Ledger:
        job, study = self.job, self.job.scope.study
        commit = read_commit(PROJECT)
        keep_changes(commit, job.folder)
        lineage = describe(
            commit=commit, machine=self.machine, slots=fit, data=data, data_config=study.data
        )
        display = Display(study, console=self.console, ledger=book.ledger, slots=fit.count)
        page = StatusPage(
            study, job.folder, ledger=book.ledger, slots=fit.count, again=job.options.again
        )
        with display, Notifier(study, job.options.notify, tell=display.note) as notifier:
            display.note(f"{study.name}: starting {fit}")
            display.note(f"to watch in a browser: {shown_path(job.folder.status)}")
            try:
                return run_study(
                    study,
                    whole=job.study,
                    book=book,
                    machinery=_machinery(job, fit, data.digest, self._data_uri(), terms),
                    folder=job.folder,
                    lineage=lineage,
                    known=known,
                    listeners=[tracker, display, page, notifier],
                    on_interrupt=lambda: display.note(STOPPING),
                    on_slots=lambda states: _show_slots(states, display, page),
                )
            except StudyInterrupted as end:
                raise Interrupted(end.signum) from None
            except Exception as error:  # an edge: nobody may be looking but at page and hooks
                if interruption_behind(error) is None:
                    is_told = isinstance(error, OBSTACLES)
                    reason = str(error) if is_told else f"{type(error).__name__}: {error}"
                    notifier.cannot_go_on(reason, book.ledger)
                    page.break_off(reason)
                raise


def _show_slots(states: Mapping[str, str], display: Display, page: StatusPage) -> None:
    display.show_slots(states)
    page.show_slots(states)


def resources_there(address: str) -> Resources:
    """Return what the cluster has that this process is connected to."""
    return cluster_resources(ray.nodes(), coming=machines_that_may_come(), address=address)


def known_here(job: Job, source: Source, fit: SlotFit, *, digest: str) -> dict[str, Any]:
    """Return the record of what the source knows that holds here, on these slots and data.

    Raises:
        ValueError: If nothing does.
    """
    assert job.scope.space is not None, "only a search begins with another"
    machinery = _machinery(job, fit, digest)
    return known_record(
        source,
        job.scope.study,
        space=job.scope.space,
        phases=machinery.phases,
        stages_of=machinery.stages_of,
    )


def _machinery(
    job: Job,
    fit: SlotFit,
    digest: str,
    data_uri: str | None = None,
    terms: Terms | None = None,
) -> Machinery:
    study, address = job.scope.study, job.options.address
    slots = study.slots
    follows = address is not None and slots.count == "auto"
    spaces = {study.space: job.scope.space} if study.space and job.scope.space else {}
    return Machinery(
        store_root=job.runs.stages.absolute(),
        data={
            "config": job.scope.data.model_dump(mode="json"),
            "root": str(job.data_root.resolve()),
            "digest": digest,
            **({} if data_uri is None else {"storage": data_uri}),
        },
        slots=slots.max if follows else fit.count,
        limit=(lambda: slots_that_fit(fit, resources_there(str(address)))) if follows else None,
        shape=SlotShape(
            workers=fit.workers,
            cpus_per_worker=fit.cpus_per_worker,
            gpus_per_worker=fit.gpus_per_worker,
            threads=fit.threads,
            accelerator=fit.accelerator,
        ),
        imported=study.from_weights,
        spaces=spaces,
        terms=terms,
    )


def _write_study(job: Job) -> None:
    content = job.study.model_dump(mode="json")
    text = yaml.dump(content, Dumper=PlainDumper, sort_keys=False, allow_unicode=True, width=100)
    write_text(job.folder.resolved, text)


def _let_children_import_the_project() -> None:
    """Have Ray's processes find the project wherever the command was typed."""
    paths = [str(PROJECT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in paths if path))
