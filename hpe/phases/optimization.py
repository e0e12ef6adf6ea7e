"""Optimizers, their learning-rate schedule, and layer-wise trust ratios, one call per step."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from hpe.config import Config

LARS_TRUST_COEFFICIENT = 0.02  # lightning-bolts 0.2.2 `LARSWrapper(eta=0.02)`, as the reference ran
LARS_EPS = 1e-8

Schedule = Literal["cosine", "constant", "multistep"]


class OptimizerConfig(Config):
    """How weights are updated.

    Attributes:
        name: `lars` is Adam behind layer-wise trust ratios, as in the reference; `adam` puts the
            weight decay into the gradient, `adamw` beside it.
        lr: Peak learning rate, before `sqrt_scaling`.
        sqrt_scaling: Multiply `lr` by sqrt(batch size x accumulated batches), the rule of S0 and
            PeCLR.
        weight_decay: For weights only: biases and norms (one axis or none) are exempt.
        warmup_epochs: Linear rise from 0 to the peak, counted in optimizer steps.
        schedule: After the rise, a cosine to 0, a constant, or steps down at `milestones`.
        horizon_epochs: Epochs after which the cosine is at 0; None for the phase's own. Longer than
            the phase it stops on the way (S0's `lr_max_epochs`, for finetunings of several lengths
            that are to start alike); after a shorter one the rate stays 0.
        milestones: Epochs after which `multistep` multiplies the rate by `factor`.
        factor: Of each step.
    """

    name: Literal["adamw", "adam", "lars"] = "adamw"
    lr: float = Field(1e-3, gt=0)
    sqrt_scaling: bool = False
    weight_decay: float = Field(1e-2, ge=0)
    warmup_epochs: float = Field(0.0, ge=0)
    schedule: Schedule = "cosine"
    horizon_epochs: float | None = Field(None, gt=0)
    milestones: tuple[float, ...] = ()
    factor: float = Field(0.1, gt=0, le=1)

    @model_validator(mode="after")
    def _has_milestones_that_rise(self) -> "OptimizerConfig":
        if self.schedule == "multistep" and not self.milestones:
            raise ValueError("schedule=multistep needs milestones: epochs, such as [55, 60]")
        pairs = pairwise((0.0, *self.milestones))
        if not all(first < second for first, second in pairs):
            raise ValueError(f"milestones must be positive and rise, got {list(self.milestones)}")
        return self

    def canonical(self) -> "OptimizerConfig":
        """Return the settings without those that this schedule does not read."""
        unread: dict[str, object] = {}
        if self.schedule != "cosine":
            unread["horizon_epochs"] = None
        if self.schedule != "multistep":
            unread |= {"milestones": (), "factor": type(self).model_fields["factor"].default}
        return self.model_copy(update=unread)


def peak_lr(config: OptimizerConfig, *, effective_batch: int) -> float:
    """Return the learning rate at the top of the schedule.

    Args:
        config: The optimizer's settings.
        effective_batch: Samples per optimizer step: batch size x accumulated batches.
    """
    return config.lr * math.sqrt(effective_batch) if config.sqrt_scaling else config.lr


def lr_factor(
    step: int,
    *,
    warmup_steps: int,
    total_steps: int,
    schedule: Schedule,
    milestones: Sequence[int] = (),
    factor: float = 1.0,
) -> float:
    """Return the share of the peak learning rate that optimizer step `step` (from 0) uses.

    The rise is (step + 1) / warmup_steps, so that its last step is the first at the peak and no
    step is spent at zero.

    Args:
        step: Of the optimizer, from 0.
        warmup_steps: Steps of the rise.
        total_steps: Steps after which a cosine is at 0.
        schedule: What follows the rise.
        milestones: Steps from which on `multistep` is lower by `factor`.
        factor: Of each of them.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == "constant":
        return 1.0
    if schedule == "multistep":
        return float(factor ** sum(step >= milestone for milestone in milestones))
    progress = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


@torch.no_grad()
def apply_trust_ratio(parameter: nn.Parameter, *, lr: float, weight_decay: float) -> None:
    """Scale a parameter's gradient by its layer-wise trust ratio (You et al., 2017, eq. 6).

    As in lightning-bolts' LARSWrapper with clipping, around any optimizer: the local rate
    eta |w| / (|g| + decay |w|) is divided by the optimizer's own rate and clipped at 1 (LARC), the
    decay joins the gradient before scaling, and a parameter or gradient of norm zero is left alone.
    Adam after it undoes any constant scale: what remains is the ratio's change over time.
    """
    if parameter.grad is None:
        return
    weight_norm, grad_norm = parameter.norm(), parameter.grad.norm()
    local = (
        LARS_TRUST_COEFFICIENT * weight_norm / (grad_norm + weight_decay * weight_norm + LARS_EPS)
    )
    ratio = (local / lr).clamp(max=1.0)
    scaled = parameter.grad.add(parameter, alpha=weight_decay).mul_(ratio)
    applies = (weight_norm > 0) & (grad_norm > 0)
    parameter.grad.copy_(torch.where(applies, scaled, parameter.grad))


class ScheduledOptimizer:
    """An optimizer whose learning rate is a function of the step, so that it resumes anywhere."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        config: OptimizerConfig,
        *,
        effective_batch: int,
        steps_per_epoch: int,
        epochs: int,
    ) -> None:
        """Group the trainable parameters by whether they decay.

        Args:
            parameters: Those with `requires_grad` unset are left out.
            config: The optimizer's settings.
            effective_batch: Samples per optimizer step.
            steps_per_epoch: Optimizer steps per epoch.
            epochs: Epochs of the whole phase: the schedule's horizon unless the settings name one.
        """
        trainable = [p for p in parameters if p.requires_grad]
        if not trainable:
            raise ValueError("An optimizer needs at least one trainable parameter, got none.")
        self._config = config
        self._peak = peak_lr(config, effective_batch=effective_batch)
        phase_steps = steps_per_epoch * epochs
        self._warmup_steps = min(round(config.warmup_epochs * steps_per_epoch), phase_steps)
        self._total_steps = round(steps_per_epoch * (config.horizon_epochs or epochs))
        self._milestones = [round(epoch * steps_per_epoch) for epoch in config.milestones]
        self._trust_decays = (config.weight_decay, 0.0) if config.name == "lars" else None
        own_decay = 0.0 if config.name == "lars" else config.weight_decay
        kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
        self._optimizer = kind(
            [
                {"params": [p for p in trainable if p.ndim > 1], "weight_decay": own_decay},
                {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=self._peak,
            fused=True,
        )

    def step(self, step: int) -> None:
        """Update the weights as optimizer step `step` (from 0) and clear their gradients."""
        lr = self._peak * lr_factor(
            step,
            warmup_steps=self._warmup_steps,
            total_steps=self._total_steps,
            schedule=self._config.schedule,
            milestones=self._milestones,
            factor=self._config.factor,
        )
        for number, group in enumerate(self._optimizer.param_groups):
            group["lr"] = lr
            if self._trust_decays is not None:
                for parameter in group["params"]:
                    apply_trust_ratio(parameter, lr=lr, weight_decay=self._trust_decays[number])
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return moments and step counts; the schedule has no state."""
        return self._optimizer.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._optimizer.load_state_dict(dict(state))
