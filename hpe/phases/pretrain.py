"""Pretraining on unlabelled hands: SimCLR, PeCLR, pairwise relations, and mixtures of them."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

from torch import nn

from hpe.data.hands import HandSplit
from hpe.data.weights import sampling_weights
from hpe.models.encoders import Encoder, build_encoder
from hpe.models.heads import ProjectionHead
from hpe.models.heatmap_projection import HeatmapProjection, PointProjection
from hpe.models.relative_head import RelativeHeads
from hpe.phases.averages import Averages, require_finite
from hpe.phases.collapse import CollapseAlarm
from hpe.phases.contrastive_terms import COLLAPSE_SHARE
from hpe.phases.device_views import DeviceViews, source_rows
from hpe.phases.distribution import (
    data_parallel,
    own_rows,
    rank,
    require_divisible,
    take_first_ranks_buffers,
)
from hpe.phases.loaders import Batch, epoch_draws, load
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, State
from hpe.phases.precision import Numerics
from hpe.phases.pretrain_config import (
    BALANCED_PARTS,
    COLLAPSED,
    PretrainConfig,
    steps_per_epoch,
)
from hpe.phases.pretrain_steps import step_as_one_batch, step_by_batches
from hpe.phases.pretraining_network import PretrainingNetwork
from hpe.phases.probe import Probe
from hpe.phases.randomness import Draw, seed_layers
from hpe.phases.state import detached_copy
from hpe.phases.view_pairs import ViewPairs
from hpe.phases.views import training_composition


@dataclass(frozen=True)
class _Pretraining:
    """What a pretraining run holds; `parallel` is `network` or a wrapper of it."""

    config: PretrainConfig
    numerics: Numerics
    network: PretrainingNetwork
    parallel: nn.Module
    optimizer: ScheduledOptimizer
    steps_per_epoch: int
    alarm: CollapseAlarm

    def state(self, epoch: int) -> State:
        """Return all that the epochs after this one depend on."""
        return detached_copy(
            {
                "epoch": epoch,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "collapsed_epochs": self.alarm.epochs,
            }
        )

    def restore(self, state: State) -> int:
        """Go on from `state`; return the epochs it has behind it."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.alarm.epochs = int(state["collapsed_epochs"])
        return int(state["epoch"])

    def artifacts(self) -> Artifacts:
        """Return the weights, and what is needed to use them."""
        network, config = self.network, self.config
        parts: dict[str, nn.Module | None] = {
            "encoder": network.encoder,
            "projection": network.projection,
            "relative": network.relative,
        }
        heads = {"projection": config.projection, "relative": config.relative}
        return Artifacts(
            tensors=detached_copy(
                {name: part.state_dict() for name, part in parts.items() if part is not None}
            ),
            facts={
                "phase": "pretrain",
                "encoder": config.encoder.model_dump(mode="json"),
                "feature_dim": network.encoder.feature_dim,
                **{
                    name: settings.model_dump(mode="json")
                    for name, settings in heads.items()
                    if parts[name] is not None
                },
                "image_px": config.image_px,
            },
        )


