"""Optimizer steps of a network on bodies, and the batches for them."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import backward

from hpe.augment.body_views import build_body_view
from hpe.data.weights import sampling_weights
from hpe.losses.body_pose import BodyPoseTerms, body_pose_loss, samples_with_joints
from hpe.metrics.body_template import TemplateBody
from hpe.phases.averages import Averages
from hpe.phases.body_config import TRAIN_METRICS, BodyPoseConfig
from hpe.phases.body_network import BodyNetwork
from hpe.phases.body_rows import BodyRows
from hpe.phases.distribution import (
    gradients_stay_local,
    take_first_ranks_buffers,
    total_over_ranks,
    world_size,
)
from hpe.phases.loaders import Batch, load
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.phase import PhaseInputs, State
from hpe.phases.pose_batches import label_draws
from hpe.phases.state import detached_copy


@dataclass(frozen=True)
class BodyRun:
    """What a training run on bodies holds.

    Attributes:
        parallel: `network` or a wrapper of it.
        labelled: Indices of the labels in use.
        template: Their mean bodies.
    """

    config: BodyPoseConfig
    network: BodyNetwork
    parallel: nn.Module
    optimizer: ScheduledOptimizer
    steps_per_epoch: int
    labelled: Sequence[int]
    template: TemplateBody

    def state(self, epoch: int, scored: Mapping[str, Any]) -> State:
        """Return all that the epochs after this one, and the artifacts, depend on.

        Args:
            epoch: Finished epochs.
            scored: What the artifacts say of the last one, as JSON data.
        """
        return detached_copy(
            {
                "epoch": epoch,
                "scored": scored,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
        )

    def restore(self, state: State) -> tuple[int, Mapping[str, Any]]:
        """Go on from `state`; return the epochs it has behind it and what is said of the last."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        return int(state["epoch"]), state["scored"]


def body_batches(
    config: BodyPoseConfig,
    inputs: PhaseInputs,
    *,
    labelled: Sequence[int],
    steps_per_epoch: int,
    first_epoch: int,
) -> Generator[Batch, None, None]:
    """Yield this rank's part of every batch from an epoch (from 0) to the end of the phase.

    Raises:
        FileNotFoundError: If occluders are to be read from files that are missing.
    """
    train = inputs.data.splits["train"]
    weights = sampling_weights(train)
    draws = label_draws(
        config,
        num_labels=len(labelled),
        weights=None if weights is None else weights[np.asarray(labelled)],
        steps_per_epoch=steps_per_epoch,
        seed=inputs.seed,
        first_epoch=first_epoch,
    )
    make_view = build_body_view(
        config.augment, width_px=config.width_px, height_px=config.height_px, seed=inputs.seed
    )
    made = BodyRows(train, labelled, make_view, inputs.seed)
    yield from load(made, draws, workers=config.loader_workers, on_batch=inputs.on_batch)


def train_epoch(run: BodyRun, batches: Iterator[Batch], *, epoch: int) -> dict[str, float]:
    """Run an epoch's optimizer steps; return the means of its training metrics."""
    run.network.train()
    averages = Averages(epoch)
    first_step = (epoch - 1) * run.steps_per_epoch
    for step in range(first_step, first_step + run.steps_per_epoch):
        averages.add(_accumulate_gradients(run, list(islice(batches, run.config.accumulate))))
        run.optimizer.step(step)
    take_first_ranks_buffers(run.network)
    return averages.means()


def _accumulate_gradients(run: BodyRun, parts: Sequence[Batch]) -> dict[str, Tensor]:
    """Run the backward passes of one optimizer step; the result is that of one large batch.

    Its samples, over all processes, are what each part is divided by. Averaging over processes,
    of gradients and of metrics, is made up for.
    """
    device = run.network.numerics.device
    own = torch.stack([samples_with_joints(part["visible"]) for part in parts]).sum().to(device)
    per_process = total_over_ranks(own) / world_size()
    totals = torch.zeros(len(TRAIN_METRICS), device=device)
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        with nullcontext() if is_last else gradients_stay_local(run.parallel):
            terms = _terms(run, part, num_samples=per_process)
            backward(terms.total)
        totals += torch.stack([terms.total, terms.image, terms.depth, terms.bones]).detach()
    return dict(zip(TRAIN_METRICS, totals, strict=True))


def _terms(run: BodyRun, part: Batch, *, num_samples: Tensor) -> BodyPoseTerms:
    device = run.network.numerics.device
    loss = run.config.loss
    return body_pose_loss(
        run.parallel(part["image"]),
        true_points=part["points"].to(device, torch.float32),
        visible=part["visible"].to(device),
        has_depth=part["has_depth"].to(device),
        num_samples=num_samples,
        depth_weight=loss.depth_weight,
        bone_weight=loss.bone_weight,
        normalised=loss.normalised,
    )
