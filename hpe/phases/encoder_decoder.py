"""Supervised training of an encoder and a decoder of axes to say joints in front of the camera."""

from collections.abc import Mapping
from contextlib import closing
from functools import partial

from jaxtyping import Bool, Float
from torch import Tensor

from hpe.augment.composition import CompositionConfig, build_composition
from hpe.augment.geometric import robust_poses
from hpe.data.splits import nested_subset
from hpe.geometry.skeleton import WRIST
from hpe.geometry.target_space import TargetSpace
from hpe.metrics.template import fit_template
from hpe.models.axis_decoders import build_decoder
from hpe.models.encoder_decoder import EncoderDecoder
from hpe.phases.averages import require_finite
from hpe.phases.axis_figures import AxisFigures
from hpe.phases.axis_scores import AxisEvaluationSet
from hpe.phases.axis_training import AxisRun, train_epoch
from hpe.phases.distribution import data_parallel, rank, require_divisible
from hpe.phases.encoder_decoder_config import EncoderDecoderConfig, target_space
from hpe.phases.label_budget import (
    STATISTICS_SAMPLES,
    scored_samples,
    scored_splits,
    spread_over,
    steps_per_epoch,
)
from hpe.phases.labelled import Crops, fully_visible
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, State
from hpe.phases.pose_batches import pose_batches
from hpe.phases.precision import Numerics
from hpe.phases.randomness import seed_layers
from hpe.phases.starting_encoder import starting_encoder
from hpe.phases.state import detached_copy

MAX_SHARE_OUTSIDE = 0.1
"""Of the labels' coordinates: more of them outside the box, and the settings are wrong."""


def encoder_decoder(
    config: EncoderDecoderConfig, inputs: PhaseInputs, resume: State | None = None
) -> Phase:
    """Train a network to say where joints are in front of the camera.

    Yields:
        A report per epoch with all scores on the validation split, the fixed template's included.

    Returns:
        The groups `encoder`, `decoder` and `predictions` (some validation samples), with the
        settings of the network and of its space, and the last epoch's metrics.

    Raises:
        ValueError: If a parent's encoder is another one than the settings say, or the labels lie
            outside of the box that the network can speak of.
        Diverged: If a loss or metric is not finite.
    """
    run = _start(config, inputs)
    evaluations = {name: _evaluation_set(run, inputs, split=name) for name in scored_splits(config)}
    figures = AxisFigures(inputs.data.splits["val"], space=run.space, frame=config.target.frame)
    finished, metrics = (0, {}) if resume is None else run.restore(resume)
    made = pose_batches(
        config,
        inputs,
        None,
        labelled=run.labelled,
        steps_per_epoch=run.steps_per_epoch,
        first_epoch=finished,
        frame=config.target.frame,
    )
    with closing(made) as batches:
        for epoch in range(finished + 1, config.epochs + 1):
            seed_layers(seed=inputs.seed, epoch=epoch, rank=rank())
            metrics = train_epoch(run, batches, epoch=epoch)
            for name, evaluation in evaluations.items():
                scores = evaluation.scores(run.predicted_points, run.template)
                metrics |= {f"{name}/{score}": value for score, value in scores.items()}
            yield EpochReport(
                epoch=epoch,
                epochs=config.epochs,
                metrics=require_finite(metrics, epoch=epoch),
                state=partial(run.state, epoch, metrics),
                artifacts=partial(_artifacts, run, metrics, figures),
            )
    return _artifacts(run, metrics, figures)


