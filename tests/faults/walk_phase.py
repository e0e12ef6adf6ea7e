"""A phase that really learns: two numbers by noisy gradient descent, with momentum to be restored.

Equal results after a fault then mean that weights, momentum and randomness all went on where they
were. On request it gets into trouble.
"""

import time
from collections.abc import Mapping
from typing import Any, Literal

import optuna
import torch

from hpe.config import Config
from hpe.data.hands import HandData
from hpe.phases.keep import KeepConfig
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, PhaseSpec, State
from search_spaces.space import Space

TARGET = torch.tensor([1.0, -2.0])
STEPS = 20


class WalkConfig(Config):
    """How to walk; at epoch `at` comes the trouble."""

    epochs: int = 5
    lr: float = 0.05
    rest_s: float = 0.0
    trouble: Literal["none", "memory", "nan_weights", "kill"] = "none"
    at: int = 2
    keep: KeepConfig = KeepConfig()


def walk(config: WalkConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Report the distance to the target."""
    weights, momentum, start = torch.zeros(2), torch.zeros(2), 0
    if resume is not None:
        weights, momentum, start = resume["weights"], resume["momentum"], resume["epoch"]
    for epoch in range(start + 1, config.epochs + 1):
        time.sleep(config.rest_s)
        generator = torch.Generator().manual_seed(inputs.seed % 2**31 * 1000 + epoch)
        for _ in range(STEPS):
            gradient = weights - TARGET + 0.3 * torch.randn(2, generator=generator)
            momentum = 0.9 * momentum + gradient
            weights = weights - config.lr * momentum
        error = float((weights - TARGET).norm())
        if epoch == config.at:
            weights = _trouble(config.trouble, weights)
        yield EpochReport(
            epoch=epoch,
            epochs=config.epochs,
            metrics={"val/error": error},
            state=lambda e=epoch, w=weights, m=momentum: {"epoch": e, "weights": w, "momentum": m},
            artifacts=Artifacts,
        )
    return Artifacts(tensors={"walk": {"weights": weights}})


def _trouble(kind: str, weights: torch.Tensor) -> torch.Tensor:
    match kind:
        case "memory":
            raise MemoryError("cannot take another 40 GB")
        case "nan_weights":
            return weights * float("nan")
    return weights


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """Choose a learning rate."""
    return {"walk/lr": trial.suggest_float("walk/lr", 0.001, 0.1, log=True)}


def open_nothing(data: Mapping[str, Any]) -> HandData:
    """Open an empty data set."""
    return HandData(name="nothing", digest=data["digest"], splits={}, card={})


PHASES: Mapping[str, PhaseSpec] = {
    "walk": PhaseSpec(
        config=WalkConfig,
        run=walk,
        metrics=lambda _: ("val/error",),
        epochs=lambda config: int(config.epochs),
    )
}
SPACES = {"walk": Space(suggest=suggest, plan=("walk",), about="a learning rate")}
