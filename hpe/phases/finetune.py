"""Supervised 2.5D finetuning of an encoder, frozen or trainable, on a share of the labels."""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.autograd import backward

from hpe.augment.composition import CompositionConfig
from hpe.config import Config, operational
from hpe.data.splits import nested_subset
from hpe.geometry.decoding import decode_pose
from hpe.geometry.skeleton import SCALE_BONE, WRIST
from hpe.losses.pose import Pose25DTerms, pose_25d_loss
from hpe.metrics.template import TemplateHand, fit_template
from hpe.models.encoders import Encoder, EncoderConfig, build_encoder
from hpe.models.heads import PoseHead
from hpe.phases.averages import Averages, require_finite
from hpe.phases.distribution import (
    data_parallel,
    gradients_stay_local,
    own_rows,
    rank,
    require_divisible,
    take_first_ranks_buffers,
    total_over_ranks,
    world_size,
)
from hpe.phases.evaluation import SCORES, EvaluationSet, FigureSet
from hpe.phases.keep import KeepConfig
from hpe.phases.labelled import (
    EVALUATION_BATCH,
    Crops,
    LabelledRows,
    PoseTargets,
    encoded_rows,
    fully_visible,
    mean_pose,
    pose_targets,
)
from hpe.phases.loaders import Batch, endless_draws, load
from hpe.phases.optimization import OptimizerConfig, ScheduledOptimizer
from hpe.phases.phase import Artifacts, EpochReport, Phase, PhaseInputs, State, Workload
from hpe.phases.precision import EncodedHead, Numerics, Precision
from hpe.phases.randomness import Draw, seed_layers
from hpe.phases.state import detached_copy
from hpe.phases.views import is_reference, training_composition

TRAIN_METRICS = ("train/loss", "train/loss_2d_px", "train/loss_depth")

STATISTICS_SAMPLES = 2000  # labels that the head's bias and the template are averaged over, at most


class PoseLossConfig(Config):
    """What finetuning minimises: keypoint error in input pixels + weighted relative depth error.

    Attributes:
        depth_weight: S0's alpha.
    """

    depth_weight: float = Field(5.0, ge=0)


class FinetuneConfig(Config):
    """Settings of supervised finetuning.

    Attributes:
        epochs: Reports to make.
        steps_per_epoch: Optimizer steps per report, whatever the number of labels; None for about
            one pass over them.
        batch_size: Samples per batch, over all workers.
        accumulate: Batches per optimizer step; the step is that of one large batch.
        image_px: Side of the network's input.
        encoder: Used where no pretraining came before; inherited from it otherwise.
        train_encoder: Whether the encoder learns; if not, nothing of it changes, batch norm
            statistics included.
        label_fraction: Share of the labelled training ids in use. Smaller shares are parts of
            larger ones.
        label_seed: Chooses them. Not the stage's seed: trials are compared on the same labels.
        score_test: Report the test split too.
        limit_batches: Optimizer steps per epoch, and evaluation batches, at most; None for all.
        loader_workers: Child processes that make views; 0 makes them here.
    """

    epochs: int = Field(10, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=2)
    accumulate: int = Field(1, ge=1)
    image_px: int = Field(64, ge=33)
    encoder: EncoderConfig = EncoderConfig()
    train_encoder: bool = True
    label_fraction: float = Field(1.0, gt=0, le=1)
    label_seed: int = Field(0, ge=0)
    augment: CompositionConfig = CompositionConfig()
    loss: PoseLossConfig = PoseLossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    precision: Precision = "fp32"
    channels_last: bool = True
    score_test: bool = False
    keep: KeepConfig = KeepConfig()
    limit_batches: int | None = Field(None, ge=1)
    loader_workers: int = operational(0, ge=0)

    @model_validator(mode="after")
    def _keeps_by_a_metric_it_has(self) -> "FinetuneConfig":
        self.keep.require_metric(finetune_metrics(self))
        return self


def finetune_metrics(config: FinetuneConfig) -> tuple[str, ...]:
    """Return the metrics that every epoch reports."""
    scored = tuple(f"{split}/{name}" for split in _scored_splits(config) for name in SCORES)
    return TRAIN_METRICS + scored


def finetune_workload(config: FinetuneConfig, sizes: Mapping[str, int]) -> Workload:
    """Return what there is to do on splits of these sizes, each sample with an id of its own."""
    labels = max(1, round(config.label_fraction * sizes["train"]))
    scored = sum(_scored_samples(config, sizes[split]) for split in _scored_splits(config))
    return Workload(_steps_per_epoch(config, labels), evaluations=config.epochs, scored=scored)


def _steps_per_epoch(config: FinetuneConfig, num_labels: int) -> int:
    one_pass = math.ceil(num_labels / (config.batch_size * config.accumulate))
    steps = config.steps_per_epoch or one_pass
    return min(steps, config.limit_batches or steps)


