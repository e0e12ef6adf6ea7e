"""Optimizer steps of a segmenter and of the discriminator beside it, and epochs of them."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from functools import partial
from itertools import islice

import torch
from torch import Tensor
from torch.autograd import backward

from hpe.losses.segmentation import by_hand, mask_loss
from hpe.metrics.segmentation import iou_of_pixels
from hpe.phases.averages import Averages, require_finite
from hpe.phases.distribution import gradients_stay_local, rank, take_first_ranks_buffers
from hpe.phases.divergence import FirstNonFinite
from hpe.phases.loaders import Batch
from hpe.phases.mask_batches import CONFIDENCE, REAL_MASKS
from hpe.phases.mask_evaluation import MaskEvaluationSet, MaskFigureSet
from hpe.phases.mask_run import MaskRun, PartPixels, artifacts_of, require_image_size
from hpe.phases.phase import Artifacts, Diverged, EpochReport, Phase, PhaseInputs, State
from hpe.phases.randomness import seed_layers
from hpe.phases.segmentation_config import (
    ADVERSARIAL_METRIC,
    CONFIDENCE_METRIC,
    DISCRIMINATOR_METRIC,
    TRAIN_METRICS,
    PairedLossConfig,
    scored_samples,
    scored_splits,
)

NO_PIXELS = torch.empty(0, 2, 16, dtype=torch.int64)

SEGMENTER, DISCRIMINATOR = "segmenter", "discriminator"
TO_BLAME = {
    "train/loss_ce": SEGMENTER,
    "train/loss_region": SEGMENTER,
    DISCRIMINATOR_METRIC: DISCRIMINATOR,
    ADVERSARIAL_METRIC: DISCRIMINATOR,
    "train/loss": SEGMENTER,
}
"""The network to blame for each loss; the segmenter's own terms know nothing of the other."""


def run_segmentation(
    run: MaskRun,
    inputs: PhaseInputs,
    batches_from: Callable[[int], Generator[Batch, None, None]],
    *,
    phase: str,
    resume: State | None,
) -> Phase:
    """Train a segmenter to the end of its phase; see the phases for what they yield and return.

    Args:
        run: What is trained.
        inputs: What the phase works on.
        batches_from: Given the epochs that are behind the phase, the batches of the rest.
        phase: Its name, for the artifacts.
        resume: State to go on from.
    """
    config = run.config
    require_image_size(run)
    evaluations = {name: _evaluation_set(run, inputs, split=name) for name in scored_splits(config)}
    figures = MaskFigureSet(inputs.data.splits["val"], image_px=config.image_px)
    finished, metrics, part_pixels = (0, {}, NO_PIXELS) if resume is None else run.restore(resume)
    with closing(batches_from(finished)) as batches:
        for epoch in range(finished + 1, config.epochs + 1):
            seed_layers(seed=inputs.seed, epoch=epoch, rank=rank())
            metrics = train_epoch(run, batches, epoch=epoch)
            for name, evaluation in reversed(evaluations.items()):  # validation last
                scores = evaluation.scores(run.segmenter, run.numerics)
                metrics |= {f"{name}/{score}": value for score, value in scores.values.items()}
                part_pixels = scores.part_pixels
            yield EpochReport(
                epoch=epoch,
                epochs=config.epochs,
                metrics=require_finite(metrics, epoch=epoch),
                state=partial(run.state, epoch, metrics, part_pixels),
                artifacts=partial(_artifacts, run, phase, metrics, part_pixels, figures),
            )
    return _artifacts(run, phase, metrics, part_pixels, figures)


def train_epoch(run: MaskRun, batches: Iterator[Batch], *, epoch: int) -> dict[str, float]:
    """Run an epoch's optimizer steps; return the means of its training metrics.

    Raises:
        Diverged: If a loss is not finite; the message names the network it began in.
    """
    run.segmenter.train()
    if run.adversary is not None:
        run.adversary.start_epoch()
    averages, first = Averages(epoch), FirstNonFinite()
    first_step = (epoch - 1) * run.steps_per_epoch
    try:
        for step in range(first_step, first_step + run.steps_per_epoch):
            losses = _step(run, list(islice(batches, run.config.accumulate)), step=step)
            first.add(losses)
            averages.add(losses)
        means = averages.means()
    except Diverged as error:
        raise first.explained(error, networks=TO_BLAME) from None
    take_first_ranks_buffers(run.segmenter)
    if run.adversary is not None:
        take_first_ranks_buffers(run.adversary.discriminator)
    return means


