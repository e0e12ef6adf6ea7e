"""Train one assignment on one worker: from wherever it last stopped, until told to abandon it."""

import math
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from hpe.config import Config
from hpe.data.opened import OpenedData
from hpe.phases.keep import KeepConfig, epochs_to_keep
from hpe.phases.phase import Artifacts, Diverged, EpochReport, PhaseInputs, PhaseSpec, State
from hpe.phases.state import split_state
from trainables.assignment import (
    LOSSES,
    STAGE_LOST,
    STORAGE,
    WORKER_LOST,
    Assignment,
    Directive,
    Stage,
)
from trainables.manifest import CorruptStage
from trainables.out_of_reach import is_out_of_reach
from trainables.pulse import Pulse
from trainables.rhythm import Rhythm
from trainables.saved_states import History
from trainables.sealed_json import StageFormat
from trainables.stages import StageStore
from trainables.worker_group import News

MESSAGE_CHARS = 6000
CPU_OUT_OF_MEMORY = ("DefaultCPUAllocator: can't allocate memory", "not enough memory: you tried")
CUDA_TROUBLE = ("CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS", "cuDNN error", "NCCL error")

LOADER_GONE = "RuntimeError: DataLoader worker (pid"


DataOpener = Callable[[Mapping[str, Any]], OpenedData[Any]]


class Desk(Protocol):
    """How a worker speaks to its slot about the assignment it has."""

    def begin(self, epoch: int, history: History) -> Directive:
        """Say where training goes on from; CONTINUE or ABANDON."""

    def working(self, beat: int, on_batches: bool) -> None:
        """Say that batches are being worked on, or that something else comes first.

        Args:
            beat: Grows from one message to the next.
            on_batches: Which of the two.
        """

    def report(self, epochs: News) -> Directive:
        """Say that these epochs are finished, and the last one saved; CONTINUE or ABANDON.

        Before a failure that ends the trial the last ones are told of and not saved.
        """

    def finish(self, history: History) -> None:
        """Say that the stage is committed."""


@dataclass(frozen=True)
class Seat:
    """A worker's place in its group."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Say whether this rank commits and reports for all."""
        return self.rank == 0


@dataclass(frozen=True)
class Failure:
    """Why an assignment could not be finished.

    Attributes:
        error_class: `diverged`, `out_of_memory`, `data`, `code`, `stage_lost`, `storage`, or
            `worker_lost` for one that died under the stage's own process.
        recycle: The process cannot be trusted with another assignment.
    """

    error_class: str
    message: str
    recycle: bool


class DataUnavailable(ValueError):
    """The data that a stage is trained on cannot be opened."""


class StageLost(RuntimeError):
    """A finished stage that another one builds on is damaged or gone; it can be trained again."""


class StoreFault(RuntimeError):
    """The stage store cannot be read or written: a full disk, a lost mount, missing rights."""


