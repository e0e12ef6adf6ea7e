"""The worker's side of a slot: the Train loop function, which lives through many assignments."""

import itertools
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch
from ray.actor import ActorHandle
from ray.exceptions import RayError

from hpe.data.opened import OpenedData
from hpe.phases.phase import PhaseSpec
from trainables.admission import Terms, machine_name, other_code, refusal
from trainables.assignment import Assignment, Directive
from trainables.clean_room import CleanRoom, MemoryUse
from trainables.saved_states import History
from trainables.stage_remote import link_remote
from trainables.stages import StageStore
from trainables.training import DataOpener, Failure, Seat, failure_of, train_stage
from trainables.usage import UsageGauge
from trainables.worker_group import LEAVE, RENEW, News

WAIT_S = 1.0

HOST_GROWTH_BYTES = 1 << 30
CUDA_GROWTH_BYTES = 256 << 20
"""Memory a worker may hold above its baseline between assignments; with more, something leaks, and
the group is started afresh. The baseline is what it held when new or after its first assignment."""

USAGE_EVERY_S = 1.0
"""Between two looks at what a worker uses."""

logger = logging.getLogger(__name__)


class WornOut(RuntimeError):
    """Raised out of the loop so that Train, which answers errors with a new group, starts one.

    That takes half the time of a new Train run, which is what returning comes to.
    """


@dataclass(frozen=True)
class SlotDesk:
    """The slot, as seen by one worker; `number` counts the assignments of its group.

    What the worker uses is measured from its beginning, and told with every report.
    """

    slot: ActorHandle
    group: str
    rank: int
    number: int
    gauge: UsageGauge

    def take(self) -> Assignment | None:
        """Wait for the next assignment; None means to leave.

        Raises:
            WornOut: If another group is to take over.
        """
        while True:
            answer = ray.get(self.slot.take.remote(self.group, self.rank, self.number, WAIT_S))
            if answer == LEAVE:
                return None
            if answer == RENEW:
                raise WornOut("the slot asked for a new worker group.")
            if answer is not None:
                return Assignment.from_json(answer)

    def begin(self, epoch: int, history: History) -> Directive:
        """See `training.Desk`."""
        directive = self._decided(
            lambda: self.slot.begin.remote(
                self.group, self.rank, self.number, epoch, _pairs(history), WAIT_S
            )
        )
        self.gauge.restart()
        return directive

    def report(self, epochs: News) -> Directive:
        """See `training.Desk`."""
        usage = self.gauge.read()
        news = [(epoch, dict(metrics)) for epoch, metrics in epochs]
        return self._decided(
            lambda: self.slot.report.remote(self.group, self.rank, self.number, news, usage, WAIT_S)
        )

    def working(self, beat: int, on_batches: bool) -> None:
        """See `training.Desk`; nothing is waited for."""
        self.slot.working.remote(self.group, self.rank, self.number, beat, on_batches)

    def finish(self, history: History) -> None:
        """See `training.Desk`."""
        ray.get(self.slot.finish.remote(self.group, self.rank, self.number, _pairs(history)))

    def fail(self, failure: Failure) -> None:
        """Hand in a failure as the assignment's result."""
        ray.get(
            self.slot.fail.remote(
                self.group,
                self.rank,
                self.number,
                failure.error_class,
                failure.message,
                failure.recycle,
            )
        )

    def _decided(self, ask: Callable[[], Any]) -> Directive:
        while True:
            directive = Directive(ray.get(ask()))
            if directive is not Directive.WAIT:
                return directive


class DataCache:
    """Opens data sets, and keeps the last one open: a slot's trials nearly always share it."""

    def __init__(self, opener: DataOpener) -> None:
        self._opener = opener
        self._key: tuple[str, str] | None = None
        self._data: OpenedData[Any] | None = None

    def open(self, data: Mapping[str, Any]) -> OpenedData[Any]:
        """Return the data set, opened before or now."""
        key = (data["digest"], data["root"])
        if self._data is None or self._key != key:
            self._data, self._key = self._opener(data), key
        return self._data


@dataclass(frozen=True)
class Bench:
    """What a worker keeps from one assignment to the next."""

    store: StageStore
    phases: Mapping[str, PhaseSpec]
    data: DataCache
    seat: Seat
    slot_name: str
    report_every_s: float

    def train(self, assignment: Assignment, desk: SlotDesk, *, waited_s: float) -> Failure | None:
        """Train, and return what went wrong as a value; nothing of the exception stays alive.

        Args:
            assignment: What to train.
            desk: The slot.
            waited_s: How long this worker had nothing to do before.
        """
        try:
            train_stage(
                assignment,
                store=self.store,
                phases=self.phases,
                open_data=self.data.open,
                desk=desk,
                seat=self.seat,
                lineage={
                    **_lineage(assignment, slot=self.slot_name, seat=self.seat),
                    "waited_s": round(waited_s, 4),
                },
                report_every_s=self.report_every_s if self.seat.world_size == 1 else 0.0,
            )
        except RayError:
            raise  # not the trial's failure: the slot is gone, and soon this process
        except (Exception, SystemExit) as error:  # noqa: BLE001  a process edge: it is the result
            failure = failure_of(error)
            logger.warning("%s: %s: %s", assignment.id, failure.error_class, failure.message)
            return failure
        return None


