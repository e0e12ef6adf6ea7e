"""Phases that compute a formula at once, for tests of the engine; workers import them too."""

import time
from collections.abc import Mapping
from typing import Any

import optuna
import torch
from pydantic import model_validator

from hpe.config import Config
from hpe.data.hands import HandData
from hpe.phases.keep import KeepConfig
from hpe.phases.phase import Artifacts, Diverged, EpochReport, Phase, PhaseInputs, PhaseSpec, State
from search_spaces.space import Space


class DraftConfig(Config):
    """A first phase; `x` is what a search looks for."""

    epochs: int = 3
    x: float = 0.0
    keep: KeepConfig = KeepConfig()


class FinalConfig(Config):
    """The last phase; it diverges above `limit`, and batches above `room` are out of memory."""

    epochs: int = 3
    y: float = 0.0
    fancy: bool = False
    strength: float = 0.0
    limit: float = 100.0
    batch: int = 4
    room: int = 100
    rest_s: float = 0.0
    keep: KeepConfig = KeepConfig()


class PartConfig(Config):
    """Something that may be switched on, and how strongly it works then."""

    enabled: bool = False
    strength: float = 1.0


class PartsConfig(Config):
    """What `compose` is made of."""

    blur: PartConfig = PartConfig()
    noise: PartConfig = PartConfig()
    turn: PartConfig = PartConfig()


class ComposeConfig(Config):
    """A first phase of parts."""

    epochs: int = 2
    augment: PartsConfig = PartsConfig()


class TermsConfig(Config):
    """Weights of terms, of which one must be there."""

    near_weight: float = 1.0
    far_weight: float = 0.0

    @model_validator(mode="after")
    def _has_a_term(self) -> "TermsConfig":
        if self.near_weight == 0 and self.far_weight == 0:
            raise ValueError("near_weight or far_weight must be positive")
        return self


class WeighConfig(Config):
    """A last phase of terms."""

    epochs: int = 2
    loss: TermsConfig = TermsConfig()
    sharp: bool = False


def compose_metrics(config: ComposeConfig, epoch: int) -> dict[str, float]:
    """Return what the phase of parts reports."""
    return {"val/proxy": 1 / epoch}


def weigh_metrics(config: WeighConfig, epoch: int) -> dict[str, float]:
    """Return what the phase of terms reports, the better the more of all of them there is."""
    return {"val/error": 2 - config.loss.near_weight - config.loss.far_weight - config.sharp}


def draft_metrics(config: DraftConfig, epoch: int) -> dict[str, float]:
    """Return what the first phase reports: a bowl around 3 that sinks with the epochs."""
    return {"val/proxy": (config.x - 3) ** 2 + 1 / epoch}


def final_metrics(config: FinalConfig, epoch: int) -> dict[str, float]:
    """Return what the last phase reports: a bowl around 1 that sinks with the epochs."""
    return {"val/error": (config.y - 1) ** 2 + 0.1 * config.fancy + 1 / epoch}


def draft(config: DraftConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Report `draft_metrics`."""
    for epoch in range(1 if resume is None else resume["epoch"] + 1, config.epochs + 1):
        yield _report(epoch, config.epochs, draft_metrics(config, epoch))
    return Artifacts(tensors={"net": {"x": torch.tensor(config.x)}})


def final(config: FinalConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Report `final_metrics`, or diverge."""
    for epoch in range(1 if resume is None else resume["epoch"] + 1, config.epochs + 1):
        time.sleep(config.rest_s)
        if config.y > config.limit:
            raise Diverged(f"train/loss is nan in epoch {epoch}.")
        if config.batch > config.room:
            raise MemoryError(f"a batch of {config.batch} does not fit.")
        yield _report(epoch, config.epochs, final_metrics(config, epoch))
    return Artifacts(tensors={"net": {"y": torch.tensor(config.y)}})


def _report(epoch: int, epochs: int, metrics: Mapping[str, float]) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        epochs=epochs,
        metrics=metrics,
        state=lambda: {"epoch": epoch},
        artifacts=lambda: Artifacts(),
    )


PHASES: Mapping[str, PhaseSpec] = {
    "draft": PhaseSpec(
        config=DraftConfig,
        run=draft,
        metrics=lambda _: ("val/proxy",),
        epochs=lambda config: int(config.epochs),
        proxy="val/proxy",
    ),
    "final": PhaseSpec(
        config=FinalConfig,
        run=final,
        metrics=lambda _: ("val/error",),
        epochs=lambda config: int(config.epochs),
        follows=("draft",),
        lighter=lambda config: {"batch": config.batch // 2} if config.batch > 1 else None,
    ),
    "compose": PhaseSpec(
        config=ComposeConfig,
        run=draft,
        metrics=lambda _: ("val/proxy",),
        epochs=lambda config: int(config.epochs),
    ),
    "weigh": PhaseSpec(
        config=WeighConfig,
        run=final,
        metrics=lambda _: ("val/error",),
        epochs=lambda config: int(config.epochs),
        follows=("compose",),
    ),
}


def suggest(trial: optuna.Trial) -> Mapping[str, Any]:
    """Choose both positions, and whether and how strongly to be fancy."""
    trial.suggest_float("draft/x", 0.0, 10.0)
    trial.suggest_float("final/y", 0.0, 10.0)
    if trial.suggest_categorical("final/fancy", [True, False]):
        trial.suggest_float("final/strength", 0.1, 1.0, log=True)
    return trial.params


def suggest_final(trial: optuna.Trial) -> Mapping[str, Any]:
    """Choose only what the last phase does, so that all trials share the first."""
    trial.suggest_float("final/y", 0.0, 10.0)
    return trial.params


def suggest_lengths(trial: optuna.Trial) -> Mapping[str, Any]:
    """Choose what the last phase does, and how long the first one takes."""
    trial.suggest_float("final/y", 0.0, 10.0)
    trial.suggest_int("draft/epochs", 1, 3)
    return trial.params


def suggest_twice(trial: optuna.Trial) -> Mapping[str, Any]:
    """Choose both positions of one phase run twice, and how fancy its first run is."""
    trial.suggest_float("final/y", 0.0, 10.0)
    if trial.suggest_categorical("final/fancy", [True, False]):
        trial.suggest_float("final/strength", 0.1, 1.0, log=True)
    trial.suggest_float("final_2/y", 0.0, 10.0)
    return trial.params


def suggest_parts(trial: optuna.Trial) -> Mapping[str, Any]:
    """Choose what is on in both phases, and how much of it."""
    for name in ("blur", "noise", "turn"):
        path = f"compose/augment/{name}"
        if trial.suggest_categorical(f"{path}/enabled", [True, False]):
            trial.suggest_float(f"{path}/strength", 0.0, 1.0)
    trial.suggest_float("weigh/loss/near_weight", 0.1, 1.0)
    trial.suggest_float("weigh/loss/far_weight", 0.1, 1.0)
    trial.suggest_categorical("weigh/sharp", [True, False])
    return trial.params


SPACES = {
    "parts": Space(suggest=suggest_parts, plan=("compose", "weigh"), about="what is on"),
    "both": Space(suggest=suggest, plan=("draft", "final"), about="both phases"),
    "last": Space(suggest=suggest_final, plan=("draft", "final"), about="the last phase alone"),
    "lengths": Space(suggest=suggest_lengths, plan=("draft", "final"), about="how long, too"),
    "twice": Space(suggest=suggest_twice, plan=("final", "final_2"), about="one phase twice"),
}


def open_nothing(data: Mapping[str, Any]) -> HandData:
    """Open an empty data set."""
    return HandData(name="nothing", digest=data["digest"], splits={}, card={})