def pretrain(config: PretrainConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Train an encoder on pairs of views of hands; no pose enters the loss.

    As in S0, views are crops placed by the hand's true keypoints; cut-outs lie on them, and
    `replace_background` cuts along the true mask. The probe fits labels, and changes no weight.

    Yields:
        A report per epoch, with the probe's scores where one is due.

    Returns:
        The group `encoder`, and `projection` and `relative` where there are such heads, with the
        encoder's settings.

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
    draws = _draws(run, split, seed=inputs.seed, first_epoch=finished)
    with closing(_batches(config, inputs, draws)) as batches:
        for epoch in range(finished + 1, config.epochs + 1):
            seed_layers(seed=inputs.seed, epoch=epoch, rank=rank())
            metrics = _train_epoch(run, batches, epoch=epoch)
            if COLLAPSE_SHARE in metrics:
                collapsed = run.alarm.sounds(metrics[COLLAPSE_SHARE], epoch=epoch)
                metrics[COLLAPSED] = float(collapsed)
            if config.probe.is_due(epoch, epochs=config.epochs):
                metrics |= probe.scores(run.network.features, run.numerics)
            yield EpochReport(
                epoch=epoch,
                epochs=config.epochs,
                metrics=require_finite(metrics, epoch=epoch),
                state=partial(run.state, epoch),
                artifacts=run.artifacts,
            )
    return run.artifacts()


def _batches(
    config: PretrainConfig, inputs: PhaseInputs, draws: Iterator[Sequence[Draw]]
) -> Generator[Batch, None, None]:
    """Yield pairs of views, made by the loader or on the device that trains on them."""
    make = partial(training_composition, image_px=config.image_px, seed=inputs.seed)
    has_own = config.relative.enabled and config.relative.own_views
    split, pair = inputs.data.splits["unlabelled"], make(config.augment)
    relative = make(config.relative.augment) if has_own else None
    loaded = partial(load, draws=draws, workers=config.loader_workers, on_batch=inputs.on_batch)
    if config.augment_on == "cpu":
        yield from loaded(ViewPairs(split, pair, inputs.seed, relative=relative))
        return
    views = DeviceViews(pair, inputs.seed, inputs.device, relative=relative)
    rows = source_rows(split, [pair] if relative is None else [pair, relative])
    with closing(loaded(rows)) as sources:
        yield from map(views, sources)


def _start(config: PretrainConfig, inputs: PhaseInputs, *, num_samples: int) -> _Pretraining:
    require_divisible(config.batch_size)
    numerics = Numerics(inputs.device, config.precision, config.channels_last)
    network = numerics.placed(_build_network(config, numerics, seed=inputs.seed))
    steps = steps_per_epoch(config, num_samples=num_samples)
    optimizer = ScheduledOptimizer(
        network.parameters(),
        config.optimizer,
        effective_batch=config.batch_size * config.accumulate,
        steps_per_epoch=steps,
        epochs=config.epochs,
    )
    return _Pretraining(
        config,
        numerics,
        network,
        data_parallel(network),
        optimizer,
        steps,
        CollapseAlarm(warmup_epochs=config.optimizer.warmup_epochs),
    )


def _build_network(config: PretrainConfig, numerics: Numerics, *, seed: int) -> PretrainingNetwork:
    encoder = build_encoder(config.encoder, seed=seed)
    on_maps = config.projection.kind != "vector"
    if on_maps:
        encoder.train_maps_only()
    relative = None
    if config.relations:
        in_dim = 4 * encoder.map_channels if on_maps else encoder.feature_dim  # pooled to 2 x 2
        relative = RelativeHeads(in_dim, config.relations, hidden=config.relative.hidden, seed=seed)
    return PretrainingNetwork(
        encoder,
        numerics,
        projection=_build_projection(encoder, config, seed=seed) if config.loss.enabled else None,
        relative=relative,
        on_maps=on_maps,
        balanced_parts=BALANCED_PARTS if config.has_learned_balance else (),
    )


def _build_projection(encoder: Encoder, config: PretrainConfig, *, seed: int) -> nn.Module:
    sizes = config.projection
    if sizes.kind == "vector":
        return ProjectionHead(encoder.feature_dim, sizes, seed=seed)
    kind = PointProjection if sizes.kind == "points" else HeatmapProjection
    return kind(encoder.map_channels, hidden=sizes.hidden, out=sizes.out, seed=seed)


def _draws(
    run: _Pretraining, split: HandSplit, *, seed: int, first_epoch: int
) -> Iterator[Sequence[Draw]]:
    """Yield this rank's part of every batch from an epoch (from 0) to the end of the phase."""
    config = run.config
    weights = sampling_weights(split)
    for epoch in range(first_epoch, config.epochs):
        batches = epoch_draws(
            len(split), seed=seed, epoch=epoch, batch_size=config.batch_size, weights=weights
        )
        for batch in batches[: run.steps_per_epoch * config.accumulate]:
            yield own_rows(batch)


def _train_epoch(run: _Pretraining, batches: Iterator[Batch], *, epoch: int) -> dict[str, float]:
    run.network.train()
    averages = Averages(epoch)
    config = run.config
    shares_negatives = config.loss.negatives == "step" and config.accumulate > 1
    accumulate = step_as_one_batch if shares_negatives else step_by_batches
    first_step = (epoch - 1) * run.steps_per_epoch
    for step in range(first_step, first_step + run.steps_per_epoch):
        parts = islice(batches, config.accumulate)
        for terms in accumulate(parts, config, network=run.network, parallel=run.parallel):
            averages.add(terms)
        run.optimizer.step(step)
    take_first_ranks_buffers(run.network)
    return averages.means()
