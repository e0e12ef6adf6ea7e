"""Optimizer steps of a network that says where joints are along axes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.autograd import backward

from hpe.geometry.target_space import TargetSpace
from hpe.metrics.template import TemplateHand
from hpe.models.decoded_axes import DecodedAxes
from hpe.models.encoder_decoder import EncoderDecoder
from hpe.phases.averages import Averages
from hpe.phases.axis_losses import axis_losses, axis_targets
from hpe.phases.distribution import (
    gradients_stay_local,
    shares_of_step,
    take_first_ranks_buffers,
)
from hpe.phases.encoder_decoder_config import EncoderDecoderConfig, train_metrics
from hpe.phases.loaders import Batch
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.phase import State
from hpe.phases.precision import Numerics
from hpe.phases.state import detached_copy


@dataclass(frozen=True)
class AxisRun:
    """What a training run of an encoder and a decoder holds.

    Attributes:
        learner: The part of the network that learns: all of it, or its decoder.
        parallel: `learner` or a wrapper of it.
        space: Where the network says joints.
        labelled: Indices of the labels in use.
        template: Their mean hands.
    """

    config: EncoderDecoderConfig
    numerics: Numerics
    network: EncoderDecoder
    learner: nn.Module
    parallel: nn.Module
    space: TargetSpace
    optimizer: ScheduledOptimizer
    steps_per_epoch: int
    labelled: Sequence[int]
    template: TemplateHand

    def state(self, epoch: int, metrics: Mapping[str, float]) -> State:
        """Return all that the epochs after this one depend on."""
        return detached_copy(
            {
                "epoch": epoch,
                "metrics": dict(metrics),
                "learner": self.learner.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
        )

    def restore(self, state: State) -> tuple[int, Mapping[str, float]]:
        """Go on from `state`; return the epochs it has behind it and the last one's metrics."""
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        return int(state["epoch"]), state["metrics"]

    def decoded(self, images: UInt8[Tensor, "batch height width 3"]) -> DecodedAxes:
        """Return what the network says; gradients reach what learns."""
        read = self.numerics.network_input(images)
        with self.numerics.autocast():
            learns_from: tuple[Tensor, ...] = (read,)
            if not self.config.train_encoder:
                with torch.no_grad():
                    learns_from = self.network.encoder.pyramid(read)
            decoded: DecodedAxes = self.parallel(*learns_from)
        return decoded

    def predict(self, images: UInt8[Tensor, "batch height width 3"]) -> DecodedAxes:
        """Return what the network says, without the wrapper around what learns.

        The network is put into evaluation mode and left in it.
        """
        self.network.eval()
        with torch.no_grad(), self.numerics.autocast():
            decoded: DecodedAxes = self.network(self.numerics.network_input(images))
        return decoded

    def predicted_points(
        self, images: UInt8[Tensor, "batch height width 3"]
    ) -> Float[Tensor, "batch 21 3"]:
        """Return where the network says joints are, in the unit of its space."""
        return self.space.box.points(self.predict(images).shares)


def train_epoch(run: AxisRun, batches: Iterator[Batch], *, epoch: int) -> dict[str, float]:
    """Run an epoch's optimizer steps; return the means of its training metrics."""
    run.network.train()
    if not run.config.train_encoder:
        run.network.encoder.eval()
    averages = Averages(epoch)
    first_step = (epoch - 1) * run.steps_per_epoch
    for step in range(first_step, first_step + run.steps_per_epoch):
        averages.add(_accumulate_gradients(run, list(islice(batches, run.config.accumulate))))
        run.optimizer.step(step)
    take_first_ranks_buffers(run.network)
    return averages.means()


def _accumulate_gradients(run: AxisRun, parts: Sequence[Batch]) -> dict[str, Tensor]:
    """Run the backward passes of one optimizer step; the result is that of one large batch."""
    targets = [axis_targets(part, space=run.space, device=run.numerics.device) for part in parts]
    shares = shares_of_step([target.valid for target in targets])
    losses = []
    for number, (part, target) in enumerate(zip(parts, targets, strict=True)):
        with ExitStack() as local:
            if number < len(parts) - 1:
                local.enter_context(gradients_stay_local(run.parallel))
            terms = axis_losses(
                run.decoded(part["image"]), target, space=run.space, config=run.config.loss
            )
            backward(terms[0] * shares[number])
            losses.append(terms.detach())
    return dict(zip(train_metrics(run.config), shares @ torch.stack(losses), strict=True))
