"""Running a study: the conductor under Ray Tune, on a pool of warm slots."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from ray import tune
from ray.exceptions import OutOfMemoryError
from ray.tune import CheckpointConfig, FailureConfig, RunConfig, TuneConfig, TuneError
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

from hpe.phases.catalog import PHASES
from hpe.phases.phase import PhaseSpec
from search_spaces.space import SPACES, Space
from sweep.agenda import is_over
from sweep.book import Book, Listener
from sweep.cluster import ClusterLost, MachineFull, NodeWatch
from sweep.conductor import Conductor
from sweep.folders import StudyDir
from sweep.grid import space_of
from sweep.interruption import (
    SIGNALS,
    interruption_behind,
    keeping_handlers,
    may_handle_signals,
)
from sweep.ledger import Ledger
from sweep.optuna_log import OptunaLog
from sweep.points import Point
from sweep.scheduler import InterruptStopper, StudyScheduler
from sweep.searcher import StudySearcher
from sweep.storage import StorageWatch
from sweep.study import Study
from trainables.admission import Terms
from trainables.assignment import Stage
from trainables.claims import Claims
from trainables.keys import Execution
from trainables.plans import make_stages
from trainables.pool import CLOSE_S, NoSlotLeft, SlotPool
from trainables.slot_config import SlotShape
from trainables.stages import StageStore
from trainables.trial import TrialTrainable

ON_THE_HEAD = {"node:__internal_head__": 0.001}
"""What a trial's actor asks for: it only passes reports on, and must not outlive the head."""

NOTICE_S = 2.0
"""For running epochs to end after SIGTERM, whose sender may kill after ten seconds. An epoch that
takes longer is trained again, and with it short ones of the two seconds before; all others are
saved."""

TUNE_SWITCHES = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # snapshots are never restored
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output greets even when it is silent
}

CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
)
"""What Tune hands on in the runtime environment of its actors, which Ray writes into its logs. A
trial's actor asks storage for finished stages as workers do: with what its machine has."""

MACHINE_FULL = (
    "This machine ran out of memory, and Ray ended processes of the study. Trials go on from their "
    "last saved epoch when it is run again; end what else takes memory here, or take fewer slots: "
    "--set slots/count=1."
)


