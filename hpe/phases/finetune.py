"""Supervised 2.5D finetuning of an encoder, frozen or trainable, on a share of the labels."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial

from torch import Tensor

from hpe.data.splits import nested_subset
from hpe.geometry.skeleton import SCALE_BONE, WRIST
from hpe.metrics.template import fit_template
from hpe.models.pose_heads import build_pose_head
from hpe.models.root_denoiser import RootDenoiser
from hpe.phases.averages import require_finite
from hpe.phases.distribution import data_parallel, rank, require_divisible
from hpe.phases.evaluation import EvaluationSet, FigureSet
from hpe.phases.finetune_config import PSEUDO_METRICS, FinetuneConfig
from hpe.phases.label_budget import (
    STATISTICS_SAMPLES,
    scored_samples,
    scored_splits,
    spread_over,
    steps_per_epoch,
)
from hpe.phases.labelled import Crops, fully_visible, mean_pose
from hpe.phases.loaders import Batch
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, State
from hpe.phases.pose_batches import pose_batches
from hpe.phases.pose_pseudo_labels import no_pseudo_labels, unlabelled_pairs
from hpe.phases.pose_pseudo_training import pseudo_label_gradients
from hpe.phases.pose_training import Denoising, PoseRun, train_epoch
from hpe.phases.precision import EncodedHead, Numerics
from hpe.phases.randomness import seed_layers
from hpe.phases.starting_encoder import starting_encoder
from hpe.phases.state import detached_copy


def finetune(config: FinetuneConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Train a pose head, and the encoder if asked to, to say 2.5D poses of reference crops.

    Yields:
        A report per epoch with all scores on the validation split, the fixed template's included.

    Returns:
        The groups `encoder`, `head`, `predictions` (some validation samples) and, where there is
        one, `denoiser`, with the encoder's and head's settings and the last epoch's metrics.

    Raises:
        ValueError: If a parent's encoder is another one than the settings say.
        Diverged: If a loss or metric is not finite.
    """
    run = _start(config, inputs)
    evaluations = {
        name: _evaluation_set(config, inputs, split=name) for name in scored_splits(config)
    }
    figures = FigureSet(inputs.data.splits["val"], image_px=config.image_px, root=config.head.root)
    finished, metrics = (0, {}) if resume is None else run.restore(resume)
    made = pose_batches(
        config,
        inputs,
        run.network,
        labelled=run.labelled,
        steps_per_epoch=run.steps_per_epoch,
        first_epoch=finished,
    )
    pairs = unlabelled_pairs(
        config,
        config.semi_supervised,
        inputs,
        steps_per_epoch=run.steps_per_epoch,
        first_epoch=finished,
    )
    with closing(made) as batches, closing(pairs) as unlabelled:
        for epoch in range(finished + 1, config.epochs + 1):
            seed_layers(seed=inputs.seed, epoch=epoch, rank=rank())
            further = _further(run, unlabelled, epoch=epoch)
            metrics = train_epoch(run, batches, epoch=epoch, before_step=further)
            for name, evaluation in evaluations.items():
                scores = evaluation.scores(run.network, run.template, run.denoiser)
                metrics |= {f"{name}/{score}": value for score, value in scores.items()}
            yield EpochReport(
                epoch=epoch,
                epochs=config.epochs,
                metrics=require_finite(metrics, epoch=epoch),
                state=partial(run.state, epoch, metrics),
                artifacts=partial(_artifacts, run, metrics, figures),
            )
    return _artifacts(run, metrics, figures)


def _further(
    run: PoseRun, unlabelled: Iterator[Batch], *, epoch: int
) -> Callable[[], Mapping[str, Tensor]]:
    """Return what adds the gradients of pseudo-labels to an epoch's steps, where it has any."""
    semi_supervised = run.config.semi_supervised
    if not semi_supervised.enabled:
        return dict
    if epoch < semi_supervised.first_epoch(run.config.epochs):
        return partial(no_pseudo_labels, PSEUDO_METRICS)
    return partial(pseudo_label_gradients, run, unlabelled)


def _start(config: FinetuneConfig, inputs: PhaseInputs) -> PoseRun:
    require_divisible(config.batch_size)
    train = inputs.data.splits["train"]
    labelled = nested_subset(train, fraction=config.label_fraction, seed=config.label_seed)
    typical = spread_over(labelled, at_most=STATISTICS_SAMPLES)
    statistics = fully_visible(Crops(train, typical, image_px=config.image_px).rows())
    numerics = Numerics(inputs.device, config.precision, config.channels_last)
    network = numerics.placed(_network(config, inputs, statistics, numerics))
    learner = network if config.train_encoder else network.head
    denoising = _denoising(config, inputs)
    parameters = [*learner.parameters()]
    if denoising is not None:
        parameters += denoising.denoiser.parameters()
    steps = steps_per_epoch(config, len(labelled))
    optimizer = ScheduledOptimizer(
        parameters,
        config.optimizer,
        effective_batch=config.batch_size * config.accumulate,
        steps_per_epoch=steps,
        epochs=config.epochs,
    )
    return PoseRun(
        config=config,
        numerics=numerics,
        network=network,
        learner=learner,
        parallel=data_parallel(learner),
        denoising=denoising,
        optimizer=optimizer,
        steps_per_epoch=steps,
        labelled=labelled,
        template=fit_template(statistics["joints_m"]),
    )


def _network(
    config: FinetuneConfig, inputs: PhaseInputs, statistics: Batch, numerics: Numerics
) -> EncodedHead:
    encoder = starting_encoder(config.encoder, inputs)
    head = build_pose_head(config.head, encoder, seed=inputs.seed)
    head.start_from(mean_pose(statistics, image_px=config.image_px, root=config.head.root))
    encoder.requires_grad_(config.train_encoder)
    if config.train_encoder and config.head.on_maps:
        encoder.train_maps_only()
    return EncodedHead(encoder, head, numerics, on_maps=config.head.on_maps)


def _denoising(config: FinetuneConfig, inputs: PhaseInputs) -> Denoising | None:
    if not config.head.denoiser:
        return None
    denoiser = RootDenoiser(seed=inputs.seed).to(inputs.device)
    return Denoising(denoiser, data_parallel(denoiser))


def _evaluation_set(config: FinetuneConfig, inputs: PhaseInputs, *, split: str) -> EvaluationSet:
    samples = inputs.data.splits[split]
    return EvaluationSet(
        samples,
        num_samples=scored_samples(config, len(samples)),
        image_px=config.image_px,
        workers=config.loader_workers,
        encoder_is_frozen=not config.train_encoder,
        root=config.head.root,
        on_batch=inputs.on_batch,
    )


def _artifacts(run: PoseRun, metrics: Mapping[str, float], figures: FigureSet) -> Artifacts:
    """Return weights, predictions to look at, and what is needed to use them."""
    config = run.config
    denoiser = {} if run.denoiser is None else {"denoiser": run.denoiser.state_dict()}
    return Artifacts(
        tensors=detached_copy(
            {
                "encoder": run.network.encoder.state_dict(),
                "head": run.network.head.state_dict(),
                "predictions": figures.predictions(run.network),
                **denoiser,
            }
        ),
        facts={
            "phase": "finetune",
            "encoder": config.encoder.model_dump(mode="json"),
            "head": config.head.model_dump(mode="json"),
            "feature_dim": run.network.encoder.feature_dim,
            "image_px": config.image_px,
            "root": WRIST,
            "scale_bone": list(SCALE_BONE),
            "num_labels": len(run.labelled),
            "metrics": dict(metrics),
        },
    )