def _scored_samples(config: FinetuneConfig, available: int) -> int:
    cap = config.limit_batches
    return available if cap is None else min(available, cap * EVALUATION_BATCH)


def _scored_splits(config: FinetuneConfig) -> tuple[str, ...]:
    return ("val", "test") if config.score_test else ("val",)


@dataclass(frozen=True)
class _Finetuning:
    """What a finetuning run holds.

    Attributes:
        learner: The part that learns: the whole network, or its head.
        parallel: `learner` or a wrapper of it.
        labelled: Indices of the labels in use.
        template: Their mean hands.
    """

    config: FinetuneConfig
    numerics: Numerics
    network: EncodedHead
    learner: nn.Module
    parallel: nn.Module
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

    def artifacts(self, metrics: Mapping[str, float], figures: FigureSet) -> Artifacts:
        """Return weights, predictions to look at, and what is needed to use them."""
        return Artifacts(
            tensors=detached_copy(
                {
                    "encoder": self.network.encoder.state_dict(),
                    "head": self.network.head.state_dict(),
                    "predictions": figures.predictions(self.network),
                }
            ),
            facts={
                "phase": "finetune",
                "encoder": self.config.encoder.model_dump(mode="json"),
                "feature_dim": self.network.encoder.feature_dim,
                "image_px": self.config.image_px,
                "root": WRIST,
                "scale_bone": list(SCALE_BONE),
                "num_labels": len(self.labelled),
                "metrics": dict(metrics),
            },
        )


def finetune(config: FinetuneConfig, inputs: PhaseInputs, resume: State | None = None) -> Phase:
    """Train a pose head, and the encoder if asked to, to say 2.5D poses of reference crops.

    Yields:
        A report per epoch with all scores on the validation split, the fixed template's included.

    Returns:
        The groups `encoder`, `head` and `predictions` (some validation samples), with
        the encoder's settings and the last epoch's metrics.

    Raises:
        ValueError: If a parent's encoder is another one than the settings say.
        Diverged: If a loss or metric is not finite.
    """
    run = _start(config, inputs)
    evaluations = {
        name: _evaluation_set(config, inputs, split=name) for name in _scored_splits(config)
    }
    figures = FigureSet(inputs.data.splits["val"], image_px=config.image_px)
    finished, metrics = (0, {}) if resume is None else run.restore(resume)
    with closing(_batches(run, inputs, first_epoch=finished)) as batches:
        for epoch in range(finished + 1, config.epochs + 1):
            seed_layers(seed=inputs.seed, epoch=epoch, rank=rank())
            metrics = _train_epoch(run, batches, epoch=epoch)
            for name, evaluation in evaluations.items():
                scores = evaluation.scores(run.network, run.template)
                metrics |= {f"{name}/{score}": value for score, value in scores.items()}
            yield EpochReport(
                epoch=epoch,
                epochs=config.epochs,
                metrics=require_finite(metrics, epoch=epoch),
                state=partial(run.state, epoch, metrics),
                artifacts=partial(run.artifacts, metrics, figures),
            )
    return run.artifacts(metrics, figures)


def _start(config: FinetuneConfig, inputs: PhaseInputs) -> _Finetuning:
    require_divisible(config.batch_size)
    train = inputs.data.splits["train"]
    labelled = nested_subset(train, fraction=config.label_fraction, seed=config.label_seed)
    every = math.ceil(len(labelled) / STATISTICS_SAMPLES)
    statistics = fully_visible(Crops(train, labelled[::every], image_px=config.image_px).rows())
    numerics = Numerics(inputs.device, config.precision, config.channels_last)
    encoder = starting_encoder(config.encoder, inputs)
    head = PoseHead(encoder.feature_dim)
    head.start_from(mean_pose(statistics, image_px=config.image_px))
    network = numerics.placed(EncodedHead(encoder, head, numerics))
    encoder.requires_grad_(config.train_encoder)
    learner = network if config.train_encoder else network.head
    steps = _steps_per_epoch(config, len(labelled))
    optimizer = ScheduledOptimizer(
        learner.parameters(),
        config.optimizer,
        effective_batch=config.batch_size * config.accumulate,
        steps_per_epoch=steps,
        epochs=config.epochs,
    )
    return _Finetuning(
        config=config,
        numerics=numerics,
        network=network,
        learner=learner,
        parallel=data_parallel(learner),
        optimizer=optimizer,
        steps_per_epoch=steps,
        labelled=labelled,
        template=fit_template(statistics["joints_m"]),
    )


