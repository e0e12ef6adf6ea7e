"""Supervised body pose from reference crops, by volumes or by regression (S4)."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from hpe.augment.body_views import BodyViewConfig, build_body_view
from hpe.data.splits import nested_subset
from hpe.metrics.body_pose import PartScores
from hpe.metrics.body_template import fit_body_template
from hpe.phases.averages import require_finite
from hpe.phases.body_config import BodyPoseConfig
from hpe.phases.body_evaluation import PROTOCOL, BodyEvaluation, BodyFigures, BodySplitScores
from hpe.phases.body_network import build_body_network
from hpe.phases.body_rows import BodyRows, joints_mm_of
from hpe.phases.body_training import BodyRun, body_batches, train_epoch
from hpe.phases.distribution import data_parallel, rank, require_divisible
from hpe.phases.label_budget import (
    scored_samples,
    scored_splits,
    spread_over,
    steps_per_epoch,
)
from hpe.phases.loaders import Batch, collate
from hpe.phases.optimization import ScheduledOptimizer
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, State
from hpe.phases.precision import Numerics
from hpe.phases.randomness import seed_layers
from hpe.phases.state import detached_copy

STATISTICS_SAMPLES = 1000  # labels that the template is averaged over, at most


def body_pose(config: BodyPoseConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Train a network to say where a body's joints are, in the image and in depth.

    Yields:
        A report per epoch with all scores on the validation split, a constant body's included.

    Returns:
        The groups `encoder`, `head` and `predictions` (some validation samples), with the settings
        of the first two, the last epoch's metrics, their protocol in words, and its errors by joint
        and by action.

    Raises:
        ValueError: If a parent's encoder is another one than the settings say, or no sample has all
            its joints in space.
        Diverged: If a loss or metric is not finite.
    """
    run = _start(config, inputs)
    evaluations = {name: _evaluation(config, inputs, split=name) for name in scored_splits(config)}
    figures = BodyFigures(
        inputs.data.splits["val"], width_px=config.width_px, height_px=config.height_px
    )
    finished, said = (0, {}) if resume is None else run.restore(resume)
    made = body_batches(
        config,
        inputs,
        labelled=run.labelled,
        steps_per_epoch=run.steps_per_epoch,
        first_epoch=finished,
    )
    with closing(made) as batches:
        for epoch in range(finished + 1, config.epochs + 1):
            seed_layers(seed=inputs.seed, epoch=epoch, rank=rank())
            trained = train_epoch(run, batches, epoch=epoch)
            scores = {
                name: evaluation.scores(run.network, run.template)
                for name, evaluation in evaluations.items()
            }
            said = _said(trained, scores)
            yield EpochReport(
                epoch=epoch,
                epochs=config.epochs,
                metrics=require_finite(said["metrics"], epoch=epoch),
                state=partial(run.state, epoch, said),
                artifacts=partial(_artifacts, run, said, figures),
            )
    return _artifacts(run, said, figures)


def _start(config: BodyPoseConfig, inputs: PhaseInputs) -> BodyRun:
    require_divisible(config.batch_size)
    train = inputs.data.splits["train"]
    labelled = nested_subset(train, fraction=config.label_fraction, seed=config.label_seed)
    typical = spread_over(labelled, at_most=STATISTICS_SAMPLES)
    statistics = _whole_bodies(config, inputs, typical)
    numerics = Numerics(inputs.device, config.precision, config.channels_last)
    network = build_body_network(
        config, inputs, numerics, mean_points=statistics["points"].mean(0).float()
    )
    steps = steps_per_epoch(config, len(labelled))
    joints_mm = joints_mm_of(
        statistics["points"], statistics, width_px=config.width_px, height_px=config.height_px
    )
    return BodyRun(
        config=config,
        network=network,
        parallel=data_parallel(network),
        optimizer=ScheduledOptimizer(
            network.parameters(),
            config.optimizer,
            effective_batch=config.batch_size * config.accumulate,
            steps_per_epoch=steps,
            epochs=config.epochs,
        ),
        steps_per_epoch=steps,
        labelled=labelled,
        template=fit_body_template(joints_mm),
    )


def _whole_bodies(config: BodyPoseConfig, inputs: PhaseInputs, indices: Sequence[int]) -> Batch:
    """Return reference rows, without images, of samples with all joints in space.

    Raises:
        ValueError: If there are none.
    """
    make_view = build_body_view(
        BodyViewConfig(), width_px=config.width_px, height_px=config.height_px, seed=0
    )
    make = BodyRows(inputs.data.splits["train"], indices, make_view, seed=0)
    rows = []
    for number in range(len(indices)):
        row = make((0, number))
        if row["has_depth"] and row["visible"].all():
            rows.append({name: values for name, values in row.items() if name != "image"})
        inputs.on_batch()
    if not rows:
        raise ValueError(
            f"A mean body needs samples with all 17 joints annotated, in depth too, got none in "
            f"{len(indices)}; a data set that knows keypoints only goes into a mixture with one "
            f"that knows depths."
        )
    return collate(rows)


def _evaluation(config: BodyPoseConfig, inputs: PhaseInputs, *, split: str) -> BodyEvaluation:
    samples = inputs.data.splits[split]
    return BodyEvaluation(
        samples,
        num_samples=scored_samples(config, len(samples)),
        width_px=config.width_px,
        height_px=config.height_px,
        batch_size=config.batch_size,
        workers=config.loader_workers,
        on_batch=inputs.on_batch,
    )


def _said(trained: Mapping[str, float], scores: Mapping[str, BodySplitScores]) -> dict[str, Any]:
    """Return what is reported of an epoch, and what only its artifacts say."""
    scored = {
        f"{split}/{name}": value
        for split, found in scores.items()
        for name, value in found.metrics.items()
    }
    return {
        "metrics": {**trained, **scored},
        "by_joint_mm": {split: _errors_mm(found.by_joint) for split, found in scores.items()},
        "by_action_mm": {split: _errors_mm(found.by_action) for split, found in scores.items()},
    }


def _errors_mm(parts: PartScores) -> dict[str, float]:
    return {part: means["mpjpe_mm"] for part, means in parts.items()}


def _artifacts(run: BodyRun, said: Mapping[str, Any], figures: BodyFigures) -> Artifacts:
    """Return weights, predictions to look at, and what is needed to use them."""
    config = run.config
    return Artifacts(
        tensors=detached_copy(
            {
                "encoder": run.network.encoder.state_dict(),
                "head": run.network.head.state_dict(),
                "predictions": figures.predictions(run.network),
            }
        ),
        facts={
            "phase": "body_pose",
            "encoder": config.encoder.model_dump(mode="json"),
            "head": config.head.model_dump(mode="json"),
            "width_px": config.width_px,
            "height_px": config.height_px,
            "num_labels": len(run.labelled),
            "protocol": dict(PROTOCOL),
            **said,
        },
    )
