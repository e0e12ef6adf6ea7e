"""Optimizer steps of a pose network and of the denoiser behind it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import backward

from hpe.geometry.decoding import decode_pose
from hpe.losses.pose import pose_25d_loss, root_depth_loss
from hpe.metrics.template import TemplateHand
from hpe.models.root_denoiser import RootDenoiser
from hpe.phases.averages import Averages
from hpe.phases.distribution import (
    gradients_stay_local,
    shares_of_step,
    take_first_ranks_buffers,
)
from hpe.phases.finetune_config import ROOT_METRIC, TRAIN_METRICS, FinetuneConfig
from hpe.phases.labelled import PoseTargets, pose_targets
from hpe.phases.loaders import Batch
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.phase import State
from hpe.phases.precision import EncodedHead, Numerics
from hpe.phases.state import detached_copy


@dataclass(frozen=True)
class Denoising:
    """The denoiser of root depths; `parallel` is it or a wrapper of it."""

    denoiser: RootDenoiser
    parallel: nn.Module


@dataclass(frozen=True)
class PoseRun:
    """What a finetuning run holds.

    Attributes:
        learner: The part of the network that learns: all of it, or its head.
        parallel: `learner` or a wrapper of it.
        denoising: Learns beside it, where the settings ask for it.
        labelled: Indices of the labels in use.
        template: Their mean hands.
    """

    config: FinetuneConfig
    numerics: Numerics
    network: EncodedHead
    learner: nn.Module
    parallel: nn.Module
    denoising: Denoising | None
    optimizer: ScheduledOptimizer
    steps_per_epoch: int
    labelled: Sequence[int]
    template: TemplateHand

    @property
    def denoiser(self) -> RootDenoiser | None:
        """The denoiser, if there is one."""
        return None if self.denoising is None else self.denoising.denoiser

    def state(self, epoch: int, metrics: Mapping[str, float]) -> State:
        """Return all that the epochs after this one depend on."""
        denoiser = {} if self.denoiser is None else {"denoiser": self.denoiser.state_dict()}
        return detached_copy(
            {
                "epoch": epoch,
                "metrics": dict(metrics),
                "learner": self.learner.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                **denoiser,
            }
        )

    def restore(self, state: State) -> tuple[int, Mapping[str, float]]:
        """Go on from `state`; return the epochs it has behind it and the last one's metrics."""
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.denoiser is not None:
            self.denoiser.load_state_dict(state["denoiser"])
        return int(state["epoch"]), state["metrics"]


@dataclass(frozen=True)
class _Shares:
    """What each part of an optimizer step counts in a mean over all of it.

    Losses are means over what is annotated, so a part counts by its share of that; averaging over
    ranks is made up for.
    """

    keypoints: Float[Tensor, " parts"]
    depths: Float[Tensor, " parts"]
    roots: Float[Tensor, " parts"]


def set_training(run: PoseRun) -> None:
    """Put what learns into training mode, and a frozen encoder into evaluation mode."""
    run.network.train()
    if not run.config.train_encoder:
        run.network.encoder.eval()
    if run.denoiser is not None:
        run.denoiser.train()


def train_epoch(
    run: PoseRun,
    batches: Iterator[Batch],
    *,
    epoch: int,
    before_step: Callable[[], Mapping[str, Tensor]] = dict,
) -> dict[str, float]:
    """Run an epoch's optimizer steps; return the means of its training metrics.

    Args:
        run: What is trained.
        batches: `accumulate` of them are a step.
        epoch: Counted from 1.
        before_step: Adds further gradients to a step, and returns further metrics of it.
    """
    set_training(run)
    averages = Averages(epoch)
    first_step = (epoch - 1) * run.steps_per_epoch
    for step in range(first_step, first_step + run.steps_per_epoch):
        further = before_step()
        terms = _accumulate_gradients(run, list(islice(batches, run.config.accumulate)))
        averages.add({**terms, **further})
        run.optimizer.step(step)
    take_first_ranks_buffers(run.network)
    if run.denoiser is not None:
        take_first_ranks_buffers(run.denoiser)
    return averages.means()


def _accumulate_gradients(run: PoseRun, parts: Sequence[Batch]) -> dict[str, Tensor]:
    """Run the backward passes of one optimizer step; the result is that of one large batch."""
    root = run.config.head.root
    targets = [pose_targets(part, run.numerics.device, root=root) for part in parts]
    shares = _Shares(
        keypoints=shares_of_step([target.valid for target in targets]),
        depths=shares_of_step([target.depth_valid for target in targets]),
        roots=shares_of_step([target.root_valid for target in targets]),
    )
    losses = []
    for number, (part, target) in enumerate(zip(parts, targets, strict=True)):
        with ExitStack() as local:
            if number < len(parts) - 1:
                local.enter_context(gradients_stay_local(run.parallel))
                if run.denoising is not None:
                    local.enter_context(gradients_stay_local(run.denoising.parallel))
            losses.append(_part_losses(run, part, target, shares, number))
    return _means(run, torch.stack(losses, dim=1), shares)


def _part_losses(
    run: PoseRun, part: Batch, targets: PoseTargets, shares: _Shares, number: int
) -> Float[Tensor, " losses"]:
    """Run one part's backward passes; return its losses on keypoints, depths and root depth."""
    weight = run.config.loss.depth_weight
    output = network_output(run, part)
    keypoints_px, depth_rel = decode_pose(output, image_px=run.config.image_px)
    unit = targets.depth_unit[:, None] if run.config.loss.compat == "s0" else 1.0
    terms = pose_25d_loss(
        keypoints_px,
        unit * depth_rel,
        true_keypoints_px=targets.keypoints_px,
        true_depth_rel=unit * targets.depth_rel,
        valid=targets.valid,
        depth_valid=targets.depth_valid,
        depth_weight=weight,
    )
    backward(
        terms.keypoints_px * shares.keypoints[number]
        + weight * (terms.depth_rel * shares.depths[number])
    )
    losses = [terms.keypoints_px, terms.depth_rel]
    if run.denoising is not None:
        intrinsics = part["intrinsics"].to(run.numerics.device)
        zh = run.denoising.parallel(keypoints_px, depth_rel, intrinsics)
        root = root_depth_loss(zh, true_zh=targets.root_depth, valid=targets.root_valid)
        backward(root * shares.roots[number])
        losses.append(root)
    return torch.stack(losses).detach()


def network_output(run: PoseRun, batch: Batch) -> Float[Tensor, "batch 21 3"]:
    """Return what the network says of a batch, for its gradient."""
    if "features" in batch:
        read = batch["features"]
    elif run.config.train_encoder:
        read = batch["image"]
    else:
        with torch.no_grad():
            read = run.network.encode(batch["image"])
    output: Tensor = run.parallel(read)
    return output


def _means(
    run: PoseRun, losses: Float[Tensor, "losses parts"], shares: _Shares
) -> dict[str, Tensor]:
    keypoints_px, depth_rel = shares.keypoints @ losses[0], shares.depths @ losses[1]
    total = keypoints_px + run.config.loss.depth_weight * depth_rel
    means = dict(zip(TRAIN_METRICS, (total, keypoints_px, depth_rel), strict=True))
    if run.denoising is not None:
        means[ROOT_METRIC] = shares.roots @ losses[2]
    return means
