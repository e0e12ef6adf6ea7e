"""Train a recorded stage again with several workers: processes of this machine, without Ray.

Each is what a worker of a slot is: a rank of a process group (gloo between CPUs, NCCL between
GPUs, a GPU each), in a process as good as new.
"""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from pkgutil import resolve_name
from typing import Literal

import torch
import torch.distributed as dist

from sweep.stage_again import TrainedAgain, Work, train_again
from trainables.clean_room import CleanRoom
from trainables.manifest import CorruptStage
from trainables.stages import StageStore
from trainables.training import Failure, Seat

GRACE_S = 5.0


@dataclass(frozen=True)
class Names:
    """What a new process looks up, as `module:attribute`.

    Attributes:
        phases: The phases by name.
        opener: The function that opens a stage's data.
    """

    phases: str = "hpe.phases.catalog:PHASES"
    opener: str = "trainables.stage_data:open_stage_data"


AS_IN_STUDIES = Names()


@dataclass(frozen=True)
class WorkerGroup:
    """The workers that train a stage together.

    Attributes:
        size: How many they are; on GPUs there must be as many.
        device: What each trains on.
        names: Where several find what one is given.
    """

    size: int
    device: Literal["cpu", "cuda"]
    names: Names

    def seat(self, rank: int) -> Seat:
        """Return a worker's place."""
        device = torch.device("cuda", rank) if self.device == "cuda" else torch.device("cpu")
        return Seat(rank=rank, world_size=self.size, device=device)


@dataclass(frozen=True)
class Worker:
    """A process and the end of the pipe that it answers through."""

    process: BaseProcess
    answers: Connection

    def answer(self) -> TrainedAgain:
        """Return what it came to; one that is gone without a word failed."""
        try:
            answer = self.answers.recv()
        except EOFError:
            self.process.join(GRACE_S)
            code = self.process.exitcode
            told = f"{self.process.name} ended before its stage did, with exit code {code}"
            return TrainedAgain({}, Failure("worker_lost", told, recycle=True))
        assert isinstance(answer, TrainedAgain)
        return answer


def train_with_workers(work: Work, *, group: WorkerGroup) -> TrainedAgain:
    """Train a stage in as many processes, and return what the first rank reported.

    The first failure ends all, because the others wait for that rank.

    Args:
        work: The stage.
        group: Who trains it.
    """
    store, key = StageStore(work.store), work.assignment.stage.key
    try:
        if store.is_committed(key):
            return TrainedAgain({e["epoch"]: e["metrics"] for e in store.metrics(key)})
    except CorruptStage:
        store.set_aside(key)
    with _started(work, group) as workers:
        waiting = {worker.answers: rank for rank, worker in enumerate(workers)}
        answers: dict[int, TrainedAgain] = {}
        while waiting:
            for answered in wait(list(waiting)):
                assert isinstance(answered, Connection)
                rank = waiting.pop(answered)
                answers[rank] = workers[rank].answer()
                if answers[rank].failure is not None:
                    return answers[rank]
    return answers[0]


@contextmanager
def _started(work: Work, group: WorkerGroup) -> Iterator[Sequence[Worker]]:
    """Start the processes; they are gone afterwards, however that is left."""
    started: list[Worker] = []
    with tempfile.TemporaryDirectory(prefix="workers-") as folder:
        try:
            for rank in range(group.size):
                started.append(_start(work, group, rank, Path(folder) / "rendezvous"))
            yield started
        finally:
            for worker in started:
                worker.answers.close()
                worker.process.terminate()
            for worker in started:
                worker.process.join(GRACE_S)
                if worker.process.is_alive():
                    worker.process.kill()
                    worker.process.join()


def _start(work: Work, group: WorkerGroup, rank: int, rendezvous: Path) -> Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(work, group, rank, rendezvous, theirs), name=f"worker {rank}"
    )
    process.start()
    theirs.close()
    return Worker(process, ours)


def _serve(
    work: Work, group: WorkerGroup, rank: int, rendezvous: Path, answers: Connection
) -> None:
    """Train as one rank, answer, and stay until told to go: others may still wait for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process ends us
    on_gpu = group.device == "cuda"
    if on_gpu:
        torch.cuda.set_device(rank)
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=f"file://{rendezvous}",
        rank=rank,
        world_size=group.size,
    )
    answer = train_again(
        work,
        group.seat(rank),
        CleanRoom(threads=work.threads),
        phases=resolve_name(group.names.phases),
        open_data=resolve_name(group.names.opener),
    )
    answers.send(answer)
    answers.poll(None)
    os._exit(0)  # gloo's threads now and then abort a process that ends in the ordinary way