def train_stage(
    assignment: Assignment,
    *,
    store: StageStore,
    phases: Mapping[str, PhaseSpec],
    open_data: DataOpener,
    desk: Desk,
    seat: Seat,
    lineage: Mapping[str, Any],
    report_every_s: float = 0.0,
) -> None:
    """Train the assignment's stage to its end and commit it, unless the desk says to abandon it.

    An epoch that is reported is saved by every rank, or one after it is. Rank 0 keeps the snapshots
    that the phase's settings ask for, and commits. Epochs before a failure that ends the trial are
    reported too, where nobody will go on from them.

    Args:
        lineage: Where and by whom it is trained, for the manifest.
        report_every_s: An epoch that ends sooner after the last report waits for a later one and is
            told of with that, unless a decision depends on it, none comes after it, or it changes
            what is kept. Several workers must be of one mind: they report every epoch, and this is
            0.
    """
    assert seat.world_size == 1 or report_every_s == 0, "ranks would report different epochs"
    stage = assignment.stage
    if seat.leads:
        known = _finished(stage, store)
        if known is not None:
            desk.finish(known)
            return
    spec = phases[stage.phase]
    config = spec.config.model_validate(stage.config)
    with _using(store):
        saved = store.last_state(stage, rank=seat.rank, world_size=seat.world_size)
    history = [] if saved is None else list(saved.history)
    start = 0 if saved is None else saved.epoch
    if desk.begin(start, history) is Directive.ABANDON:
        return
    if seat.leads:  # of epochs that are trained again, or were outranked just before the end
        with _using(store):
            store.drop_snapshots_but(stage, _snapshots_of(history, config=config, spec=spec))
    pulse = Pulse(desk.working)
    inputs = replace(
        _inputs(stage, store=store, open_data=open_data, device=seat.device), on_batch=pulse.beat
    )
    rhythm = Rhythm(report_every_s, due={stage.epochs, *assignment.decision_epochs})
    untold: list[tuple[int, Mapping[str, float]]] = []
    with (
        closing(spec.run(config, inputs, None if saved is None else saved.state)) as phase,
        _telling_the_rest(untold, desk=desk, pulse=pulse),
    ):
        while True:
            try:
                report = next(phase)
            except StopIteration as end:
                artifacts: Artifacts = end.value
                break
            _require_sound(report, stage, epochs_before=len(history))
            metrics = dict(report.metrics)
            history.append({"epoch": report.epoch, "metrics": metrics})
            snapshots = _snapshots_after(report.epoch, config=config, spec=spec, past=history)
            draws = _is_drawn(report.epoch, config=config, spec=spec)
            is_due = rhythm.is_due(report.epoch, anyway=snapshots.change or draws)
            if is_due:
                pulse.rest()
            state = report.state()
            _require_finite(state, stage, epoch=report.epoch)
            if is_due:
                # The state last: what it is gone on from has all that belongs to its epoch.
                with _using(store):
                    if seat.leads and snapshots.keeps:
                        store.keep_snapshot(stage, report.epoch, report.artifacts())
                    if seat.leads and draws:
                        _keep_pictures(report, stage, store=store, spec=spec)
                    store.save_state(
                        stage, state, epoch=report.epoch, history=history, rank=seat.rank
                    )
                    if seat.leads:
                        for outranked in snapshots.drops:
                            store.drop_snapshot(stage, outranked)
            untold.append((report.epoch, metrics))
            if is_due and _tell(untold, desk) is Directive.ABANDON:
                return
    if seat.leads:
        with _using(store):
            store.commit(stage, artifacts, history, lineage={**lineage, "resumed_from": start})
        desk.finish(history)


def _tell(untold: list[tuple[int, Mapping[str, float]]], desk: Desk) -> Directive:
    """Tell of epochs, each once."""
    told = list(untold)
    untold.clear()
    return desk.report(told)


@contextmanager
def _telling_the_rest(
    untold: list[tuple[int, Mapping[str, float]]], *, desk: Desk, pulse: Pulse
) -> Iterator[None]:
    """However training ends, say that it does, and tell of the epochs that wait to be told of.

    What was reached before a failure is then known, as if every epoch had been reported; but not
    where the trial is tried again: it goes on from the state that was saved.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if failure_of(error).error_class in LOSSES:
            untold.clear()
        raise
    finally:
        pulse.rest()
        if untold:
            _tell(untold, desk)


def failure_of(error: BaseException) -> Failure:
    """Return what an exception during an assignment means for its trial and for the process."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, Diverged):
        return Failure("diverged", str(error), recycle=False)
    if isinstance(error, StageLost):
        return Failure(STAGE_LOST, str(error), recycle=False)
    if isinstance(error, StoreFault):
        return Failure(STORAGE, str(error), recycle=False)
    if isinstance(error, StageFormat):
        return Failure("code", str(error), recycle=False)
    if isinstance(error, DataUnavailable):
        error_class = STORAGE if any(map(is_out_of_reach, _chain(error))) else "data"
        told = error.__cause__ or error
        return Failure(error_class, f"{type(told).__name__}: {told}", recycle=False)
    if isinstance(error, OSError):
        return Failure(STORAGE if is_out_of_reach(error) else "data", text, recycle=False)
    if isinstance(error, RuntimeError) and text.startswith(LOADER_GONE):
        return Failure(WORKER_LOST, text, recycle=False)
    on_cuda = isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and any(mark in text for mark in CUDA_TROUBLE)
    )
    if _is_out_of_memory(error, text):
        return Failure("out_of_memory", text, recycle=True)
    trace = "".join(traceback.format_exception(error))
    return Failure("code", f"{text}\n{trace[-MESSAGE_CHARS:]}", recycle=on_cuda)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what it came from, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _is_out_of_memory(error: BaseException, text: str) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or any(mark in text for mark in CPU_OUT_OF_MEMORY)
    )


