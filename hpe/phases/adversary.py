"""A segmentation GAN's discriminator in training: heard by the segmenter, or taught, or both."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.autograd import backward

from hpe.losses.adversarial import (
    MaskReading,
    discriminator_loss,
    generator_loss,
    r1_penalty,
    read_masks,
    read_prediction,
)
from hpe.models.mask_discriminators import MaskDiscriminator
from hpe.phases.distribution import gradients_stay_local
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.segmentation_config import AdversaryConfig

Logits = Float[Tensor, "batch 2 17 height width"]
Masks = UInt8[Tensor, "batch 2 height width"]


@dataclass(frozen=True)
class Adversary:
    """A discriminator, and how it is trained.

    Attributes:
        parallel: `discriminator` or a wrapper of it.
        optimizer: None where it learns no more.
        reading: How masks are given to it.
        steps_before: Optimizer steps that it has behind it from earlier phases.
    """

    config: AdversaryConfig
    discriminator: MaskDiscriminator
    parallel: nn.Module
    optimizer: ScheduledOptimizer | None
    reading: MaskReading
    steps_before: int = 0

    def start_epoch(self) -> None:
        """Put the discriminator into training mode, or into evaluation mode if it learns no more.

        Its batch norm and power iterations move in training mode only.
        """
        self.discriminator.train(self.optimizer is not None)

    def heard(self, logits: Logits) -> Float[Tensor, ""]:
        """Return the segmenter's adversarial loss on its logits; no weight of ours gets a gradient.

        With class ids (`compat: s3`) it is a constant.
        """
        with _frozen(self.discriminator):
            return generator_loss(
                self.discriminator(read_prediction(logits, self.reading)), self.config.loss
            )

    def taught(
        self, predictions: Sequence[Logits], real: Sequence[Masks], *, step: int
    ) -> Float[Tensor, ""]:
        """Take one optimizer step on batches of predictions and of true masks.

        Returns:
            The mean of the batches' losses, its penalties included.
        """
        assert self.optimizer is not None
        losses = []
        for number, (logits, masks) in enumerate(zip(predictions, real, strict=True), start=1):
            is_last = number == len(predictions)
            with nullcontext() if is_last else gradients_stay_local(self.parallel):
                losses.append(self._backward(logits, masks, share=1 / len(predictions)))
        self.optimizer.step(step)
        return torch.stack(losses).mean()

    def _backward(self, logits: Logits, masks: Masks, *, share: float) -> Float[Tensor, ""]:
        penalised = self.config.r1_weight > 0
        true = read_masks(masks, self.reading).requires_grad_(penalised)
        fakes = self.parallel(read_prediction(logits.detach(), self.reading))
        reals = self.parallel(true)
        loss = discriminator_loss(fakes, reals, self.config.loss)
        if penalised:
            loss = loss + self.config.r1_weight * r1_penalty(true, reals)
        backward(share * loss)
        return loss.detach()


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Let gradients pass through a module without stopping at its weights."""
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