def _start(config: EncoderDecoderConfig, inputs: PhaseInputs) -> AxisRun:
    require_divisible(config.batch_size)
    train = inputs.data.splits["train"]
    labelled = nested_subset(train, fraction=config.label_fraction, seed=config.label_seed)
    typical = spread_over(labelled, at_most=STATISTICS_SAMPLES)
    frame, side_px = config.target.frame, config.image_px
    reference = build_composition(CompositionConfig(), image_px=side_px, frame=frame)
    crops = Crops(train, typical, image_px=side_px, composition=reference)
    statistics = fully_visible(crops.rows())
    space = target_space(config.target, image_px=side_px)
    points = space.points(statistics["joints_m"], statistics["intrinsics"])
    shares = space.box.shares(points)
    require_in_box(shares, points, space)
    numerics = Numerics(inputs.device, config.precision, config.channels_last)
    network = numerics.placed(_network(config, inputs, shares.mean(dim=0).float()))
    learner = network if config.train_encoder else network.decoder
    steps = steps_per_epoch(config, len(labelled))
    return AxisRun(
        config=config,
        numerics=numerics,
        network=network,
        learner=learner,
        parallel=data_parallel(learner),
        space=space,
        optimizer=ScheduledOptimizer(
            learner.parameters(),
            config.optimizer,
            effective_batch=config.batch_size * config.accumulate,
            steps_per_epoch=steps,
            epochs=config.epochs,
        ),
        steps_per_epoch=steps,
        labelled=labelled,
        template=fit_template(statistics["joints_m"]),
    )


def _network(
    config: EncoderDecoderConfig, inputs: PhaseInputs, mean_shares: Float[Tensor, "21 3"]
) -> EncoderDecoder:
    encoder = starting_encoder(config.encoder, inputs)
    decoder = build_decoder(config.decoder, channels=encoder.pyramid_channels, seed=inputs.seed)
    decoder.start_from(mean_shares)
    encoder.requires_grad_(config.train_encoder)
    if config.train_encoder:
        encoder.train_pyramid_only()
    return EncoderDecoder(encoder, decoder)


def require_in_box(
    shares: Float[Tensor, "hands 21 3"], points: Float[Tensor, "hands 21 3"], space: TargetSpace
) -> None:
    """Refuse labels that the network could not say.

    Args:
        shares: Where they lie in the box.
        points: The same in the space's unit.
        space: What the network can speak of.

    Raises:
        ValueError: If too many of the coordinates lie outside of it.
    """
    outside: Bool[Tensor, "hands 21 3"] = (shares < 0) | (shares > 1)
    if outside.double().mean() <= MAX_SHARE_OUTSIDE:
        return
    low, high = (
        [round(value, 1) for value in points.flatten(0, 1).quantile(q, dim=0).tolist()]
        for q in (0.005, 0.995)
    )
    raise ValueError(
        f"target/low to target/high must span the labels, got {list(space.box.low)} to "
        f"{list(space.box.high)} {space.unit} for labels of which 99 % lie within {low} to {high}; "
        "set them so, or another target/focal."
    )


def _evaluation_set(run: AxisRun, inputs: PhaseInputs, *, split: str) -> AxisEvaluationSet:
    samples, config = inputs.data.splits[split], run.config
    return AxisEvaluationSet(
        samples,
        num_samples=scored_samples(config, len(samples)),
        space=run.space,
        frame=config.target.frame,
        poses=robust_poses(rotations=config.robust.rotations, mirrored=config.robust.mirrored),
        workers=config.loader_workers,
        on_batch=inputs.on_batch,
        sets=len(scored_splits(config)),
    )


def _artifacts(run: AxisRun, metrics: Mapping[str, float], figures: AxisFigures) -> Artifacts:
    """Return weights, predictions to look at, and what is needed to use them."""
    config = run.config
    return Artifacts(
        tensors=detached_copy(
            {
                "encoder": run.network.encoder.state_dict(),
                "decoder": run.network.decoder.state_dict(),
                "predictions": figures.predictions(run),
            }
        ),
        facts={
            "phase": "encoder_decoder",
            "encoder": config.encoder.model_dump(mode="json"),
            "decoder": config.decoder.model_dump(mode="json"),
            "target": config.target.model_dump(mode="json"),
            "image_px": config.image_px,
            "root": WRIST,
            "num_labels": len(run.labelled),
            "metrics": dict(metrics),
        },
    )
