"""Contrastive pretraining: SimCLR, PeCLR, and mixtures of the two, on unlabelled hands."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.autograd import backward

from hpe.augment.composition import Composition, CompositionConfig
from hpe.config import Config, operational
from hpe.data.hands import HandSplit
from hpe.losses.contrastive import collapse_level, nt_xent, top1_share
from hpe.losses.equivariant import as_points, undo_affine, undo_peclr
from hpe.models.encoders import EncoderConfig, build_encoder
from hpe.models.heads import ProjectionHead, ProjectionHeadConfig
from hpe.phases.averages import Averages, require_finite
from hpe.phases.distribution import (
    batch_of_all_ranks,
    data_parallel,
    gradients_stay_local,
    own_rows,
    rank,
    require_divisible,
    take_first_ranks_buffers,
    world_size,
)
from hpe.phases.keep import KeepConfig
from hpe.phases.loaders import Batch, Row, epoch_draws, load
from hpe.phases.optimization import OptimizerConfig, ScheduledOptimizer
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, State, Workload
from hpe.phases.precision import EncodedHead, Numerics, Precision
from hpe.phases.probe import PROBE_METRICS, Probe, ProbeConfig, probed_samples
from hpe.phases.randomness import Draw, seed_layers, view_rng
from hpe.phases.state import detached_copy
from hpe.phases.views import training_composition

TRAIN_METRICS = (
    "train/loss",
    "train/loss_invariant",
    "train/loss_equivariant",
    "train/top1",
    "train/collapse_share",
)


class ContrastiveLossConfig(Config):
    """What pretraining minimises: a weighted sum of two NT-Xent terms.

    Attributes:
        temperature: Of both terms.
        invariant_weight: Weight of the term on plain projections; alone it is SimCLR.
        equivariant_weight: Weight of the term on projections moved back to the reference crop;
            alone it is PeCLR (S0's hybrid2).
        undo: Invert each view's affine exactly, or as PeCLR's code approximates it.
    """

    temperature: float = Field(0.2, gt=0)
    invariant_weight: float = Field(1.0, ge=0)
    equivariant_weight: float = Field(0.0, ge=0)
    undo: Literal["exact", "peclr"] = "exact"

    @model_validator(mode="after")
    def _has_a_term(self) -> "ContrastiveLossConfig":
        if self.invariant_weight == 0 and self.equivariant_weight == 0:
            raise ValueError(
                "invariant_weight and equivariant_weight are both 0, which leaves no loss; "
                "give one of them a positive weight"
            )
        return self


class PretrainConfig(Config):
    """Settings of contrastive pretraining.

    Attributes:
        epochs: Passes over the unlabelled split.
        batch_size: Samples per batch, over all workers; two views of each.
        accumulate: Batches per optimizer step. As in S0, negatives come from one batch, never from
            another one of the same step.
        image_px: Side of the views; 33 is the least that `small_resnet` takes.
        limit_batches: Optimizer steps per epoch, and probe batches, at most; None for all.
        loader_workers: Child processes that make views; 0 makes them here.
    """

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(128, ge=2)
    accumulate: int = Field(1, ge=1)
    image_px: int = Field(64, ge=33)
    encoder: EncoderConfig = EncoderConfig()
    projection: ProjectionHeadConfig = ProjectionHeadConfig()
    augment: CompositionConfig = CompositionConfig()
    loss: ContrastiveLossConfig = ContrastiveLossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    precision: Precision = "fp32"
    channels_last: bool = True
    probe: ProbeConfig = ProbeConfig()
    keep: KeepConfig = KeepConfig()
    limit_batches: int | None = Field(None, ge=1)
    loader_workers: int = operational(0, ge=0)

    @model_validator(mode="after")
    def _keeps_by_a_metric_it_has(self) -> "PretrainConfig":
        self.keep.require_metric(pretrain_metrics(self))
        ranks_epochs = self.keep.best or self.keep.top_k > 0
        if ranks_epochs and self.keep.metric is None and self.probe.every == 0:
            raise ValueError(
                "keep/best and keep/top_k rank epochs by the probe, but probe/every is 0; "
                "probe at times, or name another keep/metric"
            )
        return self


def pretrain_metrics(config: PretrainConfig) -> tuple[str, ...]:
    """Return the metrics that the last epoch reports; earlier ones may lack the probe's."""
    return TRAIN_METRICS + (PROBE_METRICS if config.probe.every else ())


def pretrain_workload(config: PretrainConfig, sizes: Mapping[str, int]) -> Workload:
    """Return what there is to do on splits of these sizes.

    Raises:
        ValueError: If the unlabelled split does not fill one optimizer step.
    """
    probes = (config.probe.is_due(e, epochs=config.epochs) for e in range(1, config.epochs + 1))
    return Workload(
        steps_per_epoch=_steps_per_epoch(config, num_samples=sizes["unlabelled"]),
        evaluations=sum(probes),
        scored=probed_samples(config.probe, sizes, limit_batches=config.limit_batches),
    )


def _steps_per_epoch(config: PretrainConfig, *, num_samples: int) -> int:
    steps = num_samples // config.batch_size // config.accumulate
    if steps == 0:
        raise ValueError(
            f"One optimizer step takes batch_size x accumulate = "
            f"{config.batch_size * config.accumulate} samples, but the unlabelled split has "
            f"{num_samples}: lower one of the two."
        )
    return min(steps, config.limit_batches or steps)


@dataclass(frozen=True)
class ViewPairs:
    """Makes a row of two views of an unlabelled sample, with the geometry that a loss undoes."""

    split: HandSplit
    composition: Composition
    seed: int

    def __call__(self, draw: Draw) -> Row:
        """Return arrays whose first axis is the view."""
        sample = self.split[draw[1]]
        views = [
            self.composition(sample, view_rng(draw, seed=self.seed, view=view)) for view in (0, 1)
        ]
        return {
            "image": np.stack([view.image for view in views]),
            "affine": np.array([view.affine for view in views], dtype=np.float32),
            "angle_deg": np.array([view.angle_deg for view in views], dtype=np.float32),
            "shift": np.array([view.shift for view in views], dtype=np.float32),
        }


@dataclass(frozen=True)
class _Pretraining:
    """What a pretraining run holds; `parallel` is `network` or a wrapper of it."""

    config: PretrainConfig
    numerics: Numerics
    network: EncodedHead
    parallel: nn.Module
    optimizer: ScheduledOptimizer
    steps_per_epoch: int

    def state(self, epoch: int) -> State:
        """Return all that the epochs after this one depend on."""
        return detached_copy(
            {
                "epoch": epoch,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
        )

    def restore(self, state: State) -> int:
        """Go on from `state`; return the epochs it has behind it."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        return int(state["epoch"])

    def artifacts(self) -> Artifacts:
        """Return the weights, and what is needed to use them."""
        return Artifacts(
            tensors=detached_copy(
                {
                    "encoder": self.network.encoder.state_dict(),
                    "projection": self.network.head.state_dict(),
                }
            ),
            facts={
                "phase": "pretrain",
                "encoder": self.config.encoder.model_dump(mode="json"),
                "feature_dim": self.network.encoder.feature_dim,
                "projection": self.config.projection.model_dump(mode="json"),
                "image_px": self.config.image_px,
            },
        )


def pretrain(config: PretrainConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Train an encoder on pairs of views of hands; no pose enters the loss.

    As in S0, views are crops placed by the hand's true keypoints; cut-outs lie on them, and
    `replace_background` cuts along the true mask. The probe fits labels, and changes no weight.

    Yields:
        A report per epoch, with the probe's scores where one is due.

    Returns:
        The groups `encoder` and `projection`, with the encoder's settings.

    Raises:
        ValueError: If the unlabelled split does not fill one optimizer step.
        Diverged: If a loss or metric is not finite.
    """
    split = inputs.data.splits["unlabelled"]
    run = _start(config, inputs, num_samples=len(split))
    probe = Probe(
        inputs.data,
        config.probe,
        image_px=config.image_px,
        workers=config.loader_workers,
        limit_batches=config.limit_batches,
        on_batch=inputs.on_batch,
    )
    finished = 0 if resume is None else run.restore(resume)
    composition = training_composition(config.augment, image_px=config.image_px, seed=inputs.seed)
    pairs = ViewPairs(split, composition, inputs.seed)
    draws = _draws(run, num_samples=len(split), seed=inputs.seed, first_epoch=finished)
    made = load(pairs, draws, workers=config.loader_workers, on_batch=inputs.on_batch)
    with closing(made) as batches:
        for epoch in range(finished + 1, config.epochs + 1):
            seed_layers(seed=inputs.seed, epoch=epoch, rank=rank())
            metrics = _train_epoch(run, batches, epoch=epoch)
            if config.probe.is_due(epoch, epochs=config.epochs):
                metrics |= probe.scores(run.network.encoder, run.numerics)
            yield EpochReport(
                epoch=epoch,
                epochs=config.epochs,
                metrics=require_finite(metrics, epoch=epoch),
                state=partial(run.state, epoch),
                artifacts=run.artifacts,
            )
    return run.artifacts()


def _start(config: PretrainConfig, inputs: PhaseInputs, *, num_samples: int) -> _Pretraining:
    require_divisible(config.batch_size)
    numerics = Numerics(inputs.device, config.precision, config.channels_last)
    encoder = build_encoder(config.encoder, seed=inputs.seed)
    projection = ProjectionHead(encoder.feature_dim, config.projection, seed=inputs.seed)
    network = numerics.placed(EncodedHead(encoder, projection, numerics))
    steps = _steps_per_epoch(config, num_samples=num_samples)
    optimizer = ScheduledOptimizer(
        network.parameters(),
        config.optimizer,
        effective_batch=config.batch_size * config.accumulate,
        steps_per_epoch=steps,
        epochs=config.epochs,
    )
    return _Pretraining(config, numerics, network, data_parallel(network), optimizer, steps)


def _draws(
    run: _Pretraining, *, num_samples: int, seed: int, first_epoch: int
) -> Iterator[Sequence[Draw]]:
    """Yield this rank's part of every batch from an epoch (from 0) to the end of the phase."""
    config = run.config
    for epoch in range(first_epoch, config.epochs):
        batches = epoch_draws(num_samples, seed=seed, epoch=epoch, batch_size=config.batch_size)
        for batch in batches[: run.steps_per_epoch * config.accumulate]:
            yield own_rows(batch)


def _train_epoch(run: _Pretraining, batches: Iterator[Batch], *, epoch: int) -> dict[str, float]:
    run.network.train()
    averages = Averages(epoch)
    first_step = (epoch - 1) * run.steps_per_epoch
    for step in range(first_step, first_step + run.steps_per_epoch):
        for part in range(run.config.accumulate):
            is_last = part == run.config.accumulate - 1
            with nullcontext() if is_last else gradients_stay_local(run.parallel):
                terms = contrastive_terms(run.parallel, next(batches), run.config.loss)
                # Every rank has the loss of all rows: see `batch_of_all_ranks`.
                backward(terms["train/loss"] * (world_size() / run.config.accumulate))
            averages.add(terms)
        run.optimizer.step(step)
    take_first_ranks_buffers(run.network)
    return averages.means()


def contrastive_terms(
    network: nn.Module, batch: Batch, config: ContrastiveLossConfig
) -> dict[str, Float[Tensor, ""]]:
    """Return the losses of one batch of view pairs; `train/loss` carries the gradient.

    A term without weight is reported too. `train/top1` is the share of views whose positive is the
    nearest other view and `train/collapse_share` the loss as a share of what equal embeddings give
    (about 1 means collapse): of the equivariant term where it has weight, else the invariant one.
    """
    projections = network(batch["image"].flatten(0, 1))
    plain = _paired(projections)
    undone = _paired(_undone(projections, batch, config))
    with torch.set_grad_enabled(config.invariant_weight > 0):
        invariant = nt_xent(*plain, temperature=config.temperature)
    with torch.set_grad_enabled(config.equivariant_weight > 0):
        equivariant = nt_xent(*undone, temperature=config.temperature)
    is_equivariant = config.equivariant_weight > 0
    leading, pairs = (equivariant, undone) if is_equivariant else (invariant, plain)
    return {
        "train/loss": (
            config.invariant_weight * invariant + config.equivariant_weight * equivariant
        ),
        "train/loss_invariant": invariant,
        "train/loss_equivariant": equivariant,
        "train/top1": top1_share(*pairs),
        "train/collapse_share": leading.detach() / collapse_level(len(pairs[0])),
    }


def _undone(
    projections: Float[Tensor, "views dim"], batch: Batch, config: ContrastiveLossConfig
) -> Float[Tensor, "views dim"]:
    device = projections.device
    points = as_points(projections)
    if config.undo == "exact":
        moved = undo_affine(points, batch["affine"].flatten(0, 1).to(device))
    else:
        moved = undo_peclr(
            points,
            angle_deg=batch["angle_deg"].flatten().to(device),
            shift=batch["shift"].flatten(0, 1).to(device),
        )
    return moved.flatten(1)


def _paired(
    rows: Float[Tensor, "views dim"],
) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
    """Return the first and the second views of all workers' samples."""
    return batch_of_all_ranks(rows[0::2]), batch_of_all_ranks(rows[1::2])