def serve(config: Mapping[str, Any]) -> None:
    """Train one assignment after another until the slot says to leave: the Train loop function.

    Whatever goes wrong inside an assignment is its result; the worker lives on.

    Args:
        config: `slot` (the actor), `name`, `run`, `store_root`, `remote`, `terms`, `threads`,
            `gpus`, `report_every_s`, `phases`, `opener`.
    """
    slot: ActorHandle = config["slot"]
    context = ray.get_runtime_context()
    node = context.get_node_id()
    try:
        fault = machine_fault(config["terms"], node)
        if fault is not None:
            ray.get(slot.refuse_machine.remote(config["run"], node, fault))
            return
        bench = Bench(
            store=_store(Path(config["store_root"]), config["remote"]),
            phases=resolve_name(config["phases"]),
            data=DataCache(resolve_name(config["opener"])),
            seat=_seat(uses_gpu=config["gpus"] > 0),
            slot_name=config["name"],
            report_every_s=config["report_every_s"],
        )
        limit_gpu_memory(bench.seat.device, config["gpus"])
    except Exception as error:  # noqa: BLE001  a process edge: no group could serve here
        ray.get(slot.cannot_serve.remote(config["run"], failure_of(error).message))
        return
    room = CleanRoom(threads=config["threads"])
    group = context.get_placement_group_id()
    member = {"rank": bench.seat.rank, "pid": os.getpid(), "node_id": node}
    if ray.get(slot.join.remote(config["run"], group, member, context.current_actor)):
        with closing(UsageGauge(bench.seat.device, least_s=USAGE_EVERY_S)) as gauge:
            _work(bench, slot=slot, group=group, room=room, gauge=gauge)


def _work(
    bench: Bench, *, slot: ActorHandle, group: str, room: CleanRoom, gauge: UsageGauge
) -> None:
    baseline = MemoryUse.now()
    for number in itertools.count():
        desk = SlotDesk(slot, group, bench.seat.rank, number, gauge)
        asked_at = time.monotonic()
        assignment = desk.take()
        if assignment is None:
            return
        waited_s = time.monotonic() - asked_at
        room.restore(assignment.stage.seed)
        failure = bench.train(assignment, desk, waited_s=waited_s)
        if failure is not None:
            desk.fail(failure)
        room.release()
        memory = MemoryUse.now()
        if number == 0:
            baseline = baseline.largest(memory)
        growth = growth_of(memory, baseline)
        if growth is not None:
            ray.get(slot.recycle.remote(group, growth))


def machine_fault(terms: Terms | None, node: str) -> str | None:
    """Say why this machine must not train, for people; None if it may.

    Args:
        terms: What it must show; None: nothing.
        node: What Ray calls it.
    """
    if terms is None:
        return None
    name = machine_name(socket.gethostname(), node)
    fault = other_code(terms) if node in terms.admitted else refusal(terms, node=name)
    return None if fault is None else f"machine {name} is not used: {fault}."


def growth_of(memory: MemoryUse, baseline: MemoryUse) -> str | None:
    """Say how a process outgrew its baseline, or None if it did not."""
    host = memory.host_bytes - baseline.host_bytes
    cuda = memory.cuda_bytes - baseline.cuda_bytes
    if host > HOST_GROWTH_BYTES:
        return f"it held {host >> 20} MiB of memory more than when it was new"
    if cuda > CUDA_GROWTH_BYTES:
        return f"it held {cuda >> 20} MiB of GPU memory more than when it was new"
    return None


def _pairs(history: History) -> list[tuple[int, dict[str, float]]]:
    return [(entry["epoch"], dict(entry["metrics"])) for entry in history]


def _store(root: Path, remote: str | None) -> StageStore:
    if remote is not None:
        link_remote(root, remote)  # on another machine than the driver's there is no folder yet
    elif not root.is_dir():
        raise FileNotFoundError(f"this machine does not share the stage store {root}")
    return StageStore(root)


def limit_gpu_memory(device: torch.device, gpus: float) -> None:
    """Keep what PyTorch allocates within this process's share of a GPU, where it has but a part.

    To Ray a share is bookkeeping. With this, the trial that wants more runs out of memory, and not
    whichever neighbour allocates next. CUDA's own part, a context per process, comes on top.

    Args:
        device: Where the process trains.
        gpus: How many GPUs it has.
    """
    if device.type == "cuda" and gpus < 1:
        torch.cuda.set_per_process_memory_fraction(gpus, device)


def _seat(*, uses_gpu: bool) -> Seat:
    context = ray.train.get_context()
    # Train would name a GPU that was not reserved, if the machine has one.
    device = ray.train.torch.get_device() if uses_gpu else torch.device("cpu")
    return Seat(rank=context.get_world_rank(), world_size=context.get_world_size(), device=device)


def _lineage(assignment: Assignment, *, slot: str, seat: Seat) -> dict[str, Any]:
    return {
        "trial": assignment.trial,
        "attempt": assignment.attempt,
        "slot": slot,
        "host": socket.gethostname(),
        "world_size": seat.world_size,
        "device": _device_name(seat.device),
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