def starting_encoder(config: EncoderConfig, inputs: PhaseInputs) -> Encoder:
    """Return the pretrained encoder if there is one, else a fresh one.

    Raises:
        ValueError: If the pretrained encoder is another one than the settings say.
    """
    parent = inputs.parents.get("pretrain")
    if parent is None:
        return build_encoder(config, seed=inputs.seed)
    architecture = config.model_copy(update={"init": "random"})  # weights are about to be replaced
    for name, trained in parent.facts.get("encoder", {}).items():
        wanted = getattr(architecture, name)
        if name != "init" and trained != wanted:
            raise ValueError(
                f"encoder/{name} must be that of the pretrained weights, {trained!r}, got "
                f"{wanted!r}."
            )
    encoder = build_encoder(architecture, seed=inputs.seed)
    encoder.load_state_dict(parent.tensors["encoder"])
    return encoder


def _evaluation_set(config: FinetuneConfig, inputs: PhaseInputs, *, split: str) -> EvaluationSet:
    samples = inputs.data.splits[split]
    return EvaluationSet(
        samples,
        num_samples=_scored_samples(config, len(samples)),
        image_px=config.image_px,
        workers=config.loader_workers,
        encoder_is_frozen=not config.train_encoder,
        on_batch=inputs.on_batch,
    )


def _batches(
    run: _Finetuning, inputs: PhaseInputs, *, first_epoch: int
) -> Generator[Batch, None, None]:
    """Yield this rank's part of every batch from an epoch (from 0) to the end of the phase.

    Where views are reference crops that fit in memory they are made once, and where the encoder is
    frozen as well, encoded once.
    """
    config, train = run.config, inputs.data.splits["train"]
    draws = _draws(run, seed=inputs.seed, first_epoch=first_epoch)
    crops = Crops(
        train,
        run.labelled,
        image_px=config.image_px,
        workers=config.loader_workers,
        on_batch=inputs.on_batch,
    )
    if is_reference(config.augment) and crops.fit_in_memory:
        rows = crops.rows()
        if not config.train_encoder:
            rows = encoded_rows(crops, run.network.encoder, run.numerics)
        for group in draws:
            chosen = torch.tensor([index for _, index in group])
            inputs.on_batch()
            yield {name: values[chosen] for name, values in rows.items()}
        return
    composition = training_composition(config.augment, image_px=config.image_px, seed=inputs.seed)
    made = LabelledRows(train, run.labelled, composition, inputs.seed)
    yield from load(made, draws, workers=config.loader_workers, on_batch=inputs.on_batch)


def _draws(run: _Finetuning, *, seed: int, first_epoch: int) -> Iterator[Sequence[Draw]]:
    config = run.config
    per_epoch = run.steps_per_epoch * config.accumulate
    for epoch in range(first_epoch, config.epochs):
        batches = endless_draws(
            len(run.labelled),
            seed=seed,
            first=epoch * per_epoch,
            batches=per_epoch,
            batch_size=config.batch_size,
        )
        yield from map(own_rows, batches)


def _train_epoch(run: _Finetuning, batches: Iterator[Batch], *, epoch: int) -> dict[str, float]:
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


def _accumulate_gradients(run: _Finetuning, parts: Sequence[Batch]) -> dict[str, Tensor]:
    """Run the backward passes of one optimizer step; the result is that of one large batch.

    The loss is a mean over annotated joints, so each part counts by its share of them; averaging
    over ranks is made up for.
    """
    targets = [pose_targets(part, run.numerics.device) for part in parts]
    valid = torch.stack([target.valid.sum() for target in targets])
    shares = valid * world_size() / total_over_ranks(valid.sum()).clamp(min=1)
    losses = []
    for number, (part, target) in enumerate(zip(parts, targets, strict=True)):
        is_last = number == len(parts) - 1
        with nullcontext() if is_last else gradients_stay_local(run.parallel):
            terms = _loss(run, part, target)
            backward(terms.total * shares[number])
        losses.append(torch.stack([terms.total, terms.keypoints_px, terms.depth_rel]).detach())
    means = shares @ torch.stack(losses)
    return dict(zip(TRAIN_METRICS, means, strict=True))


def _loss(run: _Finetuning, batch: Batch, targets: PoseTargets) -> Pose25DTerms:
    if "features" in batch:
        output = run.parallel(batch["features"])
    elif run.config.train_encoder:
        output = run.parallel(batch["image"])
    else:
        with torch.no_grad():
            features = run.numerics.encode(run.network.encoder, batch["image"])
        output = run.parallel(features)
    keypoints_px, depth_rel = decode_pose(output, image_px=run.config.image_px)
    return pose_25d_loss(
        keypoints_px,
        depth_rel,
        true_keypoints_px=targets.keypoints_px,
        true_depth_rel=targets.depth_rel,
        valid=targets.valid,
        depth_weight=run.config.loss.depth_weight,
    )