def _step(run: MaskRun, parts: Sequence[Batch], *, step: int) -> dict[str, Tensor]:
    """Take an optimizer step of the segmenter, then one of the discriminator if it learns.

    The discriminator is taught on what the segmenter said before its step.
    """
    losses, predictions = [], []
    for number, part in enumerate(parts, start=1):
        is_last = number == len(parts)
        with nullcontext() if is_last else gradients_stay_local(run.parallel):
            terms, logits = _part(run, part, share=1 / len(parts), step=step)
        losses.append(terms)
        predictions.append(logits)
    run.optimizer.step(step)
    means = {name: torch.stack([terms[name] for terms in losses]).mean() for name in losses[0]}
    if run.adversary is not None and run.adversary.optimizer is not None:
        real = [part.get(REAL_MASKS, part["masks"]).to(run.numerics.device) for part in parts]
        means[DISCRIMINATOR_METRIC] = run.adversary.taught(predictions, real, step=step)
    return means


def _part(
    run: MaskRun, part: Batch, *, share: float, step: int
) -> tuple[dict[str, Tensor], Tensor]:
    """Run one batch's backward pass; return its losses, and its logits without their graph."""
    config, epoch = run.config.loss, step / run.steps_per_epoch
    if "masks" not in part:
        raise ValueError(
            "segmentation is trained on images with masks, and the split has none; the split "
            "'unlabelled' is the one for images alone."
        )
    logits = by_hand(run.numerics.encode(run.parallel, part["image"]))
    terms = mask_loss(
        logits,
        part["masks"].to(run.numerics.device),
        class_weights=run.class_weights,
        region=config.region,
    )
    weighted = [
        (config.ce_weight * config.ce_ramp.factor(epoch), terms.ce),
        (config.region_weight * config.region_ramp.factor(epoch), terms.region),
    ]
    reported = dict(zip(TRAIN_METRICS[1:], (terms.ce, terms.region), strict=True))
    if isinstance(config, PairedLossConfig) and config.adversarial_weight > 0:
        assert run.adversary is not None
        heard = run.adversary.heard(logits)
        weight = config.adversarial_weight * config.adversarial_ramp.factor(epoch)
        weighted.append((weight, heard))
        reported[ADVERSARIAL_METRIC] = heard
    total = torch.stack([weight * term for weight, term in weighted]).sum()
    backward(share * total)
    reported[TRAIN_METRICS[0]] = total
    if CONFIDENCE in part:
        reported[CONFIDENCE_METRIC] = part[CONFIDENCE]
    return {name: value.detach() for name, value in reported.items()}, logits.detach()


def _evaluation_set(run: MaskRun, inputs: PhaseInputs, *, split: str) -> MaskEvaluationSet:
    samples, config = inputs.data.splits[split], run.config
    if len(samples) == 0:
        raise ValueError(
            f"this phase is scored on the split {split!r}, and {inputs.data.name} has nothing in "
            "it; take a larger share of the data for it."
        )
    return MaskEvaluationSet(
        samples,
        num_samples=scored_samples(config, len(samples)),
        image_px=config.image_px,
        by_visibility=config.score_visibility,
        workers=config.loader_workers,
        on_batch=inputs.on_batch,
    )


def _artifacts(
    run: MaskRun,
    phase: str,
    metrics: Mapping[str, float],
    part_pixels: PartPixels,
    figures: MaskFigureSet,
) -> Artifacts:
    predictions = figures.predictions(run.segmenter, run.numerics)
    predictions["part_iou"] = iou_of_pixels(part_pixels)
    return artifacts_of(run, phase=phase, metrics=metrics, predictions=predictions)