@contextmanager
def _using(store: StageStore) -> Iterator[None]:
    """Tell trouble with the store from trouble with the data, which raises the same errors."""
    try:
        yield
    except OSError as error:
        raise StoreFault(
            f"the stage store {store.root} cannot be used: {type(error).__name__}: {error}"
        ) from error


def _finished(stage: Stage, store: StageStore) -> History | None:
    """Return the epochs of a stage that somebody finished meanwhile; a damaged one is set aside."""
    with _using(store):
        try:
            if store.is_committed(stage.key):
                return store.metrics(stage.key)
        except CorruptStage:
            pass
        store.set_aside(stage.key)
    return None


def _inputs(
    stage: Stage, *, store: StageStore, open_data: DataOpener, device: torch.device
) -> PhaseInputs:
    parents = {phase: _parent(key, phase, store) for phase, key in stage.parents.items()}
    try:
        data = open_data(stage.data)
    except (OSError, ValueError) as error:
        raise DataUnavailable(str(error)) from error
    if data.digest != stage.data["digest"]:
        raise DataUnavailable(
            f"the data set has changed: the study was started on digest {stage.data['digest']}, "
            f"{stage.data['root']} now has {data.digest}; restore it or start a new study."
        )
    return PhaseInputs(data=data, parents=parents, seed=stage.seed, device=device)


def _parent(key: str, phase: str, store: StageStore) -> Artifacts:
    with _using(store):
        try:
            return store.artifacts(key)
        except CorruptStage as error:
            store.set_aside(key)
            raise StageLost(f"{phase} has to be trained again: {error}") from error
        except FileNotFoundError as error:
            raise StageLost(f"{phase} has to be trained again: stage {key} is gone.") from error


def _require_sound(report: EpochReport, stage: Stage, *, epochs_before: int) -> None:
    assert report.epoch == epochs_before + 1, (stage.phase, report.epoch, epochs_before)
    for name, value in report.metrics.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} is {value} after epoch {report.epoch} of {stage.label}.")


def _require_finite(state: State, stage: Stage, *, epoch: int) -> None:
    """Refuse weights that the last steps of an epoch spoiled, which no metric may show yet."""
    tensors, _ = split_state(state)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise Diverged(
                f"{name} of the state holds nan or infinity after epoch {epoch} of {stage.label}."
            )


@dataclass(frozen=True)
class Snapshots:
    """What an epoch changes of those that are kept.

    Attributes:
        keeps: Whether it is kept itself.
        drops: Epochs that it outranks.
    """

    keeps: bool = False
    drops: frozenset[int] = frozenset()

    @property
    def change(self) -> bool:
        """Say whether it changes anything."""
        return self.keeps or bool(self.drops)


def _snapshots_after(epoch: int, *, config: Config, spec: PhaseSpec, past: History) -> Snapshots:
    """Return what an epoch, the last of `past`, changes of the snapshots."""
    wanted = _snapshots_of(past, config=config, spec=spec)
    known = _snapshots_of(past[:-1], config=config, spec=spec)
    return Snapshots(keeps=epoch in wanted, drops=known - wanted)


def _snapshots_of(past: History, *, config: Config, spec: PhaseSpec) -> frozenset[int]:
    """Return of which epochs the settings want snapshots once these have ended.

    The newest epoch needs none: until the stage is committed it has its state, afterwards the
    artifacts themselves.
    """
    keep = getattr(config, "keep", None)
    if not isinstance(keep, KeepConfig):
        return frozenset()
    keep = keep.model_copy(update={"last": False})
    epochs = {entry["epoch"]: entry["metrics"] for entry in past}
    return epochs_to_keep(epochs, keep, default_metric=spec.ranked_by)


def _is_drawn(epoch: int, *, config: Config, spec: PhaseSpec) -> bool:
    """Say whether the settings want pictures of an epoch's predictions."""
    every = getattr(config, "pictures_every", 0)
    return spec.draw is not None and bool(every) and epoch % every == 0


def _keep_pictures(
    report: EpochReport, stage: Stage, *, store: StageStore, spec: PhaseSpec
) -> None:
    """Draw this epoch's predictions and keep the pictures."""
    assert spec.draw is not None, "there is nothing to draw with"
    drawn = spec.draw(report.artifacts().tensors["predictions"])
    store.keep_pictures(stage, report.epoch, drawn.as_files("predictions"))
