"""Tiny phases and data for tests of slots: they count, rest, fail and misbehave on request."""

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as dist

from hpe.config import Config
from hpe.data.hands import HandData
from hpe.phases.keep import KeepConfig
from hpe.phases.phase import (
    Artifacts,
    Diverged,
    EpochReport,
    Phase,
    PhaseInputs,
    PhaseSpec,
    State,
)


class CountConfig(Config):
    """Count epochs, resting in each; at epoch `at`, get into trouble."""

    epochs: int = 2
    rest_s: float = 0.0
    trouble: Literal["none", "raise", "diverge", "nan", "memory", "exit", "file", "kill"] = "none"
    at: int = 1
    keep: KeepConfig = KeepConfig()


def count(config: CountConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Report `val/total`, the sum of epochs so far; across ranks, the sum over ranks."""
    start, total = (0, 0) if resume is None else (resume["epoch"], resume["total"])
    for epoch in range(start + 1, config.epochs + 1):
        time.sleep(config.rest_s)
        inputs.on_batch()
        if epoch == config.at:
            _trouble(config.trouble)
        total += epoch
        shared = torch.tensor(float(total))
        if dist.is_initialized():
            dist.all_reduce(shared)
        metrics = {
            "val/total": float("nan") if config.trouble == "nan" else shared.item(),
            "val/pid": float(os.getpid()),
            "train/first_line_s": time.time(),
        }
        yield EpochReport(
            epoch=epoch,
            epochs=config.epochs,
            metrics=metrics,
            state=lambda epoch=epoch, total=total: {"epoch": epoch, "total": total},
            artifacts=lambda total=total: _total(total),
        )
    return _total(total)


def _total(total: int) -> Artifacts:
    return Artifacts(tensors={"count": {"total": torch.tensor(total)}}, facts={"total": total})


def _trouble(kind: str) -> None:
    match kind:
        case "raise":
            raise KeyError("a bug in a phase")
        case "diverge":
            raise Diverged("train/loss is nan in epoch 1.")
        case "memory":
            raise MemoryError("cannot take another 40 GB")
        case "exit":
            raise SystemExit(3)
        case "file":
            raise FileNotFoundError("sample 17 is gone")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)


class NetConfig(Config):
    """Train a tiny network that draws from every global generator there is."""

    epochs: int = 2
    then: Literal["end", "raise", "go_on"] = "end"


def net(config: NetConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Report the weights' sum; unless `then` is the end, leave the process in disorder."""
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(), torch.nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(1, config.epochs + 1):
        for _ in range(20):
            noise = float(np.random.normal()) + random.random()
            loss = (model(torch.rand(4, 8)) - noise).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        weights = sum(float(p.detach().double().sum()) for p in model.parameters())
        threads = torch.get_num_threads()
        if config.then != "end":
            make_disorder()
        yield EpochReport(
            epoch=epoch,
            epochs=config.epochs,
            metrics={"val/weights": weights, "val/threads": float(threads)},
            state=lambda: {},
            artifacts=lambda: Artifacts(),
        )
        if config.then == "raise":
            raise RuntimeError("left in disorder")
    return Artifacts()


def make_disorder() -> None:
    """Change all that a careless phase might change."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True
    np.seterr(all="raise")
    os.environ["LEFT_BEHIND"] = "1"
    os.chdir("/")
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(3600,)).start()


def _spec(config: type[Config], run: Any) -> PhaseSpec:
    return PhaseSpec(
        config=config,
        run=run,
        metrics=lambda _: ("val/total",),
        epochs=lambda c: int(c.epochs),
        ranked_by="val/total",
    )


CPU = torch.device("cpu")

PHASES: Mapping[str, PhaseSpec] = {
    "count": _spec(CountConfig, count),
    "net": _spec(NetConfig, net),
}


def open_nothing(data: Mapping[str, Any]) -> HandData:
    """Open an empty data set; `root` may name trouble."""
    if data["root"] == "missing":
        raise FileNotFoundError("data/missing: no such folder.")
    return HandData(name="nothing", digest="0" * 8, splits={}, card={})


def stage_data(root: str | Path = "") -> dict[str, Any]:
    """Return what `Stage.data` holds for `open_nothing`."""
    return {"config": {}, "root": str(root), "digest": "0" * 8}


def _print_fresh_run(seed: int) -> None:
    """Train `net` as the first thing a process does, and print its weights after each epoch."""
    from trainables.clean_room import CleanRoom  # noqa: PLC0415  workers need no clean room here

    CleanRoom(threads=1).restore(seed)
    inputs = PhaseInputs(data=open_nothing(stage_data()), parents={}, seed=seed, device=CPU)
    for report in net(NetConfig(), inputs):
        sys.stdout.write(f"{report.metrics['val/weights'].hex()}\n")


if __name__ == "__main__":
    _print_fresh_run(int(sys.argv[1]))
