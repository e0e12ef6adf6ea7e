"""What a segmenter's masks of a labelled split are worth."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from hpe.augment.hand_masks import MaskAugmentationConfig, build_mask_augmentation
from hpe.data.hand_masks import MaskedSplit
from hpe.losses.segmentation import by_hand
from hpe.metrics.segmentation import (
    MaskCounts,
    count_masks,
    hidden_pixels,
    miou,
    miou_fg_pooled,
    part_pixels,
)
from hpe.phases.distribution import in_original_order, own_rows
from hpe.phases.loaders import Batch, load, one_pass
from hpe.phases.mask_batches import MaskRows
from hpe.phases.phase import tell_nobody
from hpe.phases.precision import Numerics
from hpe.phases.segmentation_config import EVALUATION_BATCH, SCORES, VISIBILITY_SCORES

FIGURE_SAMPLES = 8


@dataclass(frozen=True)
class MaskScores:
    """What a split says of a segmenter.

    Attributes:
        values: `SCORES`, and `VISIBILITY_SCORES` if asked for.
        part_pixels: Overlap and union of each part over all images and hands: among all pixels,
            and, if asked for, among those that are not hidden and among the hidden ones.
    """

    values: dict[str, float]
    part_pixels: Int64[Tensor, "rows 2 16"]


class MaskEvaluationSet:
    """A split's first samples without augmentation, shared by the ranks."""

    def __init__(
        self,
        split: MaskedSplit,
        *,
        num_samples: int,
        image_px: int,
        by_visibility: bool,
        workers: int = 0,
        on_batch: Callable[[], None] = tell_nobody,
    ) -> None:
        """Name the samples; none is opened yet."""
        self._total = num_samples
        self._own: Sequence[int] = own_rows(range(num_samples))
        self._rows = reference_rows(split, image_px=image_px)
        self._by_visibility = by_visibility
        self._workers = workers
        self._on_batch = on_batch

    def scores(self, network: nn.Module, numerics: Numerics) -> MaskScores:
        """Return the network's scores; it is left in evaluation mode.

        Raises:
            ValueError: If the samples lack what is to be scored.
        """
        kinds = self.counts(network, numerics)
        means = [miou(kinds[0]), *(miou_fg_pooled(counts) for counts in kinds)]
        names = SCORES + (VISIBILITY_SCORES if self._by_visibility else ())
        values = {name: float(mean) for name, mean in zip(names, means, strict=True)}
        for name, value in values.items():
            if value != value:
                raise ValueError(
                    f"{name} needs pixels of hands that it can score, got none in {self._total} "
                    "samples; score more of them, or set score_visibility: false if the masks "
                    "of this data set never hide each other."
                )
        return MaskScores(values, torch.stack([part_pixels(counts) for counts in kinds]))

    def counts(self, network: nn.Module, numerics: Numerics) -> list[MaskCounts]:
        """Return the counts of all pixels and, if asked for, of those not hidden and hidden ones.

        The network is left in evaluation mode.

        Raises:
            ValueError: If the samples do not say what is visible, and that is asked for.
        """
        counted = [self._counts(*pair) for pair in self._predicted(network, numerics)]
        return [self._of_all_ranks(counts) for counts in zip(*counted, strict=True)]

    def _predicted(self, network: nn.Module, numerics: Numerics) -> Iterator[tuple[Tensor, Batch]]:
        draws = [
            [(number, self._own[index]) for number, index in group]
            for group in one_pass(len(self._own), batch_size=EVALUATION_BATCH)
        ]
        for batch in load(self._rows, draws, workers=self._workers, on_batch=self._on_batch):
            yield predicted_masks(network, batch["image"], numerics).cpu(), batch

    def _counts(self, predicted: Tensor, batch: Batch) -> tuple[MaskCounts, ...]:
        true = batch["masks"]
        if not self._by_visibility:
            return (count_masks(predicted, true),)
        if "visible" not in batch:
            raise ValueError(
                "miou_visible and miou_occluded need masks of the pixels that are visible, which "
                "this data set does not have; set score_visibility: false."
            )
        hidden = hidden_pixels(true, batch["visible"])
        return (
            count_masks(predicted, true),
            count_masks(predicted, true, where=~hidden),
            count_masks(predicted, true, where=hidden),
        )

    def _of_all_ranks(self, batches: Sequence[MaskCounts]) -> MaskCounts:
        joined = {
            field.name: torch.cat([getattr(counts, field.name) for counts in batches])
            for field in fields(MaskCounts)
        }
        return MaskCounts(
            **{
                name: in_original_order(counts, total=self._total)
                for name, counts in joined.items()
            }
        )


class MaskFigureSet:
    """A few samples of a split, spread over it."""

    def __init__(self, split: MaskedSplit, *, image_px: int) -> None:
        """Name the samples; none is opened yet."""
        self._rows = reference_rows(split, image_px=image_px)
        self._chosen = range(0, len(split), max(len(split) // FIGURE_SAMPLES, 1))[:FIGURE_SAMPLES]

    def predictions(self, network: nn.Module, numerics: Numerics) -> Batch:
        """Return `image`, `masks`, `predicted` and, where known, `visible`, all of the same size.

        The network is left in evaluation mode.
        """
        (batch,) = load(self._rows, [[(0, index) for index in self._chosen]], workers=0)
        return {**batch, "predicted": predicted_masks(network, batch["image"], numerics).cpu()}


def reference_rows(split: MaskedSplit, *, image_px: int) -> MaskRows:
    """Return what makes rows without augmentation."""
    return MaskRows(split, build_mask_augmentation(MaskAugmentationConfig(), image_px), seed=0)


@torch.no_grad()
def predicted_masks(network: nn.Module, images: Tensor, numerics: Numerics) -> Tensor:
    """Return the most probable classes of both hands; the network is left in evaluation mode."""
    network.eval()
    return by_hand(numerics.encode(network, images)).argmax(dim=2).to(torch.uint8)
