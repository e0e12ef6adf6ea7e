"""Two phases that train nothing, to rehearse studies and the engine that runs them.

They stop, go on, leave artifacts, build on one another and fail like any others. What they report
follows from settings, seed and epoch by a formula, so that the best point of a search is known.
"""

import math
import time
from functools import partial
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from hpe.config import Config, operational
from hpe.phases.averages import require_finite
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, State

FIRST_METRICS = ("train/loss", "val/proxy")
LAST_METRICS = ("train/loss", "val/error")

WITHOUT_FIRST = 0.6
"""What the last phase goes on from where no first phase came before: as from a poor one."""

FANCY_GAIN = 0.1
BYTES_PER_NUMBER = 4


class FaultConfig(Config):
    """What goes wrong on purpose; by default nothing.

    Attributes:
        kind: `diverged`: the loss is not a number; `memory`: as when memory runs out; `error`: as
            when the code is wrong.
        epoch: The epoch in which it happens.
        above: It happens only where the phase's first parameter is above this; None for always.
    """

    kind: Literal["none", "diverged", "memory", "error"] = "none"
    epoch: int = Field(1, ge=1)
    above: float | None = None


class LoadConfig(Config):
    """What an epoch costs and what it leaves.

    Attributes:
        state_bytes: Size of the tensor in each epoch's state and in the artifacts.
        noise: Standard deviation of what the seed adds to the values.
        rest_s: Seconds an epoch takes.
        steps: Steps it takes them in.
    """

    state_bytes: int = Field(BYTES_PER_NUMBER, ge=0)
    noise: float = Field(0.0, ge=0)
    rest_s: float = operational(0.0, ge=0)
    steps: int = operational(1, ge=1)


class FirstRehearsalConfig(Config):
    """Settings of the first phase, which reports a proxy.

    Attributes:
        epochs: Reports to make.
        x: Best at 0.3.
        y: Best at 0.7.
    """

    epochs: int = Field(3, ge=1)
    x: float = Field(0.5, ge=0, le=1)
    y: float = Field(0.5, ge=0, le=1)
    load: LoadConfig = LoadConfig()
    fault: FaultConfig = FaultConfig()


class LastRehearsalConfig(Config):
    """Settings of the last phase, which goes on from what the first one came to.

    Attributes:
        epochs: Reports to make.
        rate: Best at 0.01; its order of magnitude counts.
        fancy: Better switched on, with a fitting strength.
        strength: Best at 0.5; without effect unless `fancy`.
    """

    epochs: int = Field(3, ge=1)
    rate: float = Field(1e-3, gt=0)
    fancy: bool = False
    strength: float = Field(0.1, ge=0, le=1)
    load: LoadConfig = LoadConfig()
    fault: FaultConfig = FaultConfig()


RehearsalConfig = FirstRehearsalConfig | LastRehearsalConfig


def rehearse_first(
    config: FirstRehearsalConfig, inputs: PhaseInputs, resume: State | None = None
) -> Phase:
    """Report a proxy that sinks, epoch by epoch, to `first_level`.

    Returns:
        The group `weights`, and the fact `level`.

    Raises:
        Diverged: If that is the planted fault.
        MemoryError: If that is.
        RuntimeError: If that is.
    """
    level = first_level(config)
    return _rehearse(
        config, inputs, resume, metric="val/proxy", level=level, first_parameter=config.x
    )


def rehearse_last(
    config: LastRehearsalConfig, inputs: PhaseInputs, resume: State | None = None
) -> Phase:
    """Report an error that sinks to `last_level`; in all else like `rehearse_first`."""
    parent = inputs.parents.get("rehearse_first")
    first = WITHOUT_FIRST if parent is None else float(parent.facts["level"])
    level = last_level(config, first=first)
    return _rehearse(
        config, inputs, resume, metric="val/error", level=level, first_parameter=config.rate
    )


def first_level(config: FirstRehearsalConfig) -> float:
    """Return what the first phase's proxy tends to: 0 at its best, nowhere above 1."""
    return (config.x - 0.3) ** 2 + (config.y - 0.7) ** 2


def last_level(config: LastRehearsalConfig, *, first: float) -> float:
    """Return what the last phase's error tends to, where the first phase left `first`."""
    fit = 1 - 4 * (config.strength - 0.5) ** 2 if config.fancy else 0.0
    return first + 0.1 * (math.log10(config.rate) + 2) ** 2 + FANCY_GAIN * (1 - fit)


def _rehearse(
    config: RehearsalConfig,
    inputs: PhaseInputs,
    resume: State | None,
    *,
    metric: str,
    level: float,
    first_parameter: float,
) -> Phase:
    finished = 0 if resume is None else int(resume["epoch"])
    weights = torch.zeros(config.load.state_bytes // BYTES_PER_NUMBER)
    if resume is not None:
        weights = resume["weights"]
    for epoch in range(finished + 1, config.epochs + 1):
        _spend_time(config.load, inputs)
        rng = np.random.default_rng([inputs.seed, epoch])
        value = level + 1 / epoch + config.load.noise * rng.standard_normal()
        loss = _after_fault(config.fault, value, epoch=epoch, first_parameter=first_parameter)
        weights = (weights + torch.from_numpy(rng.random(len(weights), dtype=np.float32))) / 2
        yield EpochReport(
            epoch=epoch,
            epochs=config.epochs,
            metrics=require_finite({"train/loss": loss, metric: value}, epoch=epoch),
            state=partial(_state, epoch, weights),
            artifacts=partial(_artifacts, level, weights),
        )
    return _artifacts(level, weights)


def _spend_time(load: LoadConfig, inputs: PhaseInputs) -> None:
    for _ in range(load.steps):
        time.sleep(load.rest_s / load.steps)
        inputs.on_batch()


def _after_fault(fault: FaultConfig, loss: float, *, epoch: int, first_parameter: float) -> float:
    """Return the loss as it is after the planted fault, if that is due; or raise it."""
    is_meant = fault.above is None or first_parameter > fault.above
    if epoch != fault.epoch or not is_meant:
        return loss
    match fault.kind:
        case "diverged":
            return math.nan
        case "memory":
            raise MemoryError("planted: memory ran out.")
        case "error":
            raise RuntimeError("planted: the code is wrong.")
        case "none":
            return loss


def _state(epoch: int, weights: Tensor) -> State:
    return {"epoch": epoch, "weights": weights}


def _artifacts(level: float, weights: Tensor) -> Artifacts:
    return Artifacts(tensors={"weights": {"weights": weights}}, facts={"level": level})