class StudyInterrupted(Exception):
    """A signal ended the session; everything is saved, and running again continues.

    Attributes:
        signum: The signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@dataclass(frozen=True)
class Machinery:
    """Where a study runs and on what.

    Attributes:
        store_root: The stage store's folder, which every worker can reach.
        data: `{"config", "root", "digest"}` of the data set.
        slots: Worker groups to run at once, at most.
        limit: How many there is room for now, where machines come and go; None: all of them.
        shape: Their shape.
        imported: Plan label -> key of stages that stand for the plan up to there.
        watchdog_s: As in `trainables.slot_config.SlotConfig`; None: the pool's own.
        report_every_s: Likewise.
        phases: The phases by name, and `module:attribute` where workers find the same.
        spaces: The search spaces by name.
        opener: `module:attribute` of the function by which workers open data; None: the pool's own.
        terms: What a machine that joins later must show before a worker trains on it.
    """

    store_root: Path
    data: Mapping[str, Any]
    slots: int
    shape: SlotShape
    imported: Mapping[str, str] = field(default_factory=dict)
    watchdog_s: float | None = None
    report_every_s: float | None = None
    phases: Mapping[str, PhaseSpec] = field(default_factory=lambda: PHASES)
    phases_at: str = "hpe.phases.catalog:PHASES"
    spaces: Mapping[str, Space] = field(default_factory=lambda: SPACES)
    opener: str | None = None
    limit: Callable[[], int] | None = None
    terms: Terms | None = None

    def stages_of(self, point: Point, seed: int) -> tuple[Stage, ...]:
        """Return the stages that a point comes to here with this trial seed."""
        execution = Execution(
            world_size=self.shape.workers,
            device="cuda" if self.shape.gpus_per_worker > 0 else "cpu",
        )
        return make_stages(
            point.plan,
            point.configs,
            data=self.data,
            seed=seed,
            execution=execution,
            imported=self.imported,
        )


def run_study(
    study: Study,
    *,
    book: Book,
    machinery: Machinery,
    folder: StudyDir,
    whole: Study | None = None,
    lineage: Mapping[str, Any],
    known: Mapping[str, Any] | None = None,
    listeners: Sequence[Listener] = (),
    on_interrupt: Callable[[], None] | None = None,
    on_slots: Callable[[Mapping[str, str]], None] | None = None,
) -> Ledger:
    """Run what is left of a study on the Ray cluster this process is connected to.

    Args:
        study: The study, with sizes and options applied, or one arm of it.
        book: Its open journal (`sweep.book.open_book`).
        machinery: Where and on what it runs.
        folder: The study's folder, whose lock comes with the book: its copy for optuna-dashboard,
            and its scratch, which workers must be able to reach too.
        whole: The study that goes on record, where only an arm of it is to be run.
        lineage: Where code, packages and data come from, as JSON data.
        known: The record of what is known from another study, to begin with (`sweep.warm_start`).
        listeners: Told of every record once it is on disk.
        on_interrupt: Called, on a thread of its own, when a signal has come, before what is running
            has stopped.
        on_slots: Told several times a second what each slot is doing.

    Returns:
        All that happened in the study.

    Raises:
        StudyInterrupted: If SIGINT or SIGTERM came; running trials are continued by the next run.
        NoSlotLeft: If no slot can work.
        ClusterLost: If Ray died on the driver's node.
        MachineFull: If its memory ran out.
    """
    with closing(OptunaLog(folder.optuna_log, study, book.past)) as copy:
        book.listen(copy)
        for listener in listeners:
            book.listen(listener)
        if not is_over(study, book.ledger, elapsed_s=book.elapsed_s):
            _run_rest(
                study,
                book=book,
                machinery=machinery,
                folder=folder,
                whole=whole,
                lineage=lineage,
                known=known,
                on_interrupt=on_interrupt,
                on_slots=on_slots,
            )
    return book.ledger


def _run_rest(
    study: Study,
    *,
    book: Book,
    machinery: Machinery,
    folder: StudyDir,
    whole: Study | None,
    lineage: Mapping[str, Any],
    known: Mapping[str, Any] | None,
    on_interrupt: Callable[[], None] | None,
    on_slots: Callable[[Mapping[str, str]], None] | None,
) -> None:
    """Run what is left of a study that is not over; the arguments are those of `run_study`."""
    shutil.rmtree(folder.scratch, ignore_errors=True)
    pool = _pool(machinery, folder.scratch)
    claims = Claims(machinery.store_root)
    conductor = Conductor(
        study,
        phases=machinery.phases,
        space=space_of(study, machinery.spaces),
        stages_of=machinery.stages_of,
        stages=StageStore(machinery.store_root),
        slots=pool,
        num_slots=machinery.slots,
        store_root=str(machinery.store_root.resolve()),
        book=book,
        claims=claims,
        shortage=StorageWatch(study.storage, machinery.store_root).reason,
    )
    conductor.open(lineage, known, whole=whole)
    with closing(claims), _signals_interrupt(conductor, on_interrupt) as received:
        try:
            fault = _work(conductor, pool, folder.scratch, slots=machinery.slots, on_slots=on_slots)
            conductor.close()
        except Exception as error:
            if interruption_behind(error) is None:  # a second signal ends the process at once
                pool.close()
            raise
        # Of a cluster that is lost nothing answers, and nothing is left to be ended.
        patience_s = NOTICE_S if signal.SIGTERM in received else CLOSE_S
        notes = [] if isinstance(fault, ClusterLost) else pool.close(patience_s)
    book.write(*({"kind": "note", "message": note} for note in notes))
    shutil.rmtree(folder.scratch, ignore_errors=True)
    if fault is not None:
        raise fault
    if received:
        raise StudyInterrupted(received[0])


def _work(
    conductor: Conductor,
    pool: SlotPool,
    scratch: Path,
    *,
    slots: int,
    on_slots: Callable[[Mapping[str, str]], None] | None,
) -> NoSlotLeft | ClusterLost | MachineFull | None:
    """Run all there is to run; return why that was not possible, if it was not."""
    node = NodeWatch()

    def on_tick() -> None:
        node.check()
        if on_slots is not None:
            on_slots({f"slot {i}": phase for i, phase in sorted(pool.phases().items())})

    searcher = StudySearcher(
        conductor, on_tick=on_tick, require_cluster=lambda: node.check(now=True)
    )
    try:
        pool.start(conductor.num_left)
        _tune(conductor, searcher, scratch, num_slots=slots)
    except (NoSlotLeft, ClusterLost, MachineFull) as fault:
        conductor.interrupt()
        return fault
    return None


def _pool(machinery: Machinery, scratch: Path) -> SlotPool:
    options: dict[str, Any] = {}
    if machinery.watchdog_s is not None:
        options["watchdog_s"] = machinery.watchdog_s
    if machinery.report_every_s is not None:
        options["report_every_s"] = machinery.report_every_s
    if machinery.opener is not None:
        options["opener"] = machinery.opener
    return SlotPool(
        count=machinery.slots,
        shape=machinery.shape,
        store_root=machinery.store_root,
        scratch=scratch,
        phases=machinery.phases_at,
        limit=machinery.limit,
        terms=machinery.terms,
        **options,
    )


def _tune(conductor: Conductor, searcher: StudySearcher, scratch: Path, *, num_slots: int) -> None:
    """Let Tune run until the conductor has nothing left to hand out, or is interrupted."""
    scheduler = StudyScheduler(conductor, num_actors=num_slots)
    ENV_VARS_TO_PROPAGATE.difference_update(CREDENTIALS)
    with _environment(TUNE_SWITCHES):
        tuner = tune.Tuner(
            tune.with_resources(TrialTrainable, ON_THE_HEAD),
            tune_config=TuneConfig(
                num_samples=-1,
                search_alg=searcher,
                scheduler=scheduler,
                max_concurrent_trials=num_slots,  # how many may be pending; slots limit the rest
                reuse_actors=True,
                trial_dirname_creator=_short_name,
            ),
            run_config=RunConfig(
                name="study",
                storage_path=tempfile.mkdtemp(prefix="tune-", dir=scratch.resolve()),
                stop=InterruptStopper(conductor),
                failure_config=FailureConfig(max_failures=0),  # the conductor tries again
                checkpoint_config=CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        except TuneError:
            fault = scheduler.fault or searcher.fault
            if fault is not None:
                raise fault from None
            raise
        except RuntimeError as error:  # how Tune answers what is neither its own nor a dead actor
            if isinstance(error.__cause__, OutOfMemoryError):
                raise MachineFull(MACHINE_FULL) from error
            raise


def _short_name(trial: Any) -> str:
    return f"{trial.config['trial']}-{trial.config['attempt']}"


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables that Tune reads, and put them back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _signals_interrupt(
    conductor: Conductor, on_interrupt: Callable[[], None] | None
) -> Iterator[list[int]]:
    """Have SIGINT and SIGTERM end the session well; a second one ends the process at once.

    Yields:
        The signals that came.
    """
    received: list[int] = []
    if not may_handle_signals():
        yield received
        return
    with keeping_handlers() as put_back:

        def on_signal(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  Python's name
            received.append(signum)
            conductor.interrupt()
            put_back()
            if on_interrupt is not None:
                # Not here: what was interrupted may hold a lock that this needs.
                threading.Thread(target=on_interrupt, name="on-interrupt", daemon=True).start()

        for number in SIGNALS:
            signal.signal(number, on_signal)
        yield received
