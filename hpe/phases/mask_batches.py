"""The batches that segmentation trains on: images with masks, with pseudo-labels, with others'."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpe.augment.hand_masks import MaskAugmentation, build_mask_augmentation
from hpe.data.hand_masks import UNPAIRED_MASKS, MaskedSplit
from hpe.losses.segmentation import by_hand
from hpe.phases.distribution import in_original_order, own_rows, rank, world_size
from hpe.phases.loaders import Batch, Row, endless_draws, load
from hpe.phases.phase import PhaseInputs
from hpe.phases.precision import Numerics
from hpe.phases.randomness import Draw, view_rng
from hpe.phases.segmentation_config import LEAST_KEPT, MaskTrainingConfig, kept_rows

REAL_MASKS = "real_masks"
CONFIDENCE = "confidence"


@dataclass(frozen=True)
class MaskRows:
    """Makes a row of what a sample has: image, masks, and which of their pixels are visible.

    Attributes:
        split: The samples.
        augmentation: Makes a view of one.
        seed: Seed of the augmentation's randomness.
    """

    split: MaskedSplit
    augmentation: MaskAugmentation
    seed: int

    def __call__(self, draw: Draw) -> Row:
        """Return the arrays of one view."""
        view = self.augmentation(self.split[draw[1]], view_rng(draw, seed=self.seed, view=0))
        arrays = {"image": view.image, "masks": view.masks, "visible": view.visible}
        return {name: values for name, values in arrays.items() if values is not None}


def masked_batches(
    config: MaskTrainingConfig,
    inputs: PhaseInputs,
    *,
    split: str,
    steps_per_epoch: int,
    first_epoch: int,
) -> Generator[Batch, None, None]:
    """Yield this rank's part of every batch of a split from an epoch (from 0) to the phase's end.

    Raises:
        ValueError: If the data set has no such split, or nothing in it.
    """
    samples = _samples(inputs, split)
    # A stream of its own, so that images do not meet the same unpaired masks in every pass.
    seed = inputs.seed + (split == UNPAIRED_MASKS)
    augmentation = build_mask_augmentation(config.augment, config.image_px)
    draws = _draws(
        config,
        num_samples=len(samples),
        seed=seed,
        steps_per_epoch=steps_per_epoch,
        first_epoch=first_epoch,
    )
    rows = MaskRows(samples, augmentation, seed)
    yield from load(rows, draws, workers=config.loader_workers, on_batch=inputs.on_batch)


def with_real_masks(
    batches: Generator[Batch, None, None], masks: Generator[Batch, None, None]
) -> Generator[Batch, None, None]:
    """Yield batches with the unpaired masks that the discriminator is shown as true ones."""
    with closing(batches), closing(masks):
        for batch, unpaired in zip(batches, masks, strict=True):
            yield {**batch, REAL_MASKS: unpaired["masks"]}


def pseudo_labelled(
    batches: Generator[Batch, None, None],
    labeller: nn.Module,
    *,
    numerics: Numerics,
    keep_share: float,
) -> Generator[Batch, None, None]:
    """Yield images with the masks that a trained network gives them, the surest of each batch.

    Args:
        batches: Of images.
        labeller: Labels the views that will be trained on; put into evaluation mode.
        numerics: How it is computed.
        keep_share: Share of the rows to keep, of those of all ranks together; the ranks take them
            in turn.
    """
    labeller.eval()
    with closing(batches):
        for batch in batches:
            with torch.no_grad():
                logits = by_hand(numerics.encode(labeller, batch["image"]))
                largest, masks = logits.max(dim=2)
            images, classes = batch["image"], masks.to(torch.uint8)
            images, classes, largest = map(_of_all_ranks, (images, classes, largest))
            kept = most_confident(largest, share=keep_share)
            own = kept[rank() :: world_size()]
            yield {
                "image": images[own.cpu()],
                "masks": classes[own],
                CONFIDENCE: largest[kept].mean(),
            }


def most_confident(largest: Tensor, *, share: float) -> Tensor:
    """Return the rows with the largest sums, in their order; ties go to the earlier row.

    Args:
        largest: Largest logit of each row's hands and pixels.
        share: Share of the rows to return.
    """
    surest = largest.flatten(1).sum(dim=1).argsort(descending=True, stable=True)
    return surest[: kept_rows(len(largest), share)].sort().values


def require_enough_kept(*, batch_size: int, keep_share: float) -> None:
    """Refuse a share of a batch that leaves a process fewer images than batch norm takes."""
    kept = kept_rows(batch_size, keep_share)
    if kept // world_size() < LEAST_KEPT:
        raise ValueError(
            f"keep_share must leave at least {LEAST_KEPT} images of a batch to each worker, got "
            f"{kept} of {batch_size} for {world_size()}: raise keep_share or batch_size, or take "
            "fewer slots/workers."
        )


def _of_all_ranks(own: Tensor) -> Tensor:
    """Return the rows of every process in the order in which the batch was shared out."""
    return in_original_order(own, total=len(own) * world_size())


def _samples(inputs: PhaseInputs, split: str) -> MaskedSplit:
    samples: MaskedSplit | None = inputs.data.splits.get(split)
    if samples is None or len(samples) == 0:
        raise ValueError(
            f"this phase needs samples in the split {split!r}, and {inputs.data.name} has none; "
            "take another data set or leave the phase (or adversary/real_masks: unpaired) out."
        )
    return samples


def _draws(
    config: MaskTrainingConfig,
    *,
    num_samples: int,
    seed: int,
    steps_per_epoch: int,
    first_epoch: int,
) -> Iterator[Sequence[Draw]]:
    per_epoch = steps_per_epoch * config.accumulate
    for epoch in range(first_epoch, config.epochs):
        batches = endless_draws(
            num_samples,
            seed=seed,
            first=epoch * per_epoch,
            batches=per_epoch,
            batch_size=config.batch_size,
        )
        yield from map(own_rows, batches)
